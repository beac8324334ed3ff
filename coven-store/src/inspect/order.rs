//! The order of events: it has every place of the log once, and each session's events are there.

use redb::Value;

use super::cold::Inspection;
use super::finding::{Finding, Loss};
use crate::cold::order::{NOBODY, runs_of_row};
use crate::fault::Fault;
use crate::layout::ORDER;
use crate::tail::Run;

/// Some events, in so little that it can be kept of every session: two of these are the same when
/// the events are, but for a chance of one in 2^64.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) count: u64,
    sum: u64,
}

impl Tally {
    pub(super) fn add(&mut self, seq: u64) {
        self.count += 1;
        // As splitmix64 mixes, so that no two sets of small numbers come to the same by design.
        let mut mixed = seq.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        self.sum = self.sum.wrapping_add(mixed ^ (mixed >> 31));
    }
}

impl Inspection<'_> {
    pub(super) fn look_at_order(&mut self) -> Result<(), Fault> {
        let mut next = 1;
        let mut is_whole = true;
        for row in self.source.rows(ORDER)? {
            let row = row?;
            self.tick();
            let first = u64::from_bytes(&row.key);
            let runs = match runs_of_row(first, &row.value) {
                Ok(runs) => runs,
                Err(problem) => {
                    is_whole = false;
                    if row.is_sound && self.is_first_window() {
                        let finding = Finding::of("order", problem.to_string(), Loss::Nothing);
                        self.findings.add(finding.at(format_args!("row {first}")));
                    }
                    continue;
                }
            };
            if first != next {
                is_whole = false;
                if !self.is_torn("order") && self.is_first_window() {
                    self.tell_gap(next, first);
                }
            }
            for run in runs {
                next = run.last.next().get();
                self.take_run(run);
            }
        }
        self.take_bad();
        is_whole &= !self.is_torn("order");
        if let Some(last) = self.mark.map(|mark| mark.last_seq)
            && is_whole
            && next != last + 1
        {
            is_whole = false;
            let end = next - 1;
            let problem = format!("it ends at {end}, and the file has everything up to {last}");
            if self.is_first_window() {
                self.findings
                    .add(Finding::of("order", problem, Loss::Nothing));
            }
        }
        if is_whole {
            self.compare_tallies();
        }
        Ok(())
    }

    fn tell_gap(&mut self, next: u64, first: u64) {
        let problem = "it does not say once whose these events are";
        let (from, to) = (next.min(first), next.max(first) - 1);
        let finding = Finding::of("order", problem, Loss::Nothing);
        self.findings.add(finding.seqs(from, to));
    }

    fn take_run(&mut self, run: Run) {
        if run.slot == NOBODY || !self.window.contains(&run.slot) {
            return;
        }
        let Some(slot) = self.slots.known.get_mut(&run.slot) else {
            if !self.is_torn("slots") {
                let problem = format!("these are of slot {}, which is nobody's", run.slot);
                let finding = Finding::of("order", problem, Loss::Nothing);
                self.findings
                    .add(finding.seqs(run.first.get(), run.last.get()));
            }
            return;
        };
        let from = slot.deleted_at.unwrap_or(slot.tallied_from);
        for seq in run.first.get().max(from)..=run.last.get() {
            slot.ordered.add(seq);
        }
    }

    /// Every session's events are those that the order has of it.
    fn compare_tallies(&mut self) {
        let Self {
            slots, findings, ..
        } = self;
        for slot in slots.known.values() {
            let (events, ordered) = (slot.events, slot.ordered);
            // Of a deleted session there is its deletion, which its slot knows of.
            if events == ordered || slot.deleted_at.is_some() {
                continue;
            }
            let missing = ordered.count.checked_sub(events.count);
            if let Some(missing) = missing.filter(|missing| *missing > 0) {
                let is_told = findings.unreadable.contains_key(&slot.id);
                findings.unreadable.insert(slot.id.clone(), Some(missing));
                if is_told {
                    continue;
                }
                let problem = format!("{missing} of its events are not there");
                let finding = Finding::of("segments", problem, Loss::Events);
                findings.add(finding.session(&slot.id));
            } else {
                let problem = "it has other events of it than there are";
                let finding = Finding::of("order", problem, Loss::Nothing);
                findings.add(finding.session(&slot.id));
            }
        }
    }
}
