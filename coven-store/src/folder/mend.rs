//! When a fold meets damage, or who takes out what was deleted: what follows from the events, and is damaged, is
//! made anew from them.
//!
//! It is looked for once, and then not before a fold went through again: what is not cured by it stays, and
//! all that can be read is read on.

use std::collections::BTreeSet;
use std::time::Instant;

use redb::ReadableTableMetadata;

use super::Folder;
use crate::cold::spared::Spared;
use crate::error::StorageFault;
use crate::fault::{Fault, damage};
use crate::layout::SLOTS;
use crate::projection;
use crate::read::Touched;

/// Bytes that the projections of a session take, as a rule, and as much again: its record, and its rows in the
/// indexes.
const BYTES_OF_ONE: u64 = 512;

/// Whether projections are made anew where a fold meets damage.
#[derive(Debug, Default)]
pub(super) enum Mending {
    /// It is looked which are damaged.
    #[default]
    Untried,
    /// These are, before anything is folded.
    Wanted(BTreeSet<&'static str>),
    /// That was done, or was of no use.
    Tried,
}

impl Folder {
    /// A transaction of the cold file met a fault.
    pub(super) fn lose_or_mend(&mut self, fault: &Fault) {
        match (fault, &self.state.mending) {
            (Fault::Damage(_), Mending::Untried) => self.look_for_damage(fault.reason()),
            (Fault::Damage(_), Mending::Wanted(_) | Mending::Tried)
            | (Fault::Disk(_) | Fault::Stale, _) => self.lose(fault.reason()),
        }
    }

    /// Opens the cold file again with a look at the projections, and makes those anew that are damaged.
    pub(super) fn look_for_damage(&mut self, reason: StorageFault) {
        self.meter.stuck(&reason);
        let began = Instant::now();
        let spoilt = match self.cold.reopen_after_damage() {
            Ok(spoilt) => spoilt,
            Err(reason) => return self.wait(reason),
        };
        self.meter.opened();
        self.wait_opened(began.elapsed(), reason);
        if spoilt.is_empty() {
            self.state.mending = Mending::Tried;
        } else {
            self.state.mending = Mending::Wanted(spoilt);
            self.try_again();
        }
    }

    /// About how much room making anew what is to be takes.
    pub(super) fn bytes_to_mend(&self) -> Result<u64, StorageFault> {
        let Mending::Wanted(_) = &self.state.mending else {
            return Ok(0);
        };
        let sessions = self
            .cold
            .database
            .read_once(|txn| Ok(txn.open_table(SLOTS)?.len()?))
            .map_err(|fault| fault.reason())?;
        Ok(self.state.asked.times(sessions * BYTES_OF_ONE))
    }

    /// Makes anew what is to be.
    pub(super) fn mend(&mut self) -> Result<(), Fault> {
        let Mending::Wanted(spoilt) = &self.state.mending else {
            return Ok(());
        };
        tracing::warn!(tables = ?spoilt, "what follows from the events is damaged, and is made anew from them");
        let kept = self
            .cold
            .database
            .read_once(|txn| projection::kept_beside_damage(txn, spoilt))?;
        let mended = self.commit(&Touched::All, |txn| projection::mend(txn, spoilt, &kept));
        let mended = mended.map_err(|fault| self.cold.what_befell(fault));
        self.compaction.committed();
        match &mended {
            Ok(()) => {
                if let Some(trouble) = &self.state.trouble {
                    self.meter.made_anew(&trouble.reason);
                }
                self.state.mending = Mending::Tried;
                // What could not be taken out for it can be now.
                self.state.spared = Spared::default();
            }
            Err(Fault::Damage(_)) => self.state.mending = Mending::Tried,
            // It is not known whether it is done.
            Err(fault @ (Fault::Disk(_) | Fault::Stale)) => self.state.asked.was_met_by(fault),
        }
        mended
    }

    /// The same before all projections are dropped: a page that is damaged is not to be gone by.
    pub(super) fn mend_first(&mut self) {
        if let Some(bad) = self.bad_page_of_what_can_be_made() {
            self.look_for_damage(damage(bad).reason());
        }
    }

    /// Opens the cold file again. While projections are to be made anew, those can be dropped then.
    pub(super) fn reopen(&mut self) -> Result<(), StorageFault> {
        match self.state.mending {
            Mending::Wanted(_) => self.cold.reopen_after_damage().map(drop),
            Mending::Untried | Mending::Tried => self.cold.reopen(),
        }
    }
}
