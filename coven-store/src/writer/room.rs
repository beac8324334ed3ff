//! Whether the disk has room for what is to be written.
//!
//! The database should never meet a full disk: it would have to be reopened, and what became of
//! its last transaction found out. So before each commit the file system is asked. Where it has no
//! more, the journal gives it back what it does not use: redb chooses among free pages by what fits
//! them, and not by whether there are blocks behind them, so that a file with free blocks and with
//! holes may need new ones all the same.

use super::{Chore, Writer};
use crate::database::guarded;
use crate::error::StorageFault;
use crate::file::Claim;

/// Bytes that any transaction may add to the journal: the paths through the trees that it copies,
/// and what its last pages do not use.
const TRANSACTION_BYTES: u64 = 256 << 10;

/// Bytes that stay free beyond what is needed, since others write too.
pub(crate) const MARGIN_BYTES: u64 = 512 << 10;

/// What the writer knows of the room there is, beside what the file system says.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// Bytes that can be written to free pages of the journal, which it could not give back; `None`
    /// while nobody has tried since some became free.
    spare_bytes: Option<u64>,
    /// Something was written since: it took no more than was counted off, and mostly much less.
    is_pessimistic: bool,
    /// Bytes that were said to be free when a write met a full disk all the same, and do not count.
    /// With each look at the disk it is half as many, since it may have been another reason: a
    /// quota, or somebody who was faster.
    doubted_bytes: u64,
}

/// More than that is never doubted.
const MAX_DOUBTED_BYTES: u64 = 16 << 20;

/// Bytes that a transaction with so many bytes of events may add to the journal.
pub(super) const fn cost(len_bytes: u64) -> u64 {
    TRANSACTION_BYTES + len_bytes + len_bytes / 8
}

impl Writer {
    /// Makes sure that `bytes` can be written now, with the reserve's help where `claim` has a
    /// right to it, and to files that are still where they were.
    pub(super) fn make_room(&mut self, bytes: u64, claim: Claim) -> Result<(), StorageFault> {
        self.places.hold_them()?;
        let needed_bytes = match claim {
            Claim::None => bytes + MARGIN_BYTES,
            Claim::Ending => bytes,
        };
        let held_bytes = self.reserve.lock().held_bytes();
        let room = &self.state.room;
        let may_be_more = room.spare_bytes.is_none() || room.is_pessimistic;
        if may_be_more
            && self.journal.is_writable()
            && (self.available()? < needed_bytes || claim == Claim::None && self.lacks_reserve())
        {
            self.give_back()?;
            self.state.room.spare_bytes = Some(self.count_spare());
            self.state.room.is_pessimistic = false;
        }
        if claim == Claim::None {
            self.regain_reserve()?;
        }
        let made = self
            .reserve
            .make_room(needed_bytes, claim, || self.available());
        if self.reserve.lock().held_bytes() < held_bytes {
            self.state.refill = Chore::Later;
        }
        made
    }

    /// What the reserve let go of it has again before anything else takes room: or whoever writes has
    /// all that becomes free, and nothing is left for the next end, nor for the next opening.
    fn regain_reserve(&self) -> Result<(), StorageFault> {
        if self.reserve.lock().is_full() {
            return Ok(());
        }
        self.free()?;
        if self.lacks_reserve() {
            return Err(StorageFault::Full);
        }
        // A file system that has the room and does not give it is to keep nobody from writing.
        let _ = self.take_reserve();
        Ok(())
    }

    /// Fills the reserve where there is room for it and for what is being written.
    pub(super) fn fill_reserve(&mut self) {
        if self.state.refill != Chore::Now || self.state.suspension.is_some() {
            return;
        }
        self.state.refill = if !self.lacks_reserve() && self.take_reserve().is_ok() {
            Chore::Done
        } else {
            Chore::Later
        };
    }

    fn take_reserve(&self) -> std::io::Result<()> {
        self.reserve.lock().fill(self.journal.disk.as_ref())
    }

    /// Whether the reserve is not full, and there is no room to fill it.
    pub(super) fn lacks_reserve(&self) -> bool {
        let reserve = self.reserve.lock();
        let wanted = reserve.full_bytes().saturating_sub(reserve.held_bytes());
        wanted > 0 && self.free().unwrap_or(0) < wanted + cost(0) + MARGIN_BYTES
    }

    /// So many bytes were written to the journal.
    pub(super) fn took_room(&mut self, bytes: u64) {
        let spare_bytes = self.state.room.spare_bytes;
        self.state.room.spare_bytes = spare_bytes.map(|spare| spare.saturating_sub(bytes));
        self.state.room.is_pessimistic = true;
        if self.state.suspension.is_none() {
            self.state.room.doubted_bytes = 0;
        }
    }

    /// Pages of the journal became free.
    pub(super) fn made_spare(&mut self) {
        self.state.room.spare_bytes = None;
    }

    /// A write met a full disk: what was said to be free is not. What that write took of it is free in
    /// the journal now.
    pub(super) fn doubt(&mut self) {
        let can_give = self.state.giving.is_possible();
        self.state.room.spare_bytes = if can_give { None } else { Some(0) };
        self.state.room.is_pessimistic = false;
        self.state.room.doubted_bytes = self.free().unwrap_or(0).min(MAX_DOUBTED_BYTES);
    }

    /// The disk is about to be looked at.
    pub(super) const fn doubt_less(&mut self) {
        self.state.room.doubted_bytes /= 2;
    }

    /// Bytes that can be written, as far as anybody knows.
    fn available(&self) -> Result<u64, StorageFault> {
        let room = &self.state.room;
        let free_bytes = self.free()?.saturating_sub(room.doubted_bytes);
        Ok(free_bytes + room.spare_bytes.unwrap_or(0))
    }

    /// Bytes that the file system has left.
    fn free(&self) -> Result<u64, StorageFault> {
        let room = self.journal.room()?;
        if room.read_only {
            Err(StorageFault::ReadOnly)
        } else {
            Ok(room.available_bytes)
        }
    }

    /// Gives back to the file system the blocks of what the journal does not use, once a commit has
    /// noted what that is. Where there is no room even for that, it keeps them: `false`.
    pub(super) fn give_back(&mut self) -> Result<bool, StorageFault> {
        if !self.state.giving.is_possible() {
            return Ok(true);
        }
        let made = self
            .reserve
            .make_room(cost(0), Claim::Ending, || self.available());
        if made.is_err() {
            return Ok(false);
        }
        let noted = guarded(|| {
            let txn = self.journal.database.begin_noting_what_is_free()?;
            self.trim(&txn)?;
            Ok(txn.commit()?)
        });
        if let Err(fault) = noted {
            self.lose_in_a_write(&fault);
            return Err(fault.reason());
        }
        if let Some(file) = self.journal.file() {
            self.state.giving.give_all_now(file);
        }
        Ok(true)
    }

    /// Counts the bytes that can be written to free pages of the journal. Only half of what is free
    /// counts: a long value needs pages that follow one another. This goes through all of the
    /// journal, which is not much, and is done once after some of it was taken out.
    fn count_spare(&self) -> u64 {
        if !self.journal.is_writable() {
            return 0;
        }
        let used_bytes = guarded(|| {
            let txn = self.journal.database.begin_write()?;
            let stats = txn.stats()?;
            Ok(stats.allocated_pages() * stats.page_size() as u64)
        });
        let (Ok(used_bytes), Some(held_bytes)) = (used_bytes, self.journal.blocks_bytes()) else {
            return 0;
        };
        held_bytes.saturating_sub(used_bytes + MARGIN_BYTES) / 2
    }
}
