//! Which sessions cannot be read whole beside damaged pages of segments: those that the readers refuse. What proves
//! itself in such a page may be what it was some commits before, and what does not may be nobody's, so that from the
//! rows alone it is not known.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use coven_core::{Event, Seq, SessionId};

use super::cold::Inspection;
use super::finding::{Findings, Loss};
use super::order::Tally;
use super::source::{Source, number};
use crate::raw::Snapshot;
use crate::read::{Verified, each_given};

/// The slots that pages may have something of.
#[derive(Default)]
pub(super) struct Doubts(Vec<RangeInclusive<u64>>);

impl Doubts {
    /// Of a page whose keys are above one and up to another.
    pub(super) fn add(&mut self, above: Option<&[u8]>, up_to: Option<&[u8]>) {
        let slot = |key: &[u8]| number(key, 0);
        let slots = above.map_or(0, slot)..=up_to.map_or(u64::MAX, slot);
        // Below a branch that is damaged the bounds may be any, and what that branch may lead to was added.
        if !slots.is_empty() {
            self.0.push(slots);
        }
    }

    /// Of a row that is in another's place.
    pub(super) fn add_slot(&mut self, slot: u64) {
        self.0.push(slot..=slot);
    }
}

impl Inspection<'_> {
    /// Asks the readers for all sessions of this window that a damaged page may have something of. What is told of
    /// one in `before` has other causes.
    pub(super) fn ask_readers(&mut self, before: &BTreeMap<SessionId, Option<u64>>) {
        let known = &self.slots.known;
        let slots = self.doubts.0.iter().flat_map(|slots| {
            let known = known.range(slots.clone());
            known.filter(|(_, known)| known.deleted_at.is_none())
        });
        let slots: BTreeSet<u64> = slots.map(|(slot, _)| *slot).collect();
        for slot in slots {
            self.tick();
            match self.source {
                Source::Closed(snapshot) => self.ask_reader(snapshot, slot, before),
                Source::Open(_) => self.findings.lose(&self.slots.known[&slot].id),
            }
        }
    }

    fn ask_reader(
        &mut self,
        snapshot: &Snapshot,
        slot: u64,
        before: &BTreeMap<SessionId, Option<u64>>,
    ) {
        let Some(known) = self.slots.known.get_mut(&slot) else {
            return;
        };
        let mut given = Tally::default();
        let folded = self.mark.map(|mark| Seq::new(mark.last_seq));
        let of = (slot, &known.id);
        let read = each_given(Verified::of(snapshot), of, folded, |envelope| {
            if let Event::Trimmed { .. } = envelope.event {
                given = Tally::default();
            }
            if envelope.seq.get() >= known.tallied_from {
                given.add(envelope.seq.get());
            }
        });
        known.events = given;
        match read {
            Ok(()) if !before.contains_key(&known.id) => self.findings.find(&known.id),
            Ok(()) => {}
            Err(_) => self.findings.lose(&known.id),
        }
    }
}

impl Findings {
    /// A session can be read whole: what seemed to be events of it is nothing that a reader misses.
    fn find(&mut self, session: &SessionId) {
        if self.unreadable.remove(session).is_some() {
            self.problems.retain(|it| {
                let is_of_it = it.session.as_ref() == Some(session);
                !is_of_it || it.table != Some("segments") || it.loss != Loss::Events
            });
        }
    }
}
