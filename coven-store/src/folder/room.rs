//! Whether the disk has room for what is to be written to the cold file: a full disk is not to cut it in
//! half, since then the file must be opened again.

use super::Folder;
use crate::cold::room;
use crate::error::StorageFault;
use crate::fault::Fault;
use crate::file::Claim;
use crate::tail::Fold;
use crate::writer::MARGIN_BYTES;

/// Bytes that are free for a transaction beside what it is for: paths through trees above all.
const BESIDE_BYTES: u64 = 1 << 20;

/// Each commit writes anew which pages are free, two bits for each at most, in pages that may be twice as
/// large, and that may lie in a hole: a byte for so many of the file.
const FILE_BYTES_OF_ONE: u64 = 8192;

/// How many times as much as a fold takes, or projections that are made anew, is asked for. One that met a full disk all the same had too
/// little, or others were faster: the next has twice as much, until one succeeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    times: u64,
}

/// More than that is never asked for: a small disk would never have it.
const MAX_TIMES: u64 = 4;

impl Default for Asked {
    fn default() -> Self {
        Self { times: 1 }
    }
}

impl Asked {
    /// As many bytes as are asked for, of what takes so many.
    pub(super) const fn times(self, bytes: u64) -> u64 {
        self.times * bytes
    }

    /// What had so much met a fault.
    pub(super) fn was_met_by(&mut self, fault: &Fault) {
        if fault.reason() == StorageFault::Full {
            self.times = (2 * self.times).min(MAX_TIMES);
        }
    }
}

impl Folder {
    /// Who may use the reserve for folding: what lets go of something makes room.
    pub(super) fn claim(&self) -> Claim {
        match self.tail.look().lets_go() {
            true => Claim::Ending,
            false => Claim::None,
        }
    }

    /// Bytes to ask for before `what` is folded. Where more than any fold of its sessions may take is there
    /// it is that, and nothing is read.
    pub(super) fn bytes_to_fold(&self, what: &Fold) -> Result<u64, Fault> {
        let at_most = self.state.asked.times(room::at_most(what));
        let is_ample = |bytes| bytes >= at_most + self.beside_bytes() + MARGIN_BYTES;
        if self.available().is_ok_and(is_ample) {
            return Ok(at_most);
        }
        self.bytes_counted(what)
    }

    /// The same, counted by what the file has.
    pub(super) fn bytes_counted(&self, what: &Fold) -> Result<u64, Fault> {
        let read = self.cold.database.read_once(|txn| room::of(txn, what));
        Ok(self.state.asked.times(read?))
    }

    /// Makes sure that so many bytes can be written, and what any transaction takes beside, to a file that is
    /// still where it was.
    pub(super) fn make_room(&self, bytes: u64, claim: Claim) -> Result<(), StorageFault> {
        self.cold.place().holds_it()?;
        let bytes = self.beside_bytes() + bytes;
        let needed_bytes = match claim {
            Claim::None => bytes + MARGIN_BYTES,
            Claim::Ending => bytes,
        };
        self.reserve
            .make_room(needed_bytes, claim, || self.available())
    }

    /// Bytes that are free for a transaction beside what it is for.
    pub(super) fn beside_bytes(&self) -> u64 {
        BESIDE_BYTES + self.cold.len_bytes() / FILE_BYTES_OF_ONE
    }

    /// Bytes that the file system has left.
    pub(super) fn available(&self) -> Result<u64, StorageFault> {
        let room = self.cold.room()?;
        if room.read_only {
            Err(StorageFault::ReadOnly)
        } else {
            Ok(room.available_bytes)
        }
    }
}
