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

    /// Takes from the disk what is missing.
    pub(crate) fn fill(&mut self, disk: &dyn Disk) -> io::Result<()> {
        if self.is_full() {
            return Ok(());
        }
        self.open(disk)?;
        let file = self.file.as_ref().expect("it was opened just now");
        rustix::fs::fallocate(file, FallocateFlags::empty(), 0, self.full_bytes)?;
        self.held_bytes = self.full_bytes;
        Ok(())
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
