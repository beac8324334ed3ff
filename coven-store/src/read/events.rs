//! The events of one session, and a page of any.

use bytes::Bytes;
use coven_core::{Envelope, Event, Seq, SessionId};
use redb::ReadTransaction;

use super::cache::{Facts, Look};
use super::record::slot_beside_the_tail;
use super::segments::{Appetite, Part, Seen, Segments, Verified, each_in_memory};
use super::unpacked::Row;
use crate::cold::order::Goes;
use crate::error::Damage;
use crate::fault::Fault;
use crate::stored::{EventRow, decode};
use crate::tail::{SharedTail, TailRows};

/// How much one read returns at most. The first event is returned whatever its size and these, so that
/// reading always gets on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadLimit {
    /// Events.
    pub events: usize,
    /// Bytes of them, as stored.
    pub bytes: usize,
}

impl ReadLimit {
    pub(super) fn of_one_at_least(self) -> Self {
        let events = self.events.max(1);
        Self { events, ..self }
    }
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
pub(super) struct Filling {
    limit: ReadLimit,
    bytes: usize,
    pub(super) events: Vec<Envelope>,
}

impl Filling {
    pub(super) fn new(limit: ReadLimit) -> Self {
        Self {
            limit,
            bytes: 0,
            events: Vec::new(),
        }
    }

