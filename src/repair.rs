//! A home whose log may be damaged: looking at all of it, and salvaging what is whole.
//!
//! Both take the home's lock, so a home that somebody has open is refused, and neither writes to
//! it.

use std::fs::{self, DirEntry};
use std::io;
use std::path::Path;

use coven_store::{self as store, Findings, Options, Progress, SalvageError, Salvaged, Store};

use crate::OpenError;
use crate::home::{self, Home, LOG_FILE, Made};

/// Why nothing was salvaged.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RepairError {
    /// The home cannot be opened: somebody has it, or it is none.
    #[error(transparent)]
    Home(#[from] OpenError),
    /// The new home cannot be made: the disk is full, or somebody has it. Nothing of it is there.
    #[error("the new home cannot be made: {_0}")]
    New(#[source] OpenError),
    /// The new home is there already, and has something in it. Choose another place.
    #[error("{} exists and is not empty", path.display())]
    NotEmpty {
        /// The directory.
        path: std::path::PathBuf,
    },
    /// What is there is no directory. Choose another place.
    #[error("{} is not a directory", path.display())]
    NotADirectory {
        /// It.
        path: std::path::PathBuf,
    },
    /// The new home would be in the damaged one. Choose another place.
    #[error("{} is in the damaged home, which is to stay as it is", path.display())]
    Inside {
        /// Where the new one was to be.
        path: std::path::PathBuf,
    },
    /// The new log could not be written.
    #[error(transparent)]
    Salvage(#[from] SalvageError),
}

/// Looks at everything in the log of the home at `path`, as [`coven_store::inspect`] does. Blocks
/// for reading all of it.
///
/// # Errors
/// [`OpenError::InUse`] while somebody has the home open; [`OpenError::Log`] where there is no log,
/// or one that this version could not read if it were whole.
pub fn inspect(path: &Path, progress: &mut dyn FnMut(Progress)) -> Result<Findings, OpenError> {
    let home = Home::open_to_repair(path)?;
    home.refuse_lost_log()?;
    Ok(coven_store::inspect(&home.log(), progress)?)
}

/// Whether the home at `path`, which nobody should have open, and its log can be opened, as
/// [`coven_store::glance`] tells. Takes no lock.
///
/// # Errors
/// What a daemon would say that is started there, if that can be told.
pub fn glance(path: &Path) -> Result<(), OpenError> {
    home::glance(path)?;
    home::refuse_lost_log(path)?;
    Ok(coven_store::glance(&path.join(LOG_FILE))?)
}

/// Why the log of the home at `path`, which nobody has open, is not opened as it is, so that nothing in it can be read
/// before it is salvaged; `None` where it is opened. Blocks for as long as opening it to read takes.
pub fn why_unopened(path: &Path) -> Option<OpenError> {
    let open = || {
        let home = Home::open_to_repair(path)?;
        Store::open_to_read(&home.log(), Options::default())?;
        Ok(())
    };
    let glance = coven_store::glance(&path.join(LOG_FILE)).map_err(OpenError::from);
    let error = glance.and_then(|()| open()).err()?;
    let is_of_the_log = matches!(
        error,
        OpenError::Log(store::OpenError::Damaged { .. } | store::OpenError::Foreign { .. })
    );
    is_of_the_log.then_some(error)
}

/// What the file that says the format of the home at `path` says, where that keeps everybody from opening it but those
/// who look at its log, or salvage it: a newer version wrote it, or it is damaged. `None` where it does not.
pub fn foreign_format(path: &Path) -> Option<String> {
    home::foreign_format(path)
}

/// Writes everything that is whole in the log of the home at `path` into a new home at `into`,
/// which must not exist or be empty, but for what another salvage left there that did not come to its end, as
/// [`coven_store::salvage`] does. Only the log is taken over: not settings, nor manifests. Blocks for reading
/// the log several times.
///
/// # Errors
/// [`RepairError`], each with what to do about it. What there is of the new log then is refused by whoever
/// opens it; where nothing of it was written, the home that was made for it is taken away again.
pub fn salvage(
    path: &Path,
    into: &Path,
    progress: &mut dyn FnMut(Progress),
) -> Result<Salvaged, RepairError> {
    let home = Home::open_to_repair(path)?;
    home.refuse_lost_log()?;
    check_place(into, path)?;
    let made = Made::before(into).map_err(RepairError::New)?;
    let new = match Home::open(into) {
        Err(error @ OpenError::InUse { .. }) => {
            made.keep();
            return Err(RepairError::New(error));
        }
        opened => opened.map_err(RepairError::New)?,
    };
    let salvaged = coven_store::salvage(&home.log(), &new.log(), progress);
    if home::has_log(into) {
        made.keep();
    } else {
        // As long as nobody else can have the home.
        drop(made);
    }
    Ok(salvaged?)
}

/// Whether a home can be made there: nothing is, or a directory with nothing in it but a home without a log, or
/// one whose log another salvage did not come to the end of; and not in the damaged `home`.
fn check_place(into: &Path, home: &Path) -> Result<(), RepairError> {
    let path = into.to_owned();
    if is_inside(into, home) {
        return Err(RepairError::Inside { path });
    }
    match fs::read_dir(into)
        .map(|mut entries| entries.all(|it| it.is_ok_and(|it| is_of_any_home(&it))))
    {
        Ok(true) => Ok(()),
        Ok(false) if coven_store::is_unfinished(&into.join(LOG_FILE)) => Ok(()),
        Ok(false) => Err(RepairError::NotEmpty { path }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(_) => Err(RepairError::NotADirectory { path }),
    }
}

/// Whether a file is what every home has from when it is opened: nothing that anybody put there.
fn is_of_any_home(file: &DirEntry) -> bool {
    home::OWN_FILES.iter().any(|name| file.file_name() == *name)
}

/// Whether a path leads into a directory, or would if it were made, whatever links are in it.
fn is_inside(path: &Path, directory: &Path) -> bool {
    let Ok(directory) = directory.canonicalize() else {
        return false;
    };
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let there = path.ancestors().find_map(|path| path.canonicalize().ok());
    there.is_some_and(|there| there.starts_with(directory))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_salvage_that_wrote_nothing_leaves_no_home_and_nothing_in_one_that_was_there() {
        let outer = tempfile::tempdir().unwrap();
        let damaged = outer.path().join("damaged");
        home::make(&damaged).unwrap();
        let none = salvage(&damaged, &outer.path().join("new"), &mut |_| {});
        assert!(matches!(none, Err(RepairError::Salvage(_))), "{none:?}");
        assert!(!outer.path().join("new").exists());
        let empty = outer.path().join("empty");
        fs::create_dir(&empty).unwrap();
        assert!(salvage(&damaged, &empty, &mut |_| {}).is_err());
        assert_eq!(fs::read_dir(&empty).unwrap().count(), 0);
        // A file in the place of what is made first keeps it from being made.
        fs::create_dir(empty.join("lock")).unwrap();
        let refused = salvage(&damaged, &empty, &mut |_| {});
        assert!(matches!(refused, Err(RepairError::New(_))), "{refused:?}");
        assert!(!empty.join("format").exists());
    }
}
