//! A home whose log may be damaged: looking at all of it, and salvaging what is whole.
//!
//! Both take the home's lock, so a home that somebody has open is refused, and neither writes to
//! it.

use std::fs;
use std::io;
use std::path::Path;

use coven_store::{Findings, Progress, SalvageError, Salvaged};

use crate::OpenError;
use crate::home::Home;

/// Why nothing was salvaged.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RepairError {
    /// One of the homes cannot be opened: somebody has it, or it is none.
    #[error(transparent)]
    Home(#[from] OpenError),
    /// The new home is there already, and is not empty. Choose another place.
    #[error("{} exists and is not empty", path.display())]
    NotEmpty {
        /// The directory.
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
    let home = Home::open_to_read(path)?;
    Ok(coven_store::inspect(&home.log(), progress)?)
}

/// Writes everything that is whole in the log of the home at `path` into a new home at `into`,
/// which must not exist or be empty, as [`coven_store::salvage`] does. Only the log is taken over:
/// not settings, nor manifests. Blocks for reading the log several times.
///
/// # Errors
/// [`RepairError`], each with what to do about it. What there is of the new home then is of no use.
pub fn salvage(
    path: &Path,
    into: &Path,
    progress: &mut dyn FnMut(Progress),
) -> Result<Salvaged, RepairError> {
    let home = Home::open_to_read(path)?;
    if !is_free(into) {
        return Err(RepairError::NotEmpty {
            path: into.to_owned(),
        });
    }
    let new = Home::open(into)?;
    Ok(coven_store::salvage(&home.log(), &new.log(), progress)?)
}

/// Whether a home can be made there: nothing is, or a directory with nothing in it.
fn is_free(path: &Path) -> bool {
    match fs::read_dir(path) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    }
}
