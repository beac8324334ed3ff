//! `Room`: how much of its bound a spool may take of a disk that has little left.
//!
//! The log keeps room for a full disk, and lets go of it right before it is needed. A spool that took
//! whatever it finds free would take that, too. So where little is free it holds little, however much
//! becomes free and is used again; and the last is left to others.

use std::os::fd::AsFd;

use rustix::fs::fstatvfs;

/// With less than this free a spool holds little: more than the log takes back of what it let go of
/// before it takes output again, with a group of that. Of a small disk it is half.
const LITTLE_FREE_BYTES: u64 = 16 << 20;

/// With less than this free it takes no output: what the log stops at is more, so that there is
/// somebody to say that the disk is full. Of a small disk it is a 32nd.
const LAST_FREE_BYTES: u64 = 256 << 10;

/// At most so much is written between two looks.
const MAX_UNSEEN_BYTES: u64 = 1 << 20;

/// So many that write at once take no more together than there was to take.
const WRITERS: u64 = 64;

/// What a spool may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Share {
    /// All that it is allowed.
    All,
    /// The least that it needs.
    Little,
    /// No more output.
    Nothing,
}

/// What is known of the disk.
#[derive(Debug)]
pub(super) struct Room {
    share: Share,
    /// What may be written before the disk is looked at again.
    unseen_bytes: u64,
}

impl Room {
    /// Nobody has looked yet.
    pub(super) const fn unknown() -> Self {
        Self {
            share: Share::All,
            unseen_bytes: 0,
        }
    }

    pub(super) const fn share(&self) -> Share {
        self.share
    }

    /// So much was written.
    pub(super) const fn wrote(&mut self, bytes: u64) {
        self.unseen_bytes = self.unseen_bytes.saturating_sub(bytes);
    }

    /// Others may have let go of some.
    pub(super) const fn may_be_more(&mut self) {
        self.unseen_bytes = 0;
    }

    /// Looks at the disk that `folder` is on, if it is time. One that does not say what it has has
    /// enough.
    pub(super) fn look(&mut self, folder: impl AsFd) {
        if self.unseen_bytes > 0 {
            return;
        }
        let (free_bytes, all_bytes) = match fstatvfs(folder) {
            Ok(disk) if disk.f_blocks > 0 => {
                let bytes = |blocks: u64| blocks.saturating_mul(disk.f_frsize);
                (bytes(disk.f_bavail), bytes(disk.f_blocks))
            }
            _ => (u64::MAX, u64::MAX),
        };
        *self = Self::of(free_bytes, all_bytes);
    }

    fn of(free_bytes: u64, all_bytes: u64) -> Self {
        let last_bytes = LAST_FREE_BYTES.min(all_bytes / 22);
        let left_bytes = free_bytes.saturating_sub(last_bytes);
        let share = if left_bytes == 0 {
            Share::Nothing
        } else if free_bytes < LITTLE_FREE_BYTES.min(all_bytes / 2) {
            Share::Little
        } else {
            Share::All
        };
        Self {
            share,
            unseen_bytes: (left_bytes / WRITERS).min(MAX_UNSEEN_BYTES),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn a_spool_has_all_of_its_bound_little_or_nothing_by_what_is_free() {
        let disk = 1 << 40;
        for (free_bytes, share) in [
            (disk, Share::All),
            (16 * MIB, Share::All),
            (16 * MIB - 1, Share::Little),
            (MIB / 4 + 1, Share::Little),
            (MIB / 4, Share::Nothing),
            (0, Share::Nothing),
        ] {
            assert_eq!(Room::of(free_bytes, disk).share, share, "{free_bytes}");
        }
        assert_eq!(Room::of(4 * MIB, 8 * MIB).share, Share::All);
        assert_eq!(Room::of(MIB / 4 + 1, 8 * MIB).share, Share::Little);
    }

    #[test]
    fn the_less_is_free_the_sooner_it_is_looked_at_again() {
        assert_eq!(Room::of(1 << 40, 1 << 41).unseen_bytes, MIB);
        assert!(Room::of(8 * MIB, 1 << 40).unseen_bytes < 8 * MIB / WRITERS);
        assert_eq!(Room::of(1, 1 << 40).unseen_bytes, 0);
    }
}
