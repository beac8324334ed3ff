//! Whose events a page of all has: the runs of the cold file that fill it.

use coven_core::Seq;

use super::cold_file::ColdFile;
use crate::cold::order::{Goes, NOBODY};
use crate::error::Damage;
use crate::fault::Fault;
use crate::read::ReadLimit;
use crate::tail::Run;

/// Whether the cold file has more than was looked at, which is all up to `last`.
pub(super) enum Cold {
    More { last: Seq },
    End { last: Seq },
}

/// The runs of the cold file that fill a page, or all there are, but for what is void and what
/// cannot be told whose it is.
pub(super) struct ColdRuns {
    after: Seq,
    limit: ReadLimit,
    runs: Vec<Run>,
    /// How many there are in them; of what is told as lost, each run is one.
    events: u64,
    bytes: u64,
    /// All up to here was looked at.
    last: Seq,
    is_full: bool,
    /// Where an order that cannot be read begins.
    hole: Option<(Seq, Damage)>,
}

impl ColdRuns {
    pub(super) fn of(
        cold: &mut ColdFile<'_>,
        after: Seq,
        limit: ReadLimit,
    ) -> Result<(Vec<Run>, Cold), Fault> {
        let mut found = Self {
            after,
            limit,
            runs: Vec::new(),
            events: 0,
            bytes: 0,
            last: after,
            is_full: false,
            hole: None,
        };
        cold.runs_after(after, |cold, run| match run {
            Ok(run) => found.take(cold, run),
            Err(damage) => {
                found.hole.get_or_insert((found.last.next(), damage));
                Ok(Goes::On)
            }
        })?;
        if found.is_full {
            return Ok((found.runs, Cold::More { last: found.last }));
        }
        // What the file says of that is in a page that may be damaged; and what was folded since the tail was
        // looked at is given as the tail has it.
        let folded = cold.tail.folded;
        if folded > found.last {
            found.lose_up_to(cold, folded);
        }
        Ok((found.runs, Cold::End { last: found.last }))
    }

    fn take(&mut self, cold: &mut ColdFile<'_>, run: Run) -> Result<Goes, Fault> {
        if run.first > self.last.next() {
            self.lose_up_to(cold, Seq::new(run.first.get() - 1));
        }
        // What else could not be read has the place of nothing.
        self.hole = None;
        let is_full =
            self.events >= self.limit.events as u64 || self.bytes >= self.limit.bytes as u64;
        if is_full && self.events > 0 {
            self.is_full = true;
            return Ok(Goes::Enough);
        }
        self.last = run.last;
        if run.slot == NOBODY {
            return Ok(Goes::On);
        }
        let shown_from = match cold.owner(run.slot) {
            Ok((_, shown_from)) => *shown_from,
            Err(Fault::Damage(damage)) => {
                cold.lose(run.first.max(self.after.next()), run.last, damage);
                self.events += 1;
                return Ok(Goes::On);
            }
            Err(fault) => return Err(fault),
        };
        let first = run.first.max(self.after.next()).max(shown_from);
        if first <= run.last {
            self.events += run.last.get() - first.get() + 1;
            self.bytes += run.len_bytes;
            self.runs.push(Run { first, ..run });
        }
        Ok(Goes::On)
    }

    /// Tells of an order that cannot be read up to a place.
    fn lose_up_to(&mut self, cold: &mut ColdFile<'_>, last: Seq) {
        let first = self.last.next();
        let (first, damage) = self.hole.take().unwrap_or_else(|| missing_order(first));
        cold.lose(first, last, damage);
        self.last = last;
    }
}

fn missing_order(first: Seq) -> (Seq, Damage) {
    let damage = Damage {
        session: None,
        seq: Some(first),
        problem: "the order of events is missing".to_owned(),
    };
    (first, damage)
}
