//! A log that is open for reading alone has nobody who opens it again after a fault: whoever met one does.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use redb::ReadableDatabase;

use crate::database::{Database, guarded_read};
use crate::error::StorageFault;
use crate::fault::read_failed;
use crate::file::{self, Bare, Kind, LogId, OsDisk};
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
            Ok(opened) => cold.put(opened.db, Some(Bare::of(opened.shadow))),
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

#[cfg(test)]
mod tests {
    use crate::options::Options;
    use crate::store::{Opened, Store};
    use crate::test_support::{Home, events_of, running};
    use crate::{ReadError, test_support::id};

    /// A log that is open for reading alone, and what a read that met a fault does of it.
    async fn met_a_fault(home: &Home) -> (Store, impl Fn(&Store) + use<>) {
        let store = home.open();
        running(&store, "a").await;
        store.close().await;
        let store = Store::open_to_read(&home.path(), Options::default()).expect("it opens");
        let meet = |store: &Store| {
            let Opened::ToRead(again) = &store.0.opened else {
                panic!("it was opened to be read");
            };
            again.open(&store.0.cold, store.0.cold.opening().expect("it is open"));
        };
        (store, meet)
    }

    #[tokio::test]
    async fn who_met_a_fault_has_the_file_opened_again_and_reads_on() {
        let home = Home::new();
        let (store, meet) = met_a_fault(&home).await;
        let before = store.0.cold.opening().expect("it is open");
        meet(&store);
        assert!(!store.0.cold.is_open(before));
        assert_eq!(events_of(&store, "a").len(), 2);
    }

    #[tokio::test]
    async fn a_file_that_was_written_to_meanwhile_is_not_read_on() {
        let home = Home::new();
        let (store, meet) = met_a_fault(&home).await;
        let other = Home::new();
        let written = other.open();
        running(&written, "b").await;
        written.close().await;
        std::fs::copy(other.path(), home.path()).expect("a copy");
        meet(&store);
        let read = store.record(&id("a"));
        assert!(
            matches!(read, Err(ReadError::Unavailable { .. })),
            "{read:?}"
        );
    }
}
