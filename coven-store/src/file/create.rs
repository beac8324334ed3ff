//! Making a new log: whole, or not at all.
//!
//! It is made under a name of its own and moved into place once it is one, so that a crash on
//! the way leaves nothing at the log's path that is neither a log nor nothing.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::disk::{Access, Disk};
use super::kind::{Kind, LogId, beside};
use super::open::{builder, open_error};
use super::shadow::Shadow;
use crate::error::OpenError;

/// Bytes of memory for a database that has nothing in it yet.
const CACHE_BYTES: usize = 1 << 20;

/// Makes an empty file of a log at `path`, where nothing is. It is closed again when this returns.
/// `log` is asked which log it is of while nobody else can make it; `None`: somebody has.
pub(super) fn create(
    disk: &dyn Disk,
    path: &Path,
    kind: Kind,
    log: impl FnOnce() -> Result<Option<LogId>, OpenError>,
) -> Result<(), OpenError> {
    let io = |source| open_error(path, source);
    let draft = beside(path, ".new");
    let file = lock_draft(disk, path, &draft)?;
    let log = match log() {
        Ok(Some(log)) => log,
        nothing => {
            disk.remove(&draft).map_err(io)?;
            return nothing.map(drop);
        }
    };
    // Whatever a crash left there is ours alone now.
    file.set_len(0).map_err(io)?;
    let holes = disk.holes(&file).map_err(io)?;
    let backend = disk.backend(file).map_err(io)?;
    let db = builder(CACHE_BYTES)
        .create_with_backend(Shadow::none(backend, holes))
        .map_err(|error| super::open::database_error(path, error))?;
    kind.initialise(&db, log)
        .map_err(|fault| super::open::fault_error(path, &fault))?;
    // It is moved while it is still locked: nobody else may take it for a draft of theirs.
    match disk.rename(&draft, path) {
        // Somebody else made one meanwhile: theirs it is.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            disk.remove(&draft).map_err(io)?;
        }
        renamed => renamed.map_err(io)?,
    }
    disk.sync_folder(path).map_err(io)?;
    drop(db);
    Ok(())
}

/// Opens the draft and takes it for ourselves.
fn lock_draft(disk: &dyn Disk, path: &Path, draft: &Path) -> Result<File, OpenError> {
    loop {
        let file = disk
            .open(draft, Access::Create)
            .map_err(|source| open_error(path, source))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => {
                return Err(OpenError::Locked {
                    path: path.to_owned(),
                });
            }
            Err(fs::TryLockError::Error(source)) => return Err(open_error(path, source)),
        }
        // Between the opening and the lock, another process may have moved it into place.
        if is_same_file(&file, draft).map_err(|source| open_error(path, source))? {
            return Ok(file);
        }
    }
}

fn is_same_file(file: &File, path: &Path) -> io::Result<bool> {
    let ours = file.metadata()?;
    match fs::metadata(path) {
        Ok(there) => Ok((ours.dev(), ours.ino()) == (there.dev(), there.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}
