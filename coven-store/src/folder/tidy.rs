//! What is done with the cold file when there is nothing to fold: what was deleted or trimmed is taken out,
//! bit by bit, and what is not used any more is given back.

use super::Folder;
use crate::cold::spared::What;
use crate::cold::{erase, trim};
use crate::database::guarded;
use crate::fault::Fault;
use crate::file::Claim;
use crate::layout::{ERASING, TRIMMING};
use crate::read::Touched;

impl Folder {
    /// Erases some of what deleted sessions left, or of what was trimmed. It makes room, so the reserve
    /// helps with it.
    pub(super) fn tidy(&mut self) {
        if self.state.is_tidy || self.state.trouble.is_some() {
            return;
        }
        if self.make_room(0, Claim::None).is_err() {
            // Where there is nothing to do, the reserve is not to let go of any.
            if !self.has_to_tidy() {
                self.state.is_tidy = true;
                return;
            }
            if let Err(reason) = self.make_room(0, Claim::Ending) {
                return self.wait(reason);
            }
        }
        match self.tidy_some() {
            Ok(true) => {}
            Ok(false) => self.state.is_tidy = true,
            Err(fault) => self.lose_or_mend(&fault),
        }
    }

    /// The same while the disk is full and nothing is folded, a step at a time, so that whoever comes
    /// meanwhile is heard. At the end of it all that is free then is given back.
    pub(super) fn tidy_on_a_full_disk(&mut self) {
        if !self.state.makes_room {
            return;
        }
        let may = self.cold.is_writable()
            && self.has_to_tidy()
            && self.make_room(0, Claim::Ending).is_ok();
        let step = if may { self.tidy_some() } else { Ok(false) };
        self.state.makes_room = matches!(step, Ok(true));
        match step {
            Ok(true) => {}
            Ok(false) => self.give_all_back(),
            Err(fault) => self.lose_or_mend(&fault),
        }
    }

    /// Whether there is anything to erase or to take out. Where that cannot be read, whoever tries
    /// finds out why.
    fn has_to_tidy(&self) -> bool {
        let spared = &self.state.spared;
        let read = self.cold.database.read_once(|txn| {
            let erasing = spared.first_of(What::Erase, &txn.open_table(ERASING)?)?;
            let trimming = spared.first_of(What::Trim, &txn.open_table(TRIMMING)?)?;
            Ok(erasing.is_some() || trimming.is_some())
        });
        read.unwrap_or(false)
    }

    /// `false` when there was nothing left to do.
    fn tidy_some(&mut self) -> Result<bool, Fault> {
        let mut at = None;
        self.cold.take_refused();
        let step = guarded(|| {
            let (opening, txn) = self.cold.database.begin_cold()?;
            let spared = &mut self.state.spared;
            let more = erase::some(&txn, spared, &mut at)? || trim::some(&txn, spared, &mut at)?;
            if more {
                let slots = at.iter().map(|task| task.slot).collect();
                let change = self.cache.change(opening, &Touched::Slots(slots));
                txn.commit()?;
                change.made();
            }
            Ok(more)
        });
        let step = step.map_err(|fault| self.cold.what_befell(fault));
        match &step {
            Ok(true) => self.compaction.committed(),
            Ok(false) => {}
            Err(Fault::Damage(damage)) => {
                tracing::error!(%damage, "what was deleted or trimmed cannot be taken out");
                // Met again and again, it would keep everything from being folded.
                match at {
                    Some(task) => self.state.spared.add(task),
                    None => self.state.spared.add_all(),
                }
            }
            Err(Fault::Disk(_) | Fault::Stale) => {}
        }
        step
    }

    /// Gives back to the file system some of what the cold file does not use, once nothing else
    /// is to be done with it.
    pub(super) fn compact(&mut self) {
        if self.state.is_tidy
            && self.state.trouble.is_none()
            && let Some(file) = self.cold.file_as_written()
        {
            self.compaction.step(file);
        }
    }

    /// The same at once, and of everything that it does not use: that may be the room there is none of.
    fn give_all_back(&mut self) {
        if let Some(file) = self.cold.file_as_written() {
            self.compaction.give_all_now(file);
        }
    }
}
