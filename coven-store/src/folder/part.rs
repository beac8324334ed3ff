//! Folding in parts, on a full disk: what lets go of something is to be folded, and what is before it in
//! the journal is more than the reserve has room for.
//!
//! A part is the oldest groups of the journal, which are read there again: the tail has every session as
//! it is now, and not as it was then. Once it is folded it is taken out of the journal, which gives its
//! blocks back, and that is the room for the next. So a part brings into the cold file what is trimmed
//! by a later one, if it comes before that.

use super::Folder;
use crate::error::StorageFault;
use crate::file::Claim;
use crate::tail::{Bounds, Fold, replay_some};

/// Bytes that a part leaves free: to take it out of the journal, and to have that note what it gives back.
const LEFT_BYTES: u64 = 1 << 20;

impl Folder {
    /// As much of what there is to fold as there is room for, where the reserve is to help with it; all of
    /// it there is none for, by that `reason`.
    pub(super) fn part(&self, reason: &StorageFault) -> Option<Fold> {
        if *reason != StorageFault::Full || self.state.claim != Claim::Ending {
            return None;
        }
        let room_bytes = self.available().ok()? + self.reserve.lock().held_bytes();
        let bounds = Bounds {
            last: self.tail.look().last(),
            bytes: room_bytes.checked_sub(self.beside_bytes() + LEFT_BYTES)? / 5 * 4,
        };
        let read = self.journal.read_once(|journal| {
            let read = |cold: &_| replay_some(journal, cold, bounds);
            self.cold.database.read_once(read)
        });
        match read {
            Ok(tail) => {
                let part = tail.fold()?;
                self.make_room(part.len_bytes, Claim::Ending).ok()?;
                Some(part)
            }
            Err(fault) => {
                tracing::warn!(reason = %fault.reason(), "the journal cannot be folded in parts");
                None
            }
        }
    }
}
