//! Finding a launch's place on disk, and holding on to it.
//!
//! The working directory is opened once, beneath the root and through no symbolic link, and the
//! process enters it by that descriptor: whatever happens to the path after the check, no other
//! directory is entered.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use coven_core::{Draft, Place, Refusal};
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat2};
use rustix::io::Errno;

/// How often a directory is tried to be opened while others are being renamed.
const MAX_TRIES: usize = 100;

/// A place that exists, and its working directory held open.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) place: Place,
    pub(crate) directory: OwnedFd,
}

/// Looks at every path of `draft`. `checked` runs between the look and the opening; it is where a
/// test swaps a directory for a symbolic link. Blocks for a few looks at the file system.
///
/// # Errors
/// [`Refusal::Invalid`] naming `projectRoot`, `cwd` or `launchPolicy.addDirs`.
pub(crate) fn hold(draft: &Draft, checked: impl FnOnce()) -> Result<Held, Refusal> {
    let root = root(&draft.project_root)?;
    let cwd = cwd(&root, draft.cwd.as_deref())?;
    for dir in draft.added_dirs() {
        if !Path::new(dir).is_dir() {
            let problem = "must hold existing directories";
            return Err(Refusal::invalid("launchPolicy.addDirs", dir, problem));
        }
    }
    let place = Place::new(text("projectRoot", &root)?, text("cwd", &cwd)?)?;
    checked();
    let directory = open(&root, &cwd)
        .map_err(|error| Refusal::invalid("cwd", place.cwd(), cannot_be_opened(&error)))?;
    Ok(Held { place, directory })
}

fn root(given: &str) -> Result<PathBuf, Refusal> {
    let refuse = |problem: String| Refusal::invalid("projectRoot", given, problem);
    if !Path::new(given).is_absolute() {
        return Err(refuse("must be absolute".to_owned()));
    }
    let root = fs::canonicalize(given).map_err(|error| refuse(cannot_be_opened(&error)))?;
    if root.is_dir() {
        Ok(root)
    } else {
        Err(refuse("is not a directory".to_owned()))
    }
}

fn cwd(root: &Path, given: Option<&str>) -> Result<PathBuf, Refusal> {
    let Some(given) = given.filter(|given| !given.is_empty()) else {
        return Ok(root.to_owned());
    };
    let refuse = |problem: String| Refusal::invalid("cwd", given, problem);
    let cwd =
        fs::canonicalize(root.join(given)).map_err(|error| refuse(cannot_be_opened(&error)))?;
    if !cwd.is_dir() {
        return Err(refuse("is not a directory".to_owned()));
    }
    if !cwd.starts_with(root) {
        return Err(refuse("must be the project root or beneath it".to_owned()));
    }
    Ok(cwd)
}

/// Opens `cwd`, which is `root` or beneath it, both canonical.
fn open(root: &Path, cwd: &Path) -> io::Result<OwnedFd> {
    let beneath = cwd.strip_prefix(root).map_err(io::Error::other)?;
    let root = open_directory(CWD, root.as_os_str(), ResolveFlags::NO_SYMLINKS)?;
    if beneath.as_os_str().is_empty() {
        return Ok(root);
    }
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    open_directory(&root, beneath.as_os_str(), resolve)
}

fn open_directory(from: impl AsFd, path: &OsStr, resolve: ResolveFlags) -> io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let resolve = resolve | ResolveFlags::NO_MAGICLINKS;
    let mut opened = Err(Errno::AGAIN);
    for _ in 0..MAX_TRIES {
        opened = openat2(&from, path, flags, Mode::empty(), resolve);
        // Something on the way was renamed meanwhile, and the kernel could not be sure.
        if !matches!(opened, Err(Errno::AGAIN | Errno::INTR)) {
            break;
        }
    }
    Ok(opened?)
}

fn text<'a>(field: &'static str, path: &'a Path) -> Result<&'a str, Refusal> {
    path.to_str()
        .ok_or_else(|| Refusal::invalid(field, path.to_string_lossy(), "is not UTF-8"))
}

fn cannot_be_opened(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "does not exist".to_owned(),
        io::ErrorKind::NotADirectory => "is not a directory".to_owned(),
        _ => format!("cannot be opened: {error}"),
    }
}
