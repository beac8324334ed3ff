//! When the cold file met a fault, or the disk takes no writes: nothing is folded, reads go on, and it is
//! tried again.

use std::time::Instant;

use super::Folder;
use crate::error::StorageFault;
use crate::fault::Fault;
use crate::file::Claim;
use crate::limits::{MAX_BACKOFF, MIN_BACKOFF};
use crate::read;
use crate::writer;

/// Why nothing is folded, and when to try again.
pub(super) struct Trouble {
    pub(super) reason: StorageFault,
    pub(super) next_try: Instant,
}

impl Folder {
    /// The cold file met a fault and is of no use any more: opens it again, for reading at least.
    pub(super) fn lose(&mut self, reason: StorageFault) {
        // Whoever reads is told by the opening: then it is to be seen that something is wrong.
        self.meter.stuck(&reason);
        let reason = match self.reopen() {
            Ok(()) => {
                self.meter.opened();
                reason
            }
            Err(reason) => reason,
        };
        self.wait(reason);
    }

    /// A fold that failed may be in the file all the same. It counts only once the file was
    /// released: what is read of it before may be in memory alone, and not on the disk.
    fn learn(&mut self) -> Result<(), Fault> {
        // It may have left something to erase.
        self.state.is_tidy = false;
        let folded = self.cold.database.read_once(read::folded)?;
        if folded.position > self.tail.look().folded().position {
            self.tail.forget(folded, None);
            let _ = self.writer.send(writer::Message::Folded);
        }
        Ok(())
    }

    /// Tries again later.
    pub(super) fn wait(&mut self, reason: StorageFault) {
        if self.state.trouble.is_none() {
            tracing::warn!(%reason, "the journal cannot be folded now");
        }
        self.state.backoff = (2 * self.state.backoff).clamp(MIN_BACKOFF, MAX_BACKOFF);
        self.meter.stuck(&reason);
        if reason == StorageFault::Full {
            self.state.makes_room = true;
            let _ = self.writer.send(writer::Message::RoomWanted);
        }
        self.state.trouble = Some(Trouble {
            reason,
            next_try: Instant::now() + self.state.backoff,
        });
    }

    /// Writes what opening the cold file again is to write, with the reserve's help: before that is done,
    /// nothing is taken out of it or given back.
    fn make_writable(&mut self) -> Result<(), StorageFault> {
        if self.cold.is_writable() {
            return Ok(());
        }
        self.make_room(self.cold.held_bytes().unwrap_or(0), Claim::Ending)?;
        self.cold.release()
    }

    pub(super) fn try_again(&mut self) {
        if self.cold.is_worth_reopening() {
            match self.reopen() {
                Ok(()) => self.meter.opened(),
                Err(reason) => return self.wait(reason),
            }
        }
        let made = self
            .make_writable()
            .and_then(|()| self.make_room(0, self.claim()));
        if let Err(reason) = made {
            return self.wait(reason);
        }
        match self.learn().and_then(|()| self.mend()) {
            Ok(()) => {
                self.state.trouble = None;
                self.want_all();
                self.meter.folds_again();
            }
            Err(fault) => self.lose(fault.reason()),
        }
    }
}
