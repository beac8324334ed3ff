//! Folding in parts, on a full disk: what lets go of something is to be folded, and what is before it in
//! the journal is more than the reserve has room for.
//!
//! A part is the oldest groups of the journal, which are read there again: the tail has every session as
//! it is now, and not as it was then. Once it is folded it is taken out of the journal, which gives its
//! blocks back, and that is the room for the next. So a part brings into the cold file what is trimmed
//! by a later one, if it comes before that.

use super::Folder;
use crate::error::StorageFault;
use crate::fault::Fault;
use crate::file::Claim;
use crate::tail::{Bounds, Fold, replay_some};

/// Bytes that a part leaves free: to take it out of the journal, and to have that note what it gives back.
const LEFT_BYTES: u64 = 1 << 20;

impl Folder {
    /// As much of what there is to fold as there is room for, where the reserve is to help with it; all of
    /// it there is none for, by that `reason`.
    pub(super) fn part(&self, reason: &StorageFault) -> Option<Fold> {
        if *reason != StorageFault::Full || self.claim() != Claim::Ending {
            return None;
        }
        let room_bytes = self.available().ok()? + self.reserve.lock().held_bytes();
        let room_bytes = room_bytes.checked_sub(self.beside_bytes() + LEFT_BYTES)?;
        let part = self.part_of(room_bytes).unwrap_or_else(|fault| {
            tracing::warn!(reason = %fault.reason(), "the journal cannot be folded in parts");
            None
        });
        let (part, bytes) = part?;
        self.make_room(bytes, Claim::Ending).ok()?;
        Some(part)
    }

    /// The oldest groups that so many bytes are enough for, and how many they take; `None` where that is
    /// less than one. How many are enough is known of groups that were read.
    pub(super) fn part_of(&self, room_bytes: u64) -> Result<Option<(Fold, u64)>, Fault> {
        let mut bounds = Bounds {
            last: self.tail.look().last(),
            bytes: room_bytes,
        };
        loop {
            let read = self.journal.read_once(|journal| {
                let read = |cold: &_| replay_some(journal, cold, bounds);
                self.cold.database.read_once(read)
            });
            let tail = read?;
            let Some(part) = tail.fold() else {
                return Ok(None);
            };
            let bytes = self.bytes_counted(&part)?;
            if bytes <= room_bytes {
                return Ok(Some((part, bytes)));
            }
            bounds.bytes = bounds.bytes.min(tail.bytes()) / 2;
        }
    }
}
