//! The places of the log that nothing was found in. Seqs have no gaps: what was in them is lost, or was let go of.

use std::collections::BTreeMap;

use coven_core::{Event, Seq};

use super::catalogue::Catalogue;
use super::events::Events;
use crate::cold::order::NOBODY;
use crate::limits::LOST_SEQS;
use crate::tail::Run;

/// Runs of places that are told one by one.
const MAX_TOLD: usize = 100;

/// Events that are lost, and nothing that is left says whose they were.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Untied {
    /// How many, at most.
    pub events: u64,
    /// How many of these may be none: output that was trimmed, or events of sessions that were deleted.
    pub may_be_void: u64,
    /// Where they were, from the first to the last of each run of them: the first hundred runs.
    pub seqs: Vec<(Seq, Seq)>,
}

/// What was in places that nothing was found in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Gaps {
    /// How many events each slot lost there.
    pub(super) of: BTreeMap<u64, u64>,
    pub(super) untied: Untied,
}

/// A run of places that events of one slot have: its last, its first, and the slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Taken {
    pub(super) last: u64,
    pub(super) first: u64,
    pub(super) slot: u64,
}

/// The places of all events that are left, in order, and what of the others is void: up to where, by slot.
pub(super) struct Found {
    pub(super) taken: Vec<Taken>,
    void_before: BTreeMap<u64, u64>,
}

impl Found {
    /// Goes through all events that are left.
    pub(super) fn of(catalogue: &Catalogue) -> Self {
        let mut found = Self {
            taken: Vec::new(),
            void_before: BTreeMap::new(),
        };
        for (&slot, owner) in &catalogue.owners {
            if let Some(at) = owner.deleted_at {
                found.take(slot, at);
                found.void(slot, at);
            }
            let id = catalogue.name_of(slot);
            // Its record may know of a trim whose event is lost.
            let record = catalogue.record(slot);
            if let Some(record) = record.filter(|record| record.session.trimmed_bytes > 0) {
                found.void(slot, record.last_seq.get());
            }
            for left in Events::of(catalogue, slot, id) {
                let seq = left.envelope.seq.get();
                found.take(slot, seq);
                if let Event::Trimmed { .. } | Event::Deleted = left.envelope.event {
                    found.void(slot, seq);
                }
            }
        }
        found.taken.sort_unstable();
        found
    }

    fn take(&mut self, slot: u64, seq: u64) {
        match self.taken.last_mut() {
            Some(run) if run.slot == slot && run.last + 1 == seq => run.last = seq,
            _ => self.taken.push(Taken {
                last: seq,
                first: seq,
                slot,
            }),
        }
    }

    fn void(&mut self, slot: u64, before: u64) {
        let known = self.void_before.entry(slot).or_default();
        *known = before.max(*known);
    }

    /// Whether no event that is left has a place of a run, but for those of its own slot.
    fn bears_out(&self, run: &Run) -> bool {
        let from = self
            .taken
            .partition_point(|taken| taken.last < run.first.get());
        let taken = self.taken[from..].iter();
        taken
            .take_while(|taken| taken.first <= run.last.get())
            .all(|taken| taken.slot == run.slot)
    }
}

impl Gaps {
    /// What was in the places that nothing was `found` in.
    pub(super) fn of(catalogue: &Catalogue, found: &Found) -> Self {
        let order = without_doubt(catalogue.order().filter(|run| found.bears_out(run)));
        let mut gaps = Self::default();
        let mut next = 1;
        for taken in &found.taken {
            gaps.take(catalogue, found, &order, (next, taken.first));
            next = next.max(taken.last + 1);
        }
        gaps.take(catalogue, found, &order, (next, catalogue.last_known + 1));
        gaps
    }

    /// Takes in the places from one on to before another.
    fn take(
        &mut self,
        catalogue: &Catalogue,
        found: &Found,
        order: &[Run],
        (mut next, end): (u64, u64),
    ) {
        let from = order.partition_point(|run| run.last.get() < next);
        for run in &order[from..] {
            if next >= end || run.first.get() >= end {
                break;
            }
            self.untie(catalogue, found, next, run.first.get());
            next = next.max(run.first.get());
            let last = run.last.get().min(end - 1);
            self.tie(catalogue, found, run.slot, (next, last));
            next = last + 1;
        }
        self.untie(catalogue, found, next, end);
    }

    /// The places from `first` to `last` are of a slot.
    fn tie(&mut self, catalogue: &Catalogue, found: &Found, slot: u64, (first, last): (u64, u64)) {
        if slot == NOBODY || catalogue.forgotten.contains(&slot) {
            return;
        }
        if !catalogue.owners.contains_key(&slot) {
            return self.untie(catalogue, found, first, last + 1);
        }
        let void_before = found.void_before.get(&slot).copied().unwrap_or(0);
        let lost = (last + 1).saturating_sub(first.max(void_before));
        if lost > 0 {
            *self.of.entry(slot).or_default() += lost;
        }
    }

    /// Nothing says whose the places from `first` to before `end` are.
    fn untie(&mut self, catalogue: &Catalogue, found: &Found, first: u64, end: u64) {
        let Some(count) = end.checked_sub(first).filter(|count| *count > 0) else {
            return;
        };
        let (first, last) = (Seq::new(first), Seq::new(end - 1));
        // So many are passed over by a salvage.
        let count = if count >= LOST_SEQS {
            count - LOST_SEQS
        } else {
            count
        };
        let untied = &mut self.untied;
        untied.events += count;
        let all_are_known = catalogue.untraced == 0 && catalogue.forgotten.is_empty();
        let void_before = match all_are_known {
            true => found.void_before.values().copied().max().unwrap_or(0),
            false => u64::MAX,
        };
        let void = void_before.saturating_sub(first.get()).min(count);
        untied.may_be_void += void;
        let follows = untied
            .seqs
            .last()
            .is_some_and(|(_, end)| end.next() == first);
        if let Some((_, end)) = untied.seqs.last_mut().filter(|_| follows) {
            *end = last;
        } else if untied.seqs.len() < MAX_TOLD {
            untied.seqs.push((first, last));
        }
    }
}

/// The runs in order, without those places that they do not agree on.
fn without_doubt(runs: impl Iterator<Item = Run>) -> Vec<Run> {
    let mut runs: Vec<Run> = runs.collect();
    runs.sort_unstable_by_key(|run| (run.first, run.last, run.slot));
    let mut order: Vec<Run> = Vec::new();
    for mut run in runs {
        let Some(before) = order.last_mut().filter(|it| it.last >= run.first) else {
            order.push(run);
            continue;
        };
        let met = before.last;
        if before.slot == run.slot {
            before.last = run.last.max(met);
            continue;
        }
        before.last = Seq::new(run.first.get() - 1);
        run.first = met.min(run.last).next();
        if before.first > before.last {
            order.pop();
        }
        if run.first <= run.last {
            order.push(run);
        }
    }
    order
}
