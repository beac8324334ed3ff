//! Whose the places of the log are, as far as the cold file's order says it.

use std::collections::{BTreeMap, HashMap};

use super::{Catalogue, u64_of};
use crate::cold::order::{NOBODY, runs_of_row};
use crate::inspect::{Rows, Source};
use crate::layout::ORDER;
use crate::raw::Snapshot;
use crate::tail::Run;

impl Catalogue {
    pub(super) fn take_order(&mut self, rows: Rows<'_>) {
        let mut next = 1;
        let mut counts = HashMap::new();
        for row in rows.flatten() {
            let first = u64_of(&row.key);
            let runs = runs_of_row(first, &row.value).unwrap_or_default();
            if first != next || runs.is_empty() {
                return;
            }
            for run in runs {
                next = run.last.get() + 1;
                if run.slot != NOBODY {
                    *counts.entry(run.slot).or_insert(0) += next - run.first.get();
                }
            }
        }
        self.ordered = (next > 1 && next == self.folded + 1).then_some(counts);
    }

    /// How many events the cold file had of some slots, of each from a place on; `None` where its order
    /// cannot all be read.
    pub(in crate::salvage) fn ordered_from(
        &self,
        from: &BTreeMap<u64, u64>,
    ) -> Option<BTreeMap<u64, u64>> {
        let cold = self.cold.as_ref().filter(|_| self.ordered.is_some())?;
        let mut counts: BTreeMap<u64, u64> = BTreeMap::new();
        for run in runs(cold) {
            if let Some(from) = from.get(&run.slot) {
                let first = run.first.get().max(*from);
                let count = (run.last.get() + 1).saturating_sub(first);
                *counts.entry(run.slot).or_default() += count;
            }
        }
        Some(counts)
    }

    /// Every run of the order that is left, wherever it was found; the same more than once, and those of
    /// older states. Nobody has the places of slots that are set aside.
    pub(in crate::salvage) fn order(&self) -> impl Iterator<Item = Run> + '_ {
        let cold = self.cold.as_deref();
        let in_the_tree = cold.into_iter().flat_map(runs);
        let runs = in_the_tree.chain(self.carved_order.iter().copied());
        runs.filter(|run| !self.aside.0.contains(&run.slot))
    }

    /// How many events of a slot from a place on the journal has, of those that are not folded.
    pub(in crate::salvage) fn not_folded(&self, slot: u64, from: u64) -> u64 {
        let first = from.max(self.folded + 1);
        let rows = self.recent.get(&slot);
        rows.map_or(0, |rows| rows.range(first..).count() as u64)
    }
}

fn runs(cold: &Snapshot) -> impl Iterator<Item = Run> + '_ {
    let rows = Source::Closed(cold).rows(ORDER);
    let rows = rows.into_iter().flatten().flatten();
    rows.flat_map(|row| runs_of_row(u64_of(&row.key), &row.value).unwrap_or_default())
}