    /// Makes room for the first segment's events.
    fn make_room(&mut self, row: &Row<'_>) {
        if self.events.is_empty() {
            self.events.reserve(row.beside().min(self.limit.events));
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
    pub(super) fn put_row(
        &mut self,
        session: &SessionId,
        seq: Seq,
        row: &[u8],
    ) -> Result<Goes, Fault> {
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
        let limit = limit.of_one_at_least();
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

    /// The page, where the tail and the cache have all of it.
    pub(crate) fn in_memory(&self, look: &Look<'_>) -> Option<Vec<Envelope>> {
        let slot = self.tail.slot.or_else(|| look.slot_of(self.id))?;
        let facts = look.facts(slot)?;
        let trimmed_bytes = facts.trimmed_bytes.max(self.tail.trimmed_bytes);
        let mut page = Reading::new(self, &facts);
        let of = Part::after(slot, self.id, self.after);
        let seen = each_in_memory(look, of, trimmed_bytes, |row| page.take(row));
        // What is wrong is told by who reads the cold file.
        page.end(Ok(seen.ok()??)).ok()
    }

    pub(crate) fn read(
        &self,
        txn: &ReadTransaction,
        look: &Look<'_>,
    ) -> Result<Vec<Envelope>, Fault> {
        let Some(slot) = slot_beside_the_tail(txn, self.id, self.tail.slot)? else {
            return Ok(Vec::new());
        };
        let segments = Segments::open(txn, look, Appetite::of(self.limit.bytes))?;
        let facts = segments.facts(txn, slot, self.id)?;
        let trimmed_bytes = facts.trimmed_bytes.max(self.tail.trimmed_bytes);
        let mut page = Reading::new(self, &facts);
        let seen = match facts.known {
            // Who follows a session asks for nothing that a segment has.
            Some(known) if known.last_seq <= self.after => Ok(Seen::NOTHING),
            _ => {
                let of = Part::after(slot, self.id, self.after);
                segments.each(of, trimmed_bytes, |row| page.take(row))
            }
        };
        if seen.is_ok() {
            look.put_facts(slot, self.id, facts);
        }
        page.end(seen)
    }

    /// The same without redb, for who met damage: past all that is not of the session.
    pub(crate) fn read_verified(
        &self,
        txn: &ReadTransaction,
        verified: Verified<'_>,
    ) -> Result<Vec<Envelope>, Fault> {
        let Some((slot, facts)) = verified.find(txn, self.id, self.tail.slot)? else {
            return Ok(Vec::new());
        };
        let trimmed_bytes = facts.trimmed_bytes.max(self.tail.trimmed_bytes);
        let mut page = Reading::new(self, &facts);
        let of = Part::after(slot, self.id, self.after);
        let seen = verified.each(of, &facts, trimmed_bytes, |row| page.take(row));
        page.end(seen)
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

/// Calls `each` with the events of a session that are given to who meets damage; an error where not all of them are.
/// The cold file has none after `folded`; what the tail has is not looked at.
pub(crate) fn each_given(
    verified: Verified<'_>,
    (slot, id): (u64, &SessionId),
    folded: Option<Seq>,
    mut each: impl FnMut(&Envelope),
) -> Result<(), Fault> {
    let facts = verified.facts(slot, id)?;
    let mut kept = Kept::of(&facts, id, Seq::ZERO);
    let of = Part::after(slot, id, Seq::ZERO);
    let mut last = None;
    let seen = verified.each(of, &facts, facts.trimmed_bytes, |row| {
        kept.goes_on_with(row.seq)?;
        let event = row.event(id)?;
        kept.follows(&event)?;
        each(&event);
        last = Some(row.seq);
        Ok(Goes::On)
    });
    match seen {
        Ok(seen) => kept.has_ended(seen.last),
        // Who reads on from there asks the tail alone.
        Err(_) if !kept.has_gap && folded.is_some() && last >= folded => Ok(()),
        Err(fault) => Err(fault),
    }
}

/// A page of one session's events being read.
struct Reading<'a> {
    of: &'a OfSession<'a>,
    kept: Kept<'a>,
    page: Filling,
}

impl<'a> Reading<'a> {
    fn new(of: &'a OfSession<'a>, facts: &Facts) -> Self {
        Self {
            of,
            kept: Kept::of(facts, of.id, of.after),
            page: Filling::new(of.limit),
        }
    }

    fn take(&mut self, row: Row<'_>) -> Result<Goes, Fault> {
        let Self { of, kept, page } = self;
        kept.goes_on_with(row.seq)?;
        page.make_room(&row);
        page.put(row.bytes.len(), || {
            let event = row.event(of.id)?;
            kept.follows(&event)?;
            Ok(event)
        })
    }

    /// The page, once what there is in the cold file was looked at. It ends before damage that is met behind
    /// its first event: who reads on from there is told of that.
    fn end(self, seen: Result<Seen, Fault>) -> Result<Vec<Envelope>, Fault> {
        let whole = seen.and_then(|seen| match seen.goes {
            Goes::On => self.kept.has_ended(seen.last).map(|()| Goes::On),
            Goes::Enough => Ok(Goes::Enough),
        });
        match whole {
            Ok(Goes::On) => self.of.finish(self.page),
            Ok(Goes::Enough) => Ok(self.page.events),
            Err(Fault::Damage(_)) if self.is_met_again() => Ok(self.page.events),
            Err(fault) => Err(fault),
        }
    }

    /// Whether who reads on from the last event of the page meets what ended it. Of a gap he would know
    /// nothing.
    const fn is_met_again(&self) -> bool {
        !self.page.events.is_empty() && !self.kept.has_gap
    }
}

/// What a session's record says of its events: a key of a segment that was damaged hides it, and
/// nobody would miss it.
struct Kept<'a> {
    id: &'a SessionId,
    /// The first event and the last, as far as they are expected.
    first: Option<Seq>,
    last: Option<Seq>,
    /// The event that was met last.
    met: Option<Seq>,
    /// Where the next output begins, once some was met: what is trimmed comes before all that is not.
    offset: Option<u64>,
    /// The events did not go on from there, or the output did not.
    has_gap: bool,
}

impl<'a> Kept<'a> {
    fn of(facts: &Facts, id: &'a SessionId, after: Seq) -> Self {
        let place = |seq: Seq| (seq > after).then_some(seq);
        Self {
            id,
            // What begins a session is never trimmed, nor is what ends it: that it was trimmed.
            first: facts.known.and_then(|known| place(known.first_seq)),
            last: facts.known.and_then(|known| place(known.last_seq)),
            met: None,
            offset: None,
            has_gap: false,
        }
    }

    /// Looks whether the first event that was met is the first there should be, and each other comes behind the
    /// one before it.
    fn goes_on_with(&mut self, seq: Seq) -> Result<(), Fault> {
        if self.met.replace(seq).is_some_and(|before| seq <= before) {
            self.has_gap = true;
            return Err(self.damaged(seq, "the event is out of its order"));
        }
        match self.first.take() {
            Some(first) if seq != first => Err(self.missing(first)),
            Some(_) | None => Ok(()),
        }
    }

    /// Looks whether output goes on where that before it ended.
    fn follows(&mut self, envelope: &Envelope) -> Result<(), Fault> {
        let Event::Output { offset, data, .. } = &envelope.event else {
            return Ok(());
        };
        let end = offset.saturating_add(data.len() as u64);
        match self.offset.replace(end) {
            Some(expected) if expected != *offset => {
                self.has_gap = true;
                let problem = format!("the output from byte {expected} on before it is missing");
                Err(self.damaged(envelope.seq, problem))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Looks whether all events were met, of which `last` is the last one.
    fn has_ended(&self, last: Option<Seq>) -> Result<(), Fault> {
        match self.last {
            Some(expected) if last < Some(expected) => Err(self.missing(expected)),
            Some(_) | None => Ok(()),
        }
    }

    fn missing(&self, seq: Seq) -> Fault {
        self.damaged(seq, "the event is missing")
    }

    fn damaged(&self, seq: Seq, problem: impl Into<String>) -> Fault {
        Fault::Damage(Damage {
            session: Some(self.id.clone()),
            seq: Some(seq),
            problem: problem.into(),
        })
    }
}

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
