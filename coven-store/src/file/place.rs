//! `Place`: whether a file of the log that is open is still what its path leads to.
//!
//! Whoever removes or renames a file that is open, or puts another in its place, is not told that it is in
//! use, and what is written to it since is gone once it is closed.

#[cfg(test)]
mod tests;

use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::disk::Disk;
use super::last_sync::LastSync;
use crate::error::StorageFault;

/// Which file it is, as long as it is open or has a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Inode {
    device: u64,
    number: u64,
}

impl Inode {
    pub(crate) fn of(file: &Metadata) -> Self {
        Self {
            device: file.dev(),
            number: file.ino(),
        }
    }
}

/// What a path leads to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Standing {
    pub(crate) inode: Inode,
    pub(crate) len_bytes: u64,
}

/// Where one file of the log is, and which it is. The clones are of the same file.
#[derive(Clone, Debug)]
pub(crate) struct Place(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    last_sync: LastSync,
    /// Nothing, where the file is not open: then any may be there.
    open: Mutex<Option<Inode>>,
}

impl Place {
    pub(super) fn new(disk: Arc<dyn Disk>, path: &Path, last_sync: LastSync, open: Inode) -> Self {
        Self(Arc::new(Inner {
            disk,
            // It stays where it is, wherever this program may go.
            path: std::path::absolute(path).unwrap_or_else(|_| path.to_owned()),
            last_sync,
            open: Mutex::new(Some(open)),
        }))
    }

    /// Another file is open by now, or none.
    pub(super) fn is_of(&self, open: Option<Inode>) {
        *self.0.open.lock().unwrap_or_else(PoisonError::into_inner) = open;
    }

    /// Whether the path leads to the file that is open. Takes one system call.
    ///
    /// # Errors
    /// [`StorageFault::Displaced`].
    pub(super) fn leads_to_it(&self) -> Result<(), StorageFault> {
        self.look().map(drop)
    }

    /// The same, and whether the file is as long as it was made at least.
    ///
    /// # Errors
    /// [`StorageFault::Displaced`]; [`StorageFault::Damaged`] where it was cut.
    pub(crate) fn holds_it(&self) -> Result<(), StorageFault> {
        let look = |len_bytes| match (self.look()?, len_bytes) {
            (Some(found), Some(least)) if found.len_bytes < least => Err(StorageFault::Damaged {
                message: format!(
                    "{} was cut by another program: it has {} bytes, and had {least}",
                    self.0.path.display(),
                    found.len_bytes
                ),
            }),
            _ => Ok(()),
        };
        self.0.last_sync.with_len(look)
    }

    /// What is there, if that can be told.
    fn look(&self) -> Result<Option<Standing>, StorageFault> {
        let open = *self.0.open.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(open) = open else {
            return Ok(None);
        };
        let what = match self.0.disk.standing(&self.0.path) {
            Ok(found) if found.inode == open => return Ok(Some(found)),
            Ok(_) => "is another file than the one that is open",
            Err(error) => match error.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => "is not there any more",
                // It may well be there.
                _ => return Ok(None),
            },
        };
        Err(StorageFault::Displaced {
            message: format!("{} {what}", self.0.path.display()),
        })
    }
}

/// Both files of a log.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    pub(crate) cold: Place,
    pub(crate) journal: Place,
}

impl Places {
    /// Whether both files are where they were opened, and not cut. Takes two system calls.
    ///
    /// # Errors
    /// What is wrong with one of them.
    pub(crate) fn hold_them(&self) -> Result<(), StorageFault> {
        self.cold.holds_it()?;
        self.journal.holds_it()
    }
}
