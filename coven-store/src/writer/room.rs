//! Whether the disk has room for what is to be written.
//!
//! The database should never meet a full disk: it would have to be reopened, and what became of
//! its last transaction found out. So before each commit the file system is asked.

use super::{Chore, Writer};
use crate::error::StorageFault;
use crate::fault::storage_fault;

/// Bytes that any transaction may add to the journal: the paths through the trees that it copies,
/// and what its last pages do not use.
const TRANSACTION_BYTES: u64 = 256 << 10;

/// Bytes that stay free beyond what is needed, since others write too.
pub(crate) const MARGIN_BYTES: u64 = 512 << 10;

/// Who may use the reserve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Claim {
    /// What ends a session or rids the log of one, and what would be lost with this process.
    Ending,
    /// All else.
    None,
}

/// Bytes that a transaction with so many bytes of events may add to the journal.
pub(super) const fn cost(len_bytes: u64) -> u64 {
    TRANSACTION_BYTES + len_bytes + len_bytes / 8
}

impl Writer {
    /// Makes sure that `bytes` can be written now, with the reserve's help where `claim` has a
    /// right to it.
    pub(super) fn make_room(&mut self, bytes: u64, claim: Claim) -> Result<(), StorageFault> {
        let available = self.available()?;
        let (needed, spare) = match claim {
            Claim::None => (bytes + MARGIN_BYTES, 0),
            Claim::Ending => (bytes, self.reserve.held_bytes()),
        };
        if available >= needed {
            return Ok(());
        }
        if available + spare < needed {
            return Err(StorageFault::Full);
        }
        let given = self.reserve.give(needed - available);
        given.map_err(|error| storage_fault(&error))?;
        self.state.refill = Chore::Later;
        // Whoever filled the disk may have been faster.
        if self.available()? >= needed {
            Ok(())
        } else {
            Err(StorageFault::Full)
        }
    }

    /// Fills the reserve where there is room for it and for what is being written.
    pub(super) fn fill_reserve(&mut self) {
        if self.state.refill != Chore::Now || self.state.suspension.is_some() {
            return;
        }
        let wanted = self
            .reserve
            .full_bytes()
            .saturating_sub(self.reserve.held_bytes());
        let room = self.available().unwrap_or(0) >= wanted + cost(0) + MARGIN_BYTES;
        self.state.refill = if room && self.reserve.fill(self.journal.disk.as_ref()).is_ok() {
            Chore::Done
        } else {
            Chore::Later
        };
    }

    fn available(&self) -> Result<u64, StorageFault> {
        let room = self.journal.room()?;
        if room.read_only {
            Err(StorageFault::ReadOnly)
        } else {
            Ok(room.available_bytes)
        }
    }
}
