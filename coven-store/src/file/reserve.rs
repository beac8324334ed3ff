//! `Reserve`: room kept for a full disk, in a file beside the log.
//!
//! It is let go bit by bit, right before it is needed, so that whoever fills the disk has little
//! chance to take it; and filled again when there is room.

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::fs::FallocateFlags;

use super::disk::{Access, Disk};
use crate::error::StorageFault;
use crate::fault::storage_fault;

/// What is let go of at once: whole blocks of any file system, or less would become free.
const GRAIN_BYTES: u64 = 64 << 10;

/// Who may use the reserve.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Claim {
    /// What ends a session, what rids the log of one or of output, and what would be lost with this
    /// process.
    Ending,
    /// All else.
    #[default]
    None,
}

/// The reserve, for whoever writes to either file of the log.
#[derive(Clone, Debug)]
pub(crate) struct SharedReserve(Arc<Mutex<Reserve>>);

impl SharedReserve {
    pub(crate) fn new(reserve: Reserve) -> Self {
        Self(Arc::new(Mutex::new(reserve)))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Reserve> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes sure that `needed_bytes` are free, of which `available` says how many are, with the
    /// reserve's help where `claim` has a right to it.
    pub(crate) fn make_room(
        &self,
        needed_bytes: u64,
        claim: Claim,
        available: impl Fn() -> Result<u64, StorageFault>,
    ) -> Result<(), StorageFault> {
        let available_bytes = available()?;
        if available_bytes >= needed_bytes {
            return Ok(());
        }
        let mut reserve = self.lock();
        let spare_bytes = match claim {
            Claim::Ending => reserve.held_bytes(),
            Claim::None => 0,
        };
        if available_bytes.saturating_add(spare_bytes) < needed_bytes {
            return Err(StorageFault::Full);
        }
        let given = reserve.give(needed_bytes - available_bytes);
        given.map_err(|error| storage_fault(&error))?;
        // Whoever filled the disk may have been faster.
        if available()? >= needed_bytes {
            Ok(())
        } else {
            Err(StorageFault::Full)
        }
    }
}

#[derive(Debug)]
pub(crate) struct Reserve {
    path: PathBuf,
    full_bytes: u64,
    /// `None` while it could not be made.
    file: Option<File>,
    held_bytes: u64,
}

impl Reserve {
    /// The reserve of the log at `log`, empty until it is filled, unless there is one already.
    pub(crate) fn beside(disk: &dyn Disk, log: &Path, full_bytes: u64) -> Self {
        let mut path = log.as_os_str().to_owned();
        path.push(".reserve");
        let mut reserve = Self {
            path: path.into(),
            full_bytes,
            file: None,
            held_bytes: 0,
        };
        if reserve.path.exists() && full_bytes > 0 {
            // Where this fails, filling it says why.
            let _ = reserve.open(disk);
        }
        reserve
    }

    pub(crate) const fn held_bytes(&self) -> u64 {
        self.held_bytes
    }

    pub(crate) const fn full_bytes(&self) -> u64 {
        self.full_bytes
    }

    pub(crate) const fn is_full(&self) -> bool {
        self.held_bytes >= self.full_bytes
    }

    /// Takes from the disk what is missing, all of it or nothing.
    pub(crate) fn fill(&mut self, disk: &dyn Disk) -> io::Result<()> {
        if self.is_full() {
            return Ok(());
        }
        self.open(disk)?;
        self.fill_by(|file, bytes| {
            Ok(rustix::fs::fallocate(
                file,
                FallocateFlags::empty(),
                0,
                bytes,
            )?)
        })
    }

    fn fill_by(&mut self, take: impl FnOnce(&File, u64) -> io::Result<()>) -> io::Result<()> {
        let file = self.file.as_ref().expect("it was opened just now");
        let taken = take(file, self.full_bytes);
        match &taken {
            Ok(()) => self.held_bytes = self.full_bytes,
            // A file system may keep what it had found before it had no more (ext4 does). Nobody would
            // count that, and on a full disk it would be nobody's.
            Err(_) => file.set_len(self.held_bytes)?,
        }
        taken
    }

    /// Lets go of at least `bytes`, or of all there is.
    pub(crate) fn give(&mut self, bytes: u64) -> io::Result<()> {
        if let Some(file) = &self.file {
            let left = self.held_bytes.saturating_sub(bytes) / GRAIN_BYTES * GRAIN_BYTES;
            file.set_len(left)?;
            self.held_bytes = left;
        }
        Ok(())
    }

    fn open(&mut self, disk: &dyn Disk) -> io::Result<()> {
        if self.file.is_none() {
            let file = disk.open(&self.path, Access::Create)?;
            // A copy of it may be all hole.
            let found = file.metadata()?;
            self.held_bytes = found.len().min(found.blocks() * 512);
            self.file = Some(file);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt;

    use super::*;
    use crate::file::OsDisk;
    use crate::test_support::Home;

    #[test]
    fn what_was_taken_before_the_disk_had_no_more_is_given_back() {
        let home = Home::new();
        let mut reserve = Reserve::beside(&OsDisk, &home.path(), 4 << 20);
        reserve.fill(&OsDisk).expect("there is room");
        reserve.give(3 << 20).expect("it is cut");
        let refused = reserve.fill_by(|file, _| {
            file.write_all_at(&[1; 1 << 20], 1 << 20)?;
            Err(rustix::io::Errno::NOSPC.into())
        });
        refused.expect_err("there is no more");
        assert_eq!(reserve.held_bytes(), 1 << 20);
        let file = std::fs::metadata(&reserve.path).expect("it is there");
        assert_eq!(file.len(), 1 << 20);
        assert!(file.blocks() * 512 < 2 << 20, "{}", file.blocks());
    }
}
