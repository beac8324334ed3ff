//! What is done with the cold file when there is nothing to fold: what was deleted or trimmed is taken out,
//! bit by bit, and what is not used any more is given back.

use super::Folder;
use crate::cold::{erase, trim};
use crate::database::guarded;
use crate::fault::Fault;
use crate::file::Claim;

impl Folder {
    /// Erases some of what deleted sessions left, or of what was trimmed.
    pub(super) fn tidy(&mut self) {
        if self.state.is_tidy || self.state.trouble.is_some() {
            return;
        }
        if self.make_room(0).is_err() {
            // With the next fold it is tried again.
            self.state.is_tidy = true;
            return;
        }
        let mut at = None;
        let step = guarded(|| {
            let txn = self.cold.database.begin_cold()?;
            let spared = &mut self.state.spared;
            let more = erase::some(&txn, spared, &mut at)? || trim::some(&txn, spared, &mut at)?;
            if more {
                txn.commit()?;
            }
            Ok(more)
        });
        match step {
            Ok(true) => self.compaction.committed(),
            Ok(false) => {
                self.state.is_tidy = true;
                self.state.claim = Claim::None;
            }
            Err(fault) => {
                if let Fault::Damage(damage) = &fault {
                    tracing::error!(%damage, "what was deleted or trimmed cannot be taken out");
                    // Met again and again, it would keep everything from being folded.
                    match at {
                        Some(task) => self.state.spared.add(task),
                        None => self.state.spared.add_all(),
                    }
                }
                self.lose(fault.reason());
            }
        }
    }

    /// Gives back to the file system some of what the cold file does not use, once nothing else
    /// is to be done with it.
    pub(super) fn compact(&mut self) {
        if self.state.is_tidy
            && self.state.trouble.is_none()
            && let Some(file) = self.cold.file()
        {
            self.compaction.step(file);
        }
    }

    /// The same at once, and of everything that it does not use: that may be the room there is none of.
    pub(super) fn give_all_back(&mut self) {
        if let Some(file) = self.cold.file() {
            self.compaction.give_all();
            while self.compaction.is_due() {
                self.compaction.step(file);
            }
        }
    }
}
