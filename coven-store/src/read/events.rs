//! Events: of one session, and of all in the order they were appended.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;
use coven_core::{Envelope, Seq, SessionId};
use redb::ReadTransaction;

use super::record::{slot_of, slot_row};
use super::segments::{Part, Segments};
use super::unpacked::Unpacked;
use crate::cold::order::{Goes, NOBODY, runs_after};
use crate::error::Damage;
use crate::fault::Fault;
use crate::layout::{ORDER, SLOTS};
use crate::stored::{EventRow, decode};
use crate::tail::{AllRows, Run, SharedTail, TailRows};

/// How much one read returns at most. The first event is returned whatever its size, so that
/// reading always gets on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadLimit {
    /// Events.
    pub events: usize,
    /// Bytes of them, as stored.
    pub bytes: usize,
}

impl Default for ReadLimit {
    /// 1,000 events, 1 MiB.
    fn default() -> Self {
        Self {
            events: 1000,
            bytes: 1 << 20,
        }
    }
}

/// A page being filled.
struct Filling {
    limit: ReadLimit,
    bytes: usize,
    events: Vec<Envelope>,
}

impl Filling {
    fn new(limit: ReadLimit) -> Self {
        Self {
            limit,
            bytes: 0,
            events: Vec::new(),
        }
    }

    /// Puts an event of so many bytes on the page, unless it is full.
    fn put(
        &mut self,
        len_bytes: usize,
        event: impl FnOnce() -> Result<Envelope, Fault>,
    ) -> Result<Goes, Fault> {
        let fits = self.events.len() < self.limit.events
            && (self.events.is_empty() || self.bytes + len_bytes <= self.limit.bytes);
        if !fits {
            return Ok(Goes::Enough);
        }
        self.bytes += len_bytes;
        self.events.push(event()?);
        Ok(Goes::On)
    }

    /// The same with a row of its own.
    fn put_row(&mut self, session: &SessionId, seq: Seq, row: &[u8]) -> Result<Goes, Fault> {
        self.put(row.len(), || event_of_row(row, session, seq))
    }
}

/// The events of one session after some place: what the tail has of them, and how to read the
/// rest.
pub(crate) struct OfSession<'a> {
    id: &'a SessionId,
    after: Seq,
    limit: ReadLimit,
    tail: TailRows,
}

impl<'a> OfSession<'a> {
    pub(crate) fn begin(
        tail: &SharedTail,
        id: &'a SessionId,
        after: Seq,
        limit: ReadLimit,
    ) -> Self {
        let tail = tail.look().rows(id, after, limit);
        Self {
            id,
            after,
            limit,
            tail,
        }
    }

    /// The page, where the tail has all of it.
    pub(crate) fn without_the_cold_file(&self) -> Option<Result<Vec<Envelope>, Fault>> {
        let alone = self.tail.is_whole || self.tail.is_deleted;
        alone.then(|| self.finish(Filling::new(self.limit)))
    }

    pub(crate) fn read(
        &self,
        txn: &ReadTransaction,
        unpacked: &Unpacked,
    ) -> Result<Vec<Envelope>, Fault> {
        let mut page = Filling::new(self.limit);
        let slot = match self.tail.slot {
            Some(slot) => Some(slot),
            None => slot_of(txn, self.id)?,
        };
        let Some(slot) = slot else {
            return Ok(Vec::new());
        };
        let segments = Segments::open(txn, unpacked)?;
        let goes = segments.each(
            Part::after(slot, self.id, self.after),
            self.tail.trimmed_bytes,
            |row| page.put(row.bytes.len(), || row.event(self.id)),
        )?;
        match goes {
            Goes::On => self.finish(page),
            Goes::Enough => Ok(page.events),
        }
    }

    /// Adds what the tail has and the page does not.
    fn finish(&self, mut page: Filling) -> Result<Vec<Envelope>, Fault> {
        let last = page.events.last().map_or(self.after, |last| last.seq);
        for row in self.tail.rows.iter().filter(|row| row.seq > last) {
            if page.put_row(self.id, row.seq, &row.bytes)? == Goes::Enough {
                break;
            }
        }
        Ok(page.events)
    }
}

/// The events of all sessions after some place. Of a deleted session there is only its `Deleted`.
pub(crate) struct OfAll {
    after: Seq,
    limit: ReadLimit,
    tail: AllRows,
}

impl OfAll {
    pub(crate) fn begin(tail: &SharedTail, after: Seq, limit: ReadLimit) -> Self {
        let tail = tail.look().all_rows(after, limit);
        Self { after, limit, tail }
    }

    /// The page, where the tail has all of it.
    pub(crate) fn without_the_cold_file(&self) -> Option<Result<Vec<Envelope>, Fault>> {
        self.tail
            .is_whole
            .then(|| self.finish(Filling::new(self.limit), self.after))
    }

    pub(crate) fn read(
        &self,
        txn: &ReadTransaction,
        unpacked: &Unpacked,
    ) -> Result<Vec<Envelope>, Fault> {
        let mut owners = Owners::open(txn, &self.tail.deleted)?;
        let mut page = Filling::new(self.limit);
        let mut after = self.after;
        loop {
            let (runs, cold) = self.cold_runs(txn, after, &mut owners)?;
            for (seq, (session, row)) in self.rows_of(txn, unpacked, &runs, &mut owners)? {
                if page.put_row(&session, seq, &row)? == Goes::Enough {
                    return Ok(page.events);
                }
            }
            match cold {
                // All of it was trimmed output, and an empty page would say that there is no more.
                Cold::More { last } if page.events.is_empty() => after = last,
                Cold::More { .. } => return Ok(page.events),
                Cold::End { last } => return self.finish(page, last),
            }
        }
    }

