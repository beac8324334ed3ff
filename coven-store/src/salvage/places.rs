//! Places in the log that no event has: those of what was lost.

use std::collections::BTreeSet;

use super::catalogue::Catalogue;
use super::gaps::{Found, Taken};

/// What is taken, so that what is put in the place of something lost takes nobody else's.
pub(super) struct Places {
    /// The last place there is.
    pub(super) last: u64,
    /// The last that there was: all beyond it are new, and given.
    last_known: u64,
    /// Runs of places that events have, by their last; made when it is first needed.
    taken: Option<Vec<Taken>>,
    given: BTreeSet<u64>,
    /// From here on up to `last_known` none is free.
    full_from: u64,
}

/// What comes after every place there is.
pub(super) const NO_END: u64 = u64::MAX;

impl Places {
    /// In a log whose last place is `last`; `taken` if it is known already.
    pub(super) const fn up_to(last: u64, taken: Option<Vec<Taken>>) -> Self {
        Self {
            last,
            last_known: last,
            taken,
            given: BTreeSet::new(),
            full_from: last.saturating_add(1),
        }
    }

    /// At most `count` free places between two others, the last ones, by place; before [`NO_END`]
    /// new ones as well, so that there are enough. Keeps them for who asked.
    pub(super) fn take(
        &mut self,
        catalogue: &Catalogue,
        after: u64,
        before: u64,
        count: usize,
    ) -> Vec<u64> {
        let taken = self.taken.get_or_insert_with(|| Found::of(catalogue).taken);
        let mut found = Vec::new();
        let is_to_the_end = before > self.last_known;
        let mut seq = before.saturating_sub(1).min(self.full_from - 1);
        while seq > after && found.len() < count {
            let run = taken.partition_point(|taken| taken.last < seq);
            match taken.get(run) {
                Some(run) if run.first <= seq => seq = run.first.saturating_sub(1),
                _ => {
                    if self.given.insert(seq) {
                        found.push(seq);
                    }
                    seq -= 1;
                }
            }
        }
        if is_to_the_end {
            self.full_from = seq + 1;
        }
        found.reverse();
        while before == NO_END && found.len() < count && self.last < NO_END - 1 {
            self.last += 1;
            found.push(self.last);
        }
        found
    }
}
