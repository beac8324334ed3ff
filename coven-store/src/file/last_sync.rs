//! `LastSync`: the first bytes of a file, which say which commit is its last, as the last sync left them.
//!
//! After a sync that failed, the system may take for written what never reached the disk, and still read
//! it: no later sync writes it. So a file is not asked then what its last commit is. It is opened at the
//! one that was synced last, all of whose pages are on the disk, and that it is the last is written anew.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockWriteGuard, TryLockError};

use redb::StorageBackend;

use super::forward::forward_locks;
use super::shadow::Shadow;
use crate::raw::HEADER_BYTES;

type Header = [u8; HEADER_BYTES];

/// It outlives the openings of a file, of which each looks on at the one after it.
#[derive(Clone, Debug, Default)]
pub(crate) struct LastSync(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    known: Mutex<Known>,
    /// How long the file was when it was opened, or was made since. Who looks keeps nobody else from looking: the
    /// writer would pass over a file that was cut while its health is asked for.
    len_bytes: RwLock<Option<u64>>,
}

#[derive(Debug, Default)]
struct Known {
    /// As it was written last.
    written: Option<Header>,
    /// As it is on the disk, if it was written since this looks on.
    synced: Option<Header>,
    /// It was written since, be it as it was, and no sync has gone through.
    is_unsynced: bool,
}

impl LastSync {
    /// Looks on at what is done to a file.
    pub(super) fn of(&self, file: Box<dyn StorageBackend>) -> Box<dyn StorageBackend> {
        *self.len_bytes_to_change() = file.len().ok();
        Box::new(Watched {
            file,
            known: self.clone(),
        })
    }

    /// Runs `look` while the file is made neither longer nor shorter, with how long it was made; with nothing
    /// where that is just being done, or is not known.
    pub(super) fn with_len<T>(&self, look: impl FnOnce(Option<u64>) -> T) -> T {
        match self.0.len_bytes.try_read() {
            Ok(len_bytes) => look(*len_bytes),
            Err(TryLockError::Poisoned(len_bytes)) => look(*len_bytes.into_inner()),
            Err(TryLockError::WouldBlock) => look(None),
        }
    }

    /// Has a file that is held begin as the last sync left it. Says whether anything else may be on the disk,
    /// until it is released.
    pub(super) fn restore(&self, file: &Shadow) -> io::Result<bool> {
        let (synced, is_unsynced) = {
            let known = &mut *self.known();
            known.written = known.synced;
            (known.synced, known.is_unsynced)
        };
        let Some(synced) = synced else {
            return Ok(false);
        };
        let mut found = [0; HEADER_BYTES];
        file.read(0, &mut found)?;
        if found == synced && !is_unsynced {
            return Ok(false);
        }
        file.write(0, &synced)?;
        // Before a page is written that only the commit uses which is not the last one any more.
        file.sync_data()?;
        Ok(true)
    }

    /// The first bytes of the file as they were written last; of one that was opened again and not written to since, as
    /// the last sync left them. `None` where none was since this looks on.
    pub(super) fn written(&self) -> Option<[u8; HEADER_BYTES]> {
        self.known().written
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn len_bytes_to_change(&self) -> RwLockWriteGuard<'_, Option<u64>> {
        let len_bytes = self.0.len_bytes.write();
        len_bytes.unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug)]
struct Watched {
    file: Box<dyn StorageBackend>,
    known: LastSync,
}

impl StorageBackend for Watched {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut len_bytes = self.known.len_bytes_to_change();
        let made = self.file.set_len(len);
        *len_bytes = match made {
            Ok(()) => Some(len),
            Err(_) => self.file.len().ok(),
        };
        made
    }

    fn sync_data(&self) -> io::Result<()> {
        let written = self.known.known().written;
        self.file.sync_data()?;
        let known = &mut *self.known.known();
        known.synced = written.or(known.synced);
        known.is_unsynced = false;
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.file.write(offset, data)?;
        if offset == 0
            && let Some(header) = data.first_chunk()
        {
            let known = &mut *self.known.known();
            known.written = Some(*header);
            known.is_unsynced = true;
        }
        Ok(())
    }

    fn close(&self) -> io::Result<()> {
        self.file.close()
    }

    forward_locks!(self => self.file);
}
