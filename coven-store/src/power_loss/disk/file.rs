//! A file on the model of a disk, as the database uses it.

use std::fs::File;
use std::io;
use std::ops::Bound;
use std::sync::atomic::{AtomicBool, Ordering};

use redb::{BackendError, StorageBackend};
use rustix::io::Errno;

use super::drive::Change;
use super::{Failed, ModelDisk, Operation, position};

#[derive(Debug)]
pub(super) struct ModelFile {
    disk: ModelDisk,
    inode: u64,
    /// The first thing that failed was a write to it. After any that it depends on, the database asks nothing
    /// more of a file.
    was_first_to_fail: AtomicBool,
    _locked: File,
}

impl ModelFile {
    /// A file that the disk knows, and that stays locked for as long as it is open.
    pub(super) fn new(disk: &ModelDisk, inode: u64, locked: File) -> Self {
        Self {
            disk: disk.clone(),
            inode,
            was_first_to_fail: AtomicBool::new(false),
            _locked: locked,
        }
    }
}

impl StorageBackend for ModelFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.disk.state().drive(self.inode)?.now.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let mut state = self.disk.state();
        if state.is_unreadable(self.inode, offset, out.len()) {
            self.disk.fail(Failed::Read);
            return Err(Errno::IO.into());
        }
        let offset = position(offset);
        let there = state.drive(self.inode)?.now.get(offset..offset + out.len());
        out.copy_from_slice(there.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let len = position(len);
        let change = Operation::Change(Change::SetLen { len });
        self.disk.operate(self.inode, change)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.disk.operate(self.inode, Operation::Sync)?;
        if self.was_first_to_fail.load(Ordering::Relaxed) {
            self.disk.state().did_without = true;
        }
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let change = Operation::Change(Change::Write {
            offset: position(offset),
            data: data.to_vec(),
        });
        let is_first = self.disk.failed().is_none();
        let written = self.disk.operate(self.inode, change);
        if is_first && written.is_err() {
            self.was_first_to_fail.store(true, Ordering::Relaxed);
        }
        written
    }

    /// What the system would have: whoever opens the file next sees it.
    fn close(&self) -> io::Result<()> {
        let mut state = self.disk.state();
        let drive = state.drive(self.inode)?;
        drive.put(&drive.now)
    }

    fn try_lock_range(&self, _: Bound<u64>, _: Bound<u64>) -> Result<bool, BackendError> {
        Ok(true)
    }

    fn unlock_range(&self, _: Bound<u64>, _: Bound<u64>) -> Result<(), BackendError> {
        Ok(())
    }
}
