//! What befalls a disk, and how whoever meets it tells of that.

use std::io;

use rustix::io::Errno;

use super::drive::Survival;
use crate::fault::storage_fault;
use crate::file::{LOOK_BYTES, LOOKS};

/// What befalls the operation of this number, counted from 0: writes, changes of length, syncs,
/// holes, and what is done to the names of files. Reads are counted by themselves.
#[derive(Clone, Copy, Debug)]
pub(in crate::power_loss) enum Mishap {
    /// The power fails while it is under way.
    Cut { at: u64, survival: Survival },
    /// It is not done and fails; all others go through.
    Fault { at: u64, with: Errno },
    /// So do all that come after it, until somebody mends the disk.
    Failing { at: u64, with: Errno },
    /// The sync of this number, counted from 0 among syncs, fails, and so many operations later
    /// the power, with which goes all that was not synced.
    FaultThenCut { sync: u64, operations: u64 },
    /// The read of this number fails, and so it does when it is [tried again, and elsewhere](Tried).
    Unreadable { read: u64 },
}

/// What fails as well where a read does: the same, once more, and half of the looks at other places that follow on that,
/// so that it is no sector that is dead.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tried {
    inode: u64,
    offset: u64,
    again: u32,
    elsewhere: u32,
}

impl Tried {
    pub(super) const fn first(inode: u64, offset: u64) -> Self {
        Self {
            inode,
            offset,
            again: 1,
            elsewhere: LOOKS / 2,
        }
    }

    /// Whether a read is one of those, once.
    pub(super) const fn is_of(&mut self, inode: u64, offset: u64, len: usize) -> bool {
        let left = if inode == self.inode && offset == self.offset {
            &mut self.again
        } else if inode == self.inode && len == LOOK_BYTES {
            &mut self.elsewhere
        } else {
            return false;
        };
        let is_it = *left > 0;
        *left = left.saturating_sub(1);
        is_it
    }
}

/// What a fault befell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::power_loss) enum Failed {
    /// Something that the log depends on.
    Write,
    /// Giving back what the log does not use: nothing depends on it.
    Hole,
    Read,
}

impl Mishap {
    /// Whether `text` says what failed.
    pub(super) fn is_told_by(self, text: &str) -> bool {
        let with = match self {
            Self::Cut { .. } => return false,
            // What was written may reach the disk as something else is read; and who comes after the first to
            // meet a fault is told no more than that it is seen to.
            _ if text.contains("a read failed") || text.contains("the log is being reopened") => {
                return true;
            }
            Self::Fault { with, .. } | Self::Failing { with, .. } => with,
            Self::FaultThenCut { .. } | Self::Unreadable { .. } => Errno::IO,
        };
        let error = io::Error::from(with);
        text.contains(&error.to_string()) || text.contains(&storage_fault(&error).to_string())
    }
}

/// What befalls one operation.
pub(super) enum Fate {
    Nothing,
    Fault(Errno),
    Cut,
}
