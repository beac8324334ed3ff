//! Sessions that a reader is refused, since nothing that he goes by says whose they are.

use std::collections::HashSet;

use coven_core::{Seq, SessionId};

use super::{Catalogue, Owner, u64_of};
use crate::inspect::{Source, name_of};
use crate::layout::{IDS, SEGMENTS, SLOTS};
use crate::raw::Snapshot;
use crate::read::{Verified, each_given, slot_of_row};

impl Catalogue {
    /// The sessions that are found, and that a reader of the log as it is does not find by their ids, or not whole.
    /// What reads by slots and ids alone knows nothing of these.
    pub(in crate::salvage) fn refused(&self) -> Vec<SessionId> {
        let tables = [name_of(&SLOTS), name_of(&IDS), name_of(&SEGMENTS)];
        let cold = self.cold.as_deref();
        let Some(cold) = cold.filter(|cold| tables.iter().all(|table| cold.has(table))) else {
            return Vec::new();
        };
        let told = told(cold);
        let is_untold = |(slot, owner): &(&u64, &Owner)| {
            // The journal has its id.
            let is_recent = self.recent.contains_key(slot);
            owner.deleted_at.is_none() && !told.contains(slot) && !is_recent
        };
        let untold = self.owners.iter().filter(is_untold);
        let is_there = |slot| !Verified::of(cold).ends_deleted(slot);
        let refused = untold.filter(|&(&slot, _)| is_there(slot) && !self.is_given(cold, slot));
        refused.map(|(&slot, _)| self.name_of(slot)).collect()
    }

    /// Whether a reader is given all of a session that its record alone leads to.
    fn is_given(&self, cold: &Snapshot, slot: u64) -> bool {
        let id = self.name_of(slot);
        let folded = Some(Seq::new(self.folded));
        // Who knows an id that is lost here finds the record by it.
        let leads_to_it = match self.keeps_its_name(slot) {
            true => self.record(slot).is_some(),
            false => self.records.contains_key(&slot),
        };
        leads_to_it && each_given(Verified::of(cold), (slot, &id), folded, |_| {}).is_ok()
    }
}

/// The slots of which `slots` or `ids` say whose they are, in pages that are what they are to be.
fn told(cold: &Snapshot) -> HashSet<u64> {
    let source = Source::Closed(cold);
    let slots = source.sound_rows(SLOTS).into_iter().flatten().flatten();
    let slots = slots.map(|row| (u64_of(&row.key), row.value));
    let slots = slots.filter(|(slot, row)| slot_of_row(*slot, row).is_ok());
    let ids = source.sound_rows(IDS).into_iter().flatten().flatten();
    let ids = ids.map(|row| u64_of(&row.value));
    slots.map(|(slot, _)| slot).chain(ids).collect()
}
