//! A log that is open for reading alone has nobody who opens it again after a fault: whoever met one does.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use redb::ReadableDatabase;

use crate::database::{Database, guarded_read};
use crate::error::StorageFault;
use crate::fault::read_failed;
use crate::file::{self, Kind, LogId, OsDisk};
use crate::read;
use crate::stored::Mark;

/// What opens the cold file of such a log once more.
pub(super) struct ReadAgain {
    path: PathBuf,
    cache_bytes: usize,
    /// What it was when it was opened first: the tail fits no other.
    was: (LogId, Mark),
    turn: Mutex<()>,
}

impl ReadAgain {
    pub(super) const fn new(path: PathBuf, cache_bytes: usize, was: (LogId, Mark)) -> Self {
        Self {
            path,
            cache_bytes,
            was,
            turn: Mutex::new(()),
        }
    }

    /// Has `cold` replaced, if `opening` is still the one in use. Where that cannot be, reads fail from now on.
    pub(super) fn open(&self, cold: &Database, opening: u64) {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        if !cold.is_open(opening) {
            return;
        }
        // It has a lock on the file, if it could get one.
        cold.take_away();
        match self.opened() {
            Ok(opened) => cold.put(opened.db, Some(opened.shadow)),
            Err(reason) => cold.fail(reason),
        }
    }

    fn opened(&self) -> Result<file::Opened, StorageFault> {
        let opened = file::open_to_read(&OsDisk, &self.path, Kind::Cold, self.cache_bytes)
            .map_err(|error| file::reason_of(&error))?;
        let is = guarded_read(|| {
            let txn = opened.db.begin_read()?;
            Ok((file::log_id(&txn)?, read::folded(&txn)?))
        });
        match is {
            Ok(is) if is == self.was => Ok(opened),
            // Somebody has written to it, or put another in its place.
            Ok(_) => Err(read_failed()),
            Err(fault) => Err(fault.reason()),
        }
    }
}
