//! What a log knows of its own past, for what is found beside its trees: pages have what was never
//! committed as well, an import that was given up, say, or a group whose commit failed.

use redb::Value;

use crate::cold::order::runs_of_row;
use crate::inspect::Source;
use crate::layout::ORDER;
use crate::raw::Snapshot;
use crate::stored::Mark;
use crate::tail::Run;

/// Knows whose the places of a log are, as far as its order can be read.
#[derive(Default)]
pub(super) struct Witness {
    /// By place.
    runs: Vec<Run>,
    /// The counters of the cold file; `None` where its last commit is not known.
    end: Option<Mark>,
}

impl Witness {
    /// What a cold file says whose counters are these.
    pub(super) fn of(cold: &Snapshot, end: Option<Mark>) -> Self {
        let rows = Source::Closed(cold).rows(ORDER);
        let rows = rows.into_iter().flatten().flatten();
        let runs = rows.flat_map(|row| {
            let first = u64::from_bytes(&row.key);
            runs_of_row(first, &row.value).unwrap_or_default()
        });
        let mut runs: Vec<Run> = runs.collect();
        runs.sort_unstable_by_key(|run| run.first);
        Self { runs, end }
    }

    /// Whether the last commit of the cold file is known.
    pub(super) const fn knows_the_end(&self) -> bool {
        self.end.is_some()
    }

    /// Whether the cold file ever had a slot, and anything at a place.
    pub(super) fn reaches(&self, slot: u64, seq: u64) -> bool {
        self.end
            .is_none_or(|end| slot <= end.last_slot && seq <= end.last_seq)
    }

    /// Whether events of a slot, by place and each with how many bytes it has, can be those that the
    /// order knows of: theirs are these places, and all of a run come to the bytes it has.
    pub(super) fn bears_out(&self, slot: u64, rows: impl Iterator<Item = (u64, u64)>) -> bool {
        let mut met: Option<Met<'_>> = None;
        for (seq, len_bytes) in rows {
            let at = self.runs.partition_point(|run| run.last.get() < seq);
            let run = self.runs.get(at).filter(|run| run.first.get() <= seq);
            if met.as_ref().map(|met| met.run) != run {
                if met.is_some_and(|met| !met.is_right()) {
                    return false;
                }
                met = run.map(Met::of);
            }
            if run.is_some_and(|run| run.slot != slot) {
                return false;
            }
            if let Some(met) = &mut met {
                met.events += 1;
                met.len_bytes += len_bytes;
            }
        }
        met.is_none_or(|met| met.is_right())
    }
}

/// What was met of a run.
struct Met<'a> {
    run: &'a Run,
    events: u64,
    len_bytes: u64,
}

impl<'a> Met<'a> {
    const fn of(run: &'a Run) -> Self {
        Self {
            run,
            events: 0,
            len_bytes: 0,
        }
    }

    /// Where not all of a run is there, its bytes say nothing.
    fn is_right(&self) -> bool {
        let count = self.run.last.get() - self.run.first.get() + 1;
        self.events < count || self.len_bytes == self.run.len_bytes
    }
}

#[cfg(test)]
mod tests {
    use coven_core::Seq;

    use super::*;

    fn witness() -> Witness {
        let run = |first, last, slot, len_bytes| Run {
            first: Seq::new(first),
            last: Seq::new(last),
            slot,
            len_bytes,
        };
        Witness {
            runs: vec![run(1, 2, 1, 20), run(3, 3, 2, 7), run(4, 6, 1, 30)],
            end: None,
        }
    }

    #[test]
    fn events_are_borne_out_by_whose_their_places_are_and_by_the_bytes_of_whole_runs() {
        let bears_out = |slot, rows: &[(u64, u64)]| witness().bears_out(slot, rows.iter().copied());
        assert!(bears_out(1, &[(1, 12), (2, 8), (4, 10)]));
        assert!(bears_out(1, &[(2, 999), (4, 10), (5, 10), (6, 10)]));
        assert!(bears_out(9, &[(7, 1), (8, 1)]), "nothing is known of these");
        assert!(!bears_out(1, &[(1, 12), (2, 9)]), "other bytes");
        assert!(!bears_out(1, &[(2, 8), (3, 7)]), "another's place");
        assert!(!bears_out(2, &[(3, 7), (4, 10)]));
    }
}
