//! The events of all sessions, in the order they were appended.

mod cold_file;
mod reading;
mod runs;

use std::collections::BTreeMap;

use coven_core::{Envelope, Seq, SessionId};
use redb::ReadTransaction;

use super::ReadLimit;
use super::cache::Look;
use super::events::Filling;
use super::segments::{Appetite, Segments, Verified};
use crate::cold::order::Goes;
use crate::error::Damage;
use crate::fault::Fault;
use crate::tail::{AllRows, Run, SharedTail};

use cold_file::{ColdFile, From, Tables};
use reading::Reading;
use runs::{Cold, ColdRuns};

/// A page of the events of all sessions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllPage {
    /// The events, oldest first.
    pub events: Vec<Envelope>,
    /// What there is up to `end` beside them and cannot be read, by its place.
    pub lost: Vec<Lost>,
    /// Up to here this is all there is; where the page begins when there is no more. A page that ends further
    /// on may have nothing, where all that it would have was trimmed, or deleted.
    pub end: Seq,
}

/// Events that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lost {
    /// Between this place and [`Lost::last`], those of the session that is named in the damage; all
    /// where none is.
    pub first: Seq,
    /// The last place that may be concerned.
    pub last: Seq,
    /// What is wrong.
    pub damage: Damage,
}

/// The events of all sessions after some place. Of a deleted session there is only its `Deleted`.
pub(crate) struct OfAll {
    after: Seq,
    limit: ReadLimit,
    tail: AllRows,
}

impl OfAll {
    pub(crate) fn begin(tail: &SharedTail, after: Seq, limit: ReadLimit) -> Self {
        let limit = limit.of_one_at_least();
        let tail = tail.look().all_rows(after, limit);
        Self { after, limit, tail }
    }

    /// The page, where the tail has all of it.
    pub(crate) fn without_the_cold_file(&self) -> Option<Result<AllPage, Fault>> {
        let page = || self.finish(Filling::new(self.limit), Vec::new(), self.after);
        self.tail.is_whole.then(page)
    }

    pub(crate) fn read(&self, txn: &ReadTransaction, look: &Look<'_>) -> Result<AllPage, Fault> {
        let appetite = Appetite::of(self.limit.bytes);
        let segments = Segments::open(txn, look, appetite)?;
        let tables = From::Database(Tables::open(txn, segments)?);
        self.read_in(ColdFile::new(txn, tables, &self.tail))
    }

    /// The same out of the file itself, for who met damage: past all that is not of a session for each of them,
    /// and past what cannot be read of their order, or of whose the events are.
    pub(crate) fn read_verified(
        &self,
        txn: &ReadTransaction,
        verified: Verified<'_>,
    ) -> Result<AllPage, Fault> {
        self.read_in(ColdFile::new(txn, From::File(verified), &self.tail))
    }

    fn read_in(&self, mut cold: ColdFile<'_>) -> Result<AllPage, Fault> {
        let mut page = Filling::new(self.limit);
        let (runs, until) = ColdRuns::of(&mut cold, self.after, self.limit)?;
        let (rows, cut_at) = self.rows_of(&mut cold, &runs)?;
        let rows = rows.into_iter();
        for (seq, (session, row)) in
            rows.take_while(|(seq, _)| cut_at.is_none_or(|cut| *seq <= cut))
        {
            match page.put_row(&session, seq, &row) {
                Ok(Goes::On) => {}
                Ok(Goes::Enough) => return Ok(self.full(page, cold.lost)),
                Err(Fault::Damage(damage)) => cold.lose(seq, seq, damage),
                Err(fault) => return Err(fault),
            }
        }
        match (cut_at, until) {
            (Some(end), _) | (None, Cold::More { last: end }) => Ok(cut(page, cold.lost, end)),
            (None, Cold::End { last }) => self.finish(page, cold.lost, last),
        }
    }

    /// The events of `runs`, and where they end before those do: no more of one session is read
    /// than a page can have. Each session's are read at once, so that no segment is decompressed
    /// twice, however many sessions take turns.
    fn rows_of(&self, cold: &mut ColdFile<'_>, runs: &[Run]) -> Result<(Rows, Option<Seq>), Fault> {
        let mut spans: BTreeMap<u64, Vec<(Seq, Seq)>> = BTreeMap::new();
        for run in runs {
            let span = (run.first, run.last);
            spans.entry(run.slot).or_default().push(span);
        }
        let mut rows = Rows::new();
        let mut cut_at: Option<Seq> = None;
        for (slot, spans) in spans {
            let id = cold.owner(slot)?.0.clone();
            let reading = Reading {
                slot,
                id,
                spans: &spans,
                limit: self.limit,
            };
            if let Some(end) = reading.read(cold, &mut rows)? {
                cut_at = Some(cut_at.map_or(end, |cut| cut.min(end)));
            }
        }
        Ok((rows, cut_at))
    }

    /// A page that has no room for more.
    fn full(&self, page: Filling, lost: Vec<Lost>) -> AllPage {
        let end = page.events.last().map_or(self.after, |last| last.seq);
        cut(page, lost, end)
    }

    /// Adds what the tail has, which begins after `last`.
    fn finish(&self, mut page: Filling, lost: Vec<Lost>, last: Seq) -> Result<AllPage, Fault> {
        for (session, row) in self.tail.rows.iter().filter(|(_, row)| row.seq > last) {
            if page.put_row(session, row.seq, &row.bytes)? == Goes::Enough {
                return Ok(self.full(page, lost));
            }
        }
        let last_event = page.events.last().map_or(last, |event| event.seq);
        Ok(AllPage {
            end: last.max(last_event),
            events: page.events,
            lost: in_order(lost),
        })
    }
}

/// A page that ends there: what comes after it is of the next.
fn cut(page: Filling, lost: Vec<Lost>, end: Seq) -> AllPage {
    let mut lost = in_order(lost);
    lost.retain(|lost| lost.first <= end);
    AllPage {
        events: page.events,
        lost,
        end,
    }
}

fn in_order(mut lost: Vec<Lost>) -> Vec<Lost> {
    lost.sort_by_key(|lost| lost.first);
    lost
}

type Rows = BTreeMap<Seq, (SessionId, Vec<u8>)>;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support::{Home, append, noise, output, running};

    #[tokio::test]
    async fn no_more_of_one_long_run_is_read_than_a_page_has() {
        let home = Home::new();
        let store = home.open();
        running(&store, "a").await;
        for number in 0..300 {
            append(
                &store,
                "a",
                vec![output(number * 1000, noise(number, 1000))],
            )
            .await
            .expect("it follows");
        }
        store.verify().expect("with that it is folded");
        for (events, bytes) in [(10, 1 << 20), (1000, 20_000), (1, 0)] {
            let limit = ReadLimit { events, bytes };
            let page = store.page_of_all(Seq::new(50), limit).expect("a page");
            let read = store.run(|txn| {
                let look = Look::blind();
                let tail = SharedTail::new(crate::tail::Tail::after(super::super::folded(txn)?));
                let page = OfAll::begin(&tail, Seq::new(50), limit);
                let segments = Segments::open(txn, &look, Appetite::Much)?;
                let tables = From::Database(Tables::open(txn, segments)?);
                let mut cold = ColdFile::new(txn, tables, &page.tail);
                let (runs, _) = ColdRuns::of(&mut cold, page.after, limit)?;
                assert_eq!(runs.len(), 1, "it is one run");
                Ok(page.rows_of(&mut cold, &runs)?.0.len())
            });
            let read = read.expect("a read");
            assert_eq!(page.events.len(), read - 1, "one more is looked at");
        }
    }
}