    /// The runs of the cold file that fill a page, or all there are, but for what is void.
    fn cold_runs(
        &self,
        txn: &ReadTransaction,
        after: Seq,
        owners: &mut Owners<'_>,
    ) -> Result<(Vec<Run>, Cold), Fault> {
        let mut runs: Vec<Run> = Vec::new();
        let (mut events, mut bytes) = (0, 0);
        let mut cold = Cold::End { last: after };
        let mut last = after;
        runs_after(&txn.open_table(ORDER)?, after, |run| {
            let full = events >= self.limit.events as u64 || bytes >= self.limit.bytes as u64;
            if full && !runs.is_empty() {
                cold = Cold::More { last };
                return Ok(Goes::Enough);
            }
            last = run.last;
            cold = Cold::End { last };
            if run.slot == NOBODY {
                return Ok(Goes::On);
            }
            let (_, shown_from) = owners.of(run.slot)?;
            let first = run.first.max(after.next()).max(*shown_from);
            if first <= run.last {
                events += run.last.get() - first.get() + 1;
                bytes += run.len_bytes;
                runs.push(Run { first, ..run });
            }
            Ok(Goes::On)
        })?;
        Ok((runs, cold))
    }

    /// The events of `runs`. Each session's are read at once, so that no segment is
    /// decompressed twice, however many sessions take turns.
    fn rows_of(
        &self,
        txn: &ReadTransaction,
        unpacked: &Unpacked,
        runs: &[Run],
        owners: &mut Owners<'_>,
    ) -> Result<Rows, Fault> {
        let mut spans: HashMap<u64, Vec<(Seq, Seq)>> = HashMap::new();
        for run in runs {
            let span = (run.first, run.last);
            spans.entry(run.slot).or_default().push(span);
        }
        let segments = Segments::open(txn, unpacked)?;
        let mut rows = Rows::new();
        for (slot, spans) in spans {
            let (id, _) = owners.of(slot)?;
            let (Some((first, _)), Some((_, last))) = (spans.first(), spans.last()) else {
                continue;
            };
            let of = Part {
                slot,
                id,
                after: Seq::new(first.get() - 1),
                last: *last,
            };
            let mut spans = spans.iter().copied();
            let mut span = spans.next();
            let trimmed_bytes = self.tail.trimmed.get(&slot).copied().unwrap_or(0);
            segments.each(of, trimmed_bytes, |row| {
                while let Some((_, last)) = span
                    && last < row.seq
                {
                    span = spans.next();
                }
                match span {
                    None => return Ok(Goes::Enough),
                    Some((first, _)) if first > row.seq => {}
                    Some(_) => _ = rows.insert(row.seq, (id.clone(), row.bytes.to_vec())),
                }
                Ok(Goes::On)
            })?;
        }
        Ok(rows)
    }

    fn finish(&self, mut page: Filling, last: Seq) -> Result<Vec<Envelope>, Fault> {
        for (session, row) in self.tail.rows.iter().filter(|(_, row)| row.seq > last) {
            if page.put_row(session, row.seq, &row.bytes)? == Goes::Enough {
                break;
            }
        }
        Ok(page.events)
    }
}

/// Whether the cold file has more than was looked at, which is all up to `last`.
enum Cold {
    More { last: Seq },
    End { last: Seq },
}

/// Whose slots are, and from where on their events are to be shown.
struct Owners<'a> {
    slots: redb::ReadOnlyTable<u64, &'static [u8]>,
    deleted: &'a HashMap<u64, Seq>,
    known: HashMap<u64, (SessionId, Seq)>,
}

impl<'a> Owners<'a> {
    fn open(txn: &ReadTransaction, deleted: &'a HashMap<u64, Seq>) -> Result<Self, Fault> {
        Ok(Self {
            slots: txn.open_table(SLOTS)?,
            deleted,
            known: HashMap::new(),
        })
    }

    fn of(&mut self, slot: u64) -> Result<&(SessionId, Seq), Fault> {
        match self.known.entry(slot) {
            Entry::Occupied(known) => Ok(known.into_mut()),
            Entry::Vacant(unknown) => {
                let (id, deleted_at) = slot_row(&self.slots, slot)?;
                let deleted_at = deleted_at.or_else(|| self.deleted.get(&slot).copied());
                Ok(unknown.insert((id, deleted_at.unwrap_or(Seq::ZERO))))
            }
        }
    }
}

type Rows = BTreeMap<Seq, (SessionId, Vec<u8>)>;

/// An event from its row, with data of its own.
pub(crate) fn event_of_row(row: &[u8], session: &SessionId, seq: Seq) -> Result<Envelope, Fault> {
    decode_event(row, session, seq, Bytes::copy_from_slice)
}

/// An event from its row. `own` makes its data of bytes in the row.
pub(super) fn decode_event(
    row: &[u8],
    session: &SessionId,
    seq: Seq,
    own: impl Fn(&[u8]) -> Bytes,
) -> Result<Envelope, Fault> {
    decode::<EventRow<&[u8]>>(row)
        .and_then(|row| row.into_envelope(session.clone(), seq, own))
        .map_err(|malformed| {
            Fault::Damage(Damage {
                session: Some(session.clone()),
                seq: Some(seq),
                problem: format!("the event cannot be read: {malformed}"),
            })
        })
}
