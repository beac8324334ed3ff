//! What a disk of the model is like at a moment, and what befalls each operation.

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;

use rustix::io::Errno;

use super::drive::{Change, Drive};
use super::holes::held_bytes;
use super::mishap::{Failed, Fate, Mishap, Tried};
use super::names::Names;

/// A disk that has no more than there is on it now.
#[derive(Debug)]
pub(super) struct Full {
    pub(super) all_bytes: u64,
    /// The reserve is no file of the model; what it lets go of is free.
    pub(super) reserve: PathBuf,
    /// The operation at which it became full, counted from 0.
    pub(super) since: u64,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) mishap: Option<Mishap>,
    pub(super) operations: u64,
    pub(super) syncs: u64,
    pub(super) reads: u64,
    /// Nothing befalls it yet.
    pub(super) is_waiting: bool,
    /// Who reads is no part of the story.
    pub(super) is_looked_at: bool,
    /// The operation that a fault befell.
    pub(super) failed_at: Option<u64>,
    /// Of a read that failed.
    pub(super) tried: Option<Tried>,
    pub(super) is_mended: bool,
    /// What was not written first was not needed: see [`ModelDisk::did_without`].
    pub(super) did_without: bool,
    /// How many holes were made in each file.
    pub(super) holes: HashMap<u64, u64>,
    /// How often still who asks for room is told that there is next to none.
    pub(super) tight: u32,
    /// It had next to no room, or none, once.
    pub(super) was_short: bool,
    pub(super) full: Option<Full>,
    /// When it became full, once it is not any more.
    pub(super) full_since: Option<u64>,
    pub(super) is_cut: bool,
    /// By inode.
    pub(super) drives: HashMap<u64, Drive>,
    pub(super) names: Names,
}

pub(super) enum Operation {
    Change(Change),
    Hole(Change),
    Sync,
    /// A file is given another name, or none, or the names in a folder are synced.
    Naming,
}

impl Operation {
    pub(super) const fn failed(&self) -> Failed {
        match self {
            Self::Change(_) | Self::Sync | Self::Naming => Failed::Write,
            Self::Hole(_) => Failed::Hole,
        }
    }
}

impl State {
    pub(super) fn new(mishap: Option<Mishap>) -> Self {
        Self {
            mishap,
            operations: 0,
            syncs: 0,
            reads: 0,
            is_waiting: false,
            is_looked_at: false,
            failed_at: None,
            tried: None,
            is_mended: false,
            did_without: false,
            holes: HashMap::new(),
            tight: 0,
            was_short: false,
            full: None,
            full_since: None,
            is_cut: false,
            drives: HashMap::new(),
            names: Names::default(),
        }
    }

    /// Counts an operation, and says what befalls it.
    pub(super) fn fate(&mut self, operation: &Operation) -> Fate {
        let number = self.operations;
        self.operations += 1;
        let sync = match operation {
            Operation::Change(_) | Operation::Hole(_) | Operation::Naming => None,
            Operation::Sync => {
                self.syncs += 1;
                Some(self.syncs - 1)
            }
        };
        match self.mishap.filter(|_| !self.is_waiting) {
            Some(Mishap::Fault { at, with }) if at == number => {
                self.failed_at = Some(number);
                Fate::Fault(with)
            }
            Some(Mishap::Failing { at, with }) if at <= number && !self.is_mended => {
                self.failed_at.get_or_insert(number);
                Fate::Fault(with)
            }
            Some(Mishap::Cut { at, .. }) if at == number => Fate::Cut,
            Some(Mishap::FaultThenCut { sync: at, .. }) if sync == Some(at) => {
                self.failed_at = Some(number);
                Fate::Fault(Errno::IO)
            }
            Some(Mishap::FaultThenCut { operations, .. })
                if self.failed_at.map(|at| at + operations) == Some(number) =>
            {
                Fate::Cut
            }
            _ => Fate::Nothing,
        }
    }

    /// Counts a read, and says whether it fails.
    pub(super) fn is_unreadable(&mut self, inode: u64, offset: u64, len: usize) -> bool {
        if self.is_looked_at {
            return false;
        }
        let number = self.reads;
        self.reads += 1;
        let is_it = !self.is_waiting
            && matches!(self.mishap, Some(Mishap::Unreadable { read }) if read == number);
        if is_it {
            self.failed_at = Some(self.operations);
            self.tried = Some(Tried::first(inode, offset));
            return true;
        }
        let tried = self.tried.as_mut();
        tried.is_some_and(|tried| tried.is_of(inode, offset, len))
    }

    pub(super) fn drive(&mut self, inode: u64) -> io::Result<&mut Drive> {
        self.refuse_after_cut()?;
        let drive = self.drives.get_mut(&inode);
        Ok(drive.expect("a file is known from when it is opened"))
    }

    /// Bytes of the blocks that its files have.
    pub(super) fn used_bytes(&self) -> u64 {
        let files = self.drives.values();
        files.map(|drive| held_bytes(&drive.now)).sum()
    }

    pub(super) fn refuse_after_cut(&self) -> io::Result<()> {
        if self.is_cut {
            return Err(Errno::IO.into());
        }
        Ok(())
    }
}
