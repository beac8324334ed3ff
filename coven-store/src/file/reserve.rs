//! `Reserve`: room kept for a full disk, in a file beside the log.
//!
//! It is let go bit by bit, right before it is needed, so that whoever fills the disk has little
//! chance to take it; and filled again when there is room.

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::FallocateFlags;

use super::disk::{Access, Disk};

/// What is let go of at once: whole blocks of any file system, or less would become free.
const GRAIN_BYTES: u64 = 64 << 10;

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
