//! The order of all sessions' events: whose follow one another.
//!
//! Seqs have no gaps, so a stretch of the log is told by its first seq and, for each run of one
//! session's events, the slot, how many, and their bytes.

use std::fmt::Display;

use coven_core::Seq;
use redb::ReadableTable;
use serde::{Deserialize, Serialize};

use crate::error::Damage;
use crate::fault::Fault;
use crate::layout::Tables;
use crate::stored::{Malformed, sealed};
use crate::tail::Run;

/// Runs in one row: what a read that begins in its middle passes over at most.
const ROW_RUNS: usize = 512;

/// The slot of places that nobody has: in a log that was salvaged, those of events that were lost,
/// or of deleted sessions. No session ever gets it.
pub(crate) const NOBODY: u64 = 0;

#[derive(Serialize, Deserialize)]
struct OrderRow(Vec<(u64, u64, u64)>);

/// Puts `runs` behind the order there is. Runs of one session that follow one another become one.
pub(super) fn append(tables: &mut Tables<'_>, runs: &[Run]) -> Result<(), Fault> {
    let mut joined: Vec<Run> = Vec::new();
    for run in runs {
        match joined.last_mut() {
            Some(last) if last.slot == run.slot && last.last.next() == run.first => {
                last.last = run.last;
                last.len_bytes += run.len_bytes;
            }
            _ => joined.push(*run),
        }
    }
    for row in joined.chunks(ROW_RUNS) {
        let first = row[0].first.get();
        let runs = row.iter().map(|run| {
            let count = run.last.get() - run.first.get() + 1;
            (run.slot, count, run.len_bytes)
        });
        let bytes = sealed::seal(&OrderRow(runs.collect()), &first.to_be_bytes());
        tables.order.insert(first, bytes.as_slice())?;
    }
    Ok(())
}

/// Calls `each` with the runs that end after `after`, in order, until it says it is enough. In the
/// place of those in a row that cannot be read, or is out of its order, or goes beyond `end`, where the log does, it is
/// told of the damage, whose `seq` is where they begin.
pub(crate) fn runs_after(
    order: &impl ReadableTable<u64, &'static [u8]>,
    after: Seq,
    end: Seq,
    mut each: impl FnMut(Result<Run, Damage>) -> Result<Goes, Fault>,
) -> Result<(), Fault> {
    let start = after.get().saturating_add(1);
    // The row that holds `start` may begin before it.
    let from = order.range(..=start)?.next_back().transpose()?;
    let from = from.map_or(start, |(first, _)| first.value());
    let mut walk = RunsAfter::new(after, end);
    for row in order.range(from..)? {
        let (first, bytes) = row?;
        let runs = runs_of_row(first.value(), bytes.value());
        if walk.row(first.value(), runs, &mut each)? == Goes::Enough {
            break;
        }
    }
    Ok(())
}

/// A walk along the rows of the order, for the runs that end after some place.
pub(crate) struct RunsAfter {
    after: Seq,
    /// Where the log ends. A row that claims places behind it is one of an import that came to nothing, say, in a page
    /// that was written once: who believed it would pass over what gets those places.
    end: Seq,
    /// Where the last row ends that could be read.
    read: Seq,
}

impl RunsAfter {
    pub(crate) const fn new(after: Seq, end: Seq) -> Self {
        Self {
            after,
            end,
            read: Seq::ZERO,
        }
    }

    /// Calls `each` with those of the next row, or with what is wrong with it.
    pub(crate) fn row(
        &mut self,
        first: u64,
        runs: Result<Vec<Run>, impl Display>,
        mut each: impl FnMut(Result<Run, Damage>) -> Result<Goes, Fault>,
    ) -> Result<Goes, Fault> {
        let runs = match runs {
            _ if first <= self.read.get() => {
                return each(Err(damaged(first, &"it is out of its order")));
            }
            Ok(runs) if runs.last().is_some_and(|run| run.last > self.end) => {
                return each(Err(damaged(first, &"it goes beyond the end of the log")));
            }
            Ok(runs) => runs,
            Err(problem) => return each(Err(damaged(first, &problem))),
        };
        self.read = runs.last().map_or(self.read, |run| run.last);
        for run in runs {
            if run.last > self.after && each(Ok(run))? == Goes::Enough {
                return Ok(Goes::Enough);
            }
        }
        Ok(Goes::On)
    }
}

/// Whether somebody wants more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Goes {
    On,
    Enough,
}

fn damaged(first: u64, problem: &dyn Display) -> Damage {
    Damage {
        session: None,
        seq: Some(Seq::new(first)),
        problem: format!("the order of events cannot be read: {problem}"),
    }
}

/// The runs in the row at `first`.
pub(crate) fn runs_of_row(first: u64, bytes: &[u8]) -> Result<Vec<Run>, Malformed> {
    let OrderRow(runs) = sealed::unseal(bytes, &first.to_be_bytes())?;
    let mut next = first;
    runs.into_iter()
        .map(|(slot, count, len_bytes)| {
            let first = next;
            next = count
                .checked_sub(1)
                .and_then(|more| first.checked_add(more))
                .and_then(|last| last.checked_add(1))
                .ok_or(Malformed::Value { field: "count" })?;
            Ok(Run {
                first: Seq::new(first),
                last: Seq::new(next - 1),
                slot,
                len_bytes,
            })
        })
        .collect()
}
