//! A session's events out of its segments: out of the cache, as far as it goes, and the cold file.

mod verified;

use std::borrow::Borrow;

use coven_core::{Seq, SessionId};
use redb::{ReadOnlyTable, ReadTransaction, ReadableTable};

use super::cache::{Before, Facts, Found, Look, Place};
use super::record::{Known, known_record};
use super::unpacked::{Row, Unpacked};
use crate::cold::order::Goes;
use crate::cold::segment::{BODY_BYTES, Segment};
use crate::error::Damage;
use crate::fault::Fault;
use crate::layout::{SEGMENTS, TRIMMING};
use crate::stored::Malformed;

pub(crate) use verified::Verified;

pub(crate) struct Segments<'a> {
    look: &'a Look<'a>,
    appetite: Appetite,
    segments: ReadOnlyTable<(u64, u64), &'static [u8]>,
    trimming: ReadOnlyTable<u64, u64>,
}

impl<'a> Segments<'a> {
    pub(super) fn open(
        txn: &ReadTransaction,
        look: &'a Look<'a>,
        appetite: Appetite,
    ) -> Result<Self, Fault> {
        Ok(Self {
            look,
            appetite,
            segments: txn.open_table(SEGMENTS)?,
            trimming: txn.open_table(TRIMMING)?,
        })
    }

    /// The offset before which output of a slot is not to be read, where any may still be there. The list
    /// of those has no checksum: it says whose record is to be asked.
    pub(super) fn trimmed_bytes(
        &self,
        txn: &ReadTransaction,
        slot: u64,
        id: &SessionId,
    ) -> Result<u64, Fault> {
        let Some(listed) = self.listed(slot)? else {
            return Ok(0);
        };
        let record = known_record(txn, slot, id)?;
        // Where nobody knows better, what may have been trimmed is not shown.
        Ok(record.map_or(listed, |record| record.session.trimmed_bytes))
    }

    fn listed(&self, slot: u64) -> Result<Option<u64>, Fault> {
        Ok(self.trimming.get(slot)?.map(|row| row.value()))
    }

    /// What there is to know of a session beside its events. Of a record that is damaged, nothing is
    /// known: its events are read all the same.
    pub(super) fn facts(
        &self,
        txn: &ReadTransaction,
        slot: u64,
        id: &SessionId,
    ) -> Result<Facts, Fault> {
        let record = known_record(txn, slot, id)?;
        let known = record.as_ref().map(Known::from);
        let trimmed_bytes = match known {
            Some(known) => known.trimmed_bytes,
            None => self.listed(slot)?.unwrap_or(0),
        };
        Ok(Facts {
            trimmed_bytes,
            known,
        })
    }

    /// Where the segment of a slot begins that comes after the one with `seq` in it.
    pub(super) fn after(&self, slot: u64, seq: Seq) -> Result<Option<Seq>, Fault> {
        let next = self
            .segments
            .range((slot, seq.get().saturating_add(1))..=(slot, u64::MAX))?
            .next()
            .transpose()?;
        Ok(next.map(|(key, _)| Seq::new(key.value().1)))
    }

    /// Calls `each` with the events of a slot after `after`, oldest first, until it says it is
    /// enough. Output before `trimmed_bytes` is left out.
    pub(crate) fn each(
        &self,
        of: Part<'_>,
        trimmed_bytes: u64,
        each: impl FnMut(Row<'_>) -> Result<Goes, Fault>,
    ) -> Result<Seen, Fault> {
        let mut seeing = Seeing::new(of, trimmed_bytes, each);
        let goes = match each_cached(self.look, &mut seeing)? {
            Went::To { goes } => goes,
            Went::AsFarAs { place } => self.each_from(place, &mut seeing)?,
        };
        Ok(seeing.seen(goes))
    }

    /// The same from a place on, out of the cold file. What is read by who reads much is put into the
    /// cache.
    fn each_from(
        &self,
        place: Place,
        seeing: &mut Seeing<'_, impl FnMut(Row<'_>) -> Result<Goes, Fault>>,
    ) -> Result<Goes, Fault> {
        let of = seeing.of;
        let mut last = None;
        let goes = each_segment(&self.segments, of, place, |before, first, bytes| {
            last = Some(first);
            let damaged = |problem| of.damaged(first, &problem);
            let known = self.look.segment(of.slot, first);
            if known.is_none() && self.appetite == Appetite::Little {
                let segment = Segment::decode(of.slot, first, bytes).map_err(damaged)?;
                return seeing.take_some(&segment);
            }
            let segment = match known {
                Some(segment) => segment,
                None => Unpacked::read(of.slot, first, bytes).map_err(damaged)?,
            };
            if self.appetite == Appetite::Much {
                self.look.put(of.slot, before, &segment);
            }
            seeing.take(&segment)
        })?;
        if self.appetite == Appetite::Much
            && goes == Goes::On
            && of.last == END
            && let Some(last) = last.or_else(|| place.segment())
        {
            self.look.put_end(of.slot, last);
        }
        Ok(goes)
    }
}

/// How much a read wants at most. Who wants less than a segment has looks at a place that hardly anybody
/// looks at again, and is not to wait for memory that would be kept for that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Appetite {
    Little,
    Much,
}

impl Appetite {
    pub(super) const fn of(len_bytes: usize) -> Self {
        if len_bytes < BODY_BYTES {
            Self::Little
        } else {
            Self::Much
        }
    }
}

/// Calls `each` with the events of a slot as [`Segments::each`] does, if all of those that it wants are
/// in the cache; `None` where they are not, and then it was called with some.
pub(super) fn each_in_memory(
    look: &Look<'_>,
    of: Part<'_>,
    trimmed_bytes: u64,
    each: impl FnMut(Row<'_>) -> Result<Goes, Fault>,
) -> Result<Option<Seen>, Fault> {
    let mut seeing = Seeing::new(of, trimmed_bytes, each);
    match each_cached(look, &mut seeing)? {
        Went::To { goes } => Ok(Some(seeing.seen(goes))),
        Went::AsFarAs { .. } => Ok(None),
    }
}

/// How far a walk through the cache went.
enum Went {
    /// As far as was asked for.
    To { goes: Goes },
    /// Up to where the cold file is to be asked.
    AsFarAs { place: Place },
}

fn each_cached(
    look: &Look<'_>,
    seeing: &mut Seeing<'_, impl FnMut(Row<'_>) -> Result<Goes, Fault>>,
) -> Result<Went, Fault> {
    let of = seeing.of;
    let mut place = of.place();
    loop {
        let segment = match look.at(of.slot, place) {
            Found::Segment(segment) => segment,
            Found::End => return Ok(Went::To { goes: Goes::On }),
            Found::Unknown => return Ok(Went::AsFarAs { place }),
        };
        place = Place::Behind(segment.first());
        if segment.first() > of.last.get() {
            return Ok(Went::To { goes: Goes::On });
        }
        if seeing.take(&segment)? == Goes::Enough {
            return Ok(Went::To { goes: Goes::Enough });
        }
    }
}

/// What a look through a session's events came to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    /// What was said last.
    pub(super) goes: Goes,
    /// The last event that was met, trimmed or not.
    pub(super) last: Option<Seq>,
}

impl Seen {
    /// Where there is nothing to be met.
    pub(super) const NOTHING: Self = Self {
        goes: Goes::On,
        last: None,
    };
}

/// A look through a session's events.
struct Seeing<'a, F> {
    of: Part<'a>,
    trimmed_bytes: u64,
    last: Option<Seq>,
    each: F,
}

impl<'a, F: FnMut(Row<'_>) -> Result<Goes, Fault>> Seeing<'a, F> {
    const fn new(of: Part<'a>, trimmed_bytes: u64, each: F) -> Self {
        Self {
            of,
            trimmed_bytes,
            last: None,
            each,
        }
    }

    fn take(&mut self, segment: &Unpacked) -> Result<Goes, Fault> {
        if segment.last() <= self.of.after.get() {
            return Ok(Goes::On);
        }
        self.take_rows(segment.first(), segment.rows_after(self.of.after))
    }

    /// Takes what is wanted of a segment that nobody went through, and goes no further.
    fn take_some(&mut self, segment: &Segment) -> Result<Goes, Fault> {
        self.take_rows(segment.first, Row::all_after(segment, self.of.after))
    }

    fn take_rows<'b, M: Borrow<Malformed>>(
        &mut self,
        first: u64,
        rows: impl Iterator<Item = Result<Row<'b>, M>>,
    ) -> Result<Goes, Fault> {
        let of = self.of;
        of.rows(first, rows, |row| {
            self.last = Some(row.seq);
            if self.is_trimmed(row) {
                return Ok(Goes::On);
            }
            (self.each)(row)
        })
    }

    /// Whether an event is not to be read. What is trimmed comes before all output that is not, so behind
    /// that nobody need look.
    fn is_trimmed(&mut self, row: Row<'_>) -> bool {
        if self.trimmed_bytes == 0 {
            return false;
        }
        let is_trimmed = row.is_trimmed(self.trimmed_bytes);
        if is_trimmed == Some(false) {
            self.trimmed_bytes = 0;
        }
        is_trimmed == Some(true)
    }

    fn seen(self, goes: Goes) -> Seen {
        Seen {
            goes,
            last: self.last,
        }
    }
}

/// The last place there is.
const END: Seq = Seq::new(u64::MAX);

/// Some of one session's events.
#[derive(Clone, Copy)]
pub(crate) struct Part<'a> {
    pub(crate) slot: u64,
    pub(crate) id: &'a SessionId,
    /// They come after this.
    pub(crate) after: Seq,
    /// And not after this.
    pub(crate) last: Seq,
}

impl<'a> Part<'a> {
    /// All from some place on.
    pub(crate) const fn after(slot: u64, id: &'a SessionId, after: Seq) -> Self {
        Self {
            slot,
            id,
            after,
            last: END,
        }
    }

    /// Where they begin.
    const fn place(self) -> Place {
        Place::From(Seq::new(self.after.get().saturating_add(1)))
    }

    /// Calls `each` with those of some rows that come after `after`, oldest first.
    fn rows<'b, M: Borrow<Malformed>>(
        self,
        first: u64,
        rows: impl Iterator<Item = Result<Row<'b>, M>>,
        mut each: impl FnMut(Row<'b>) -> Result<Goes, Fault>,
    ) -> Result<Goes, Fault> {
        for row in rows {
            let row = row.map_err(|problem| self.damaged(first, problem.borrow()))?;
            if row.seq > self.last {
                return Ok(Goes::On);
            }
            if each(row)? == Goes::Enough {
                return Ok(Goes::Enough);
            }
        }
        Ok(Goes::On)
    }

    fn damaged(self, first: u64, problem: &Malformed) -> Fault {
        Fault::Damage(Damage {
            session: Some(self.id.clone()),
            seq: Some(Seq::new(first)),
            problem: format!("the events from there on cannot be read: {problem}"),
        })
    }
}

/// The events out of any table of segments, whether or not they were trimmed.
pub(crate) fn each_row(
    table: &impl ReadableTable<(u64, u64), &'static [u8]>,
    of: Part<'_>,
    mut each: impl FnMut(Row<'_>) -> Result<Goes, Fault>,
) -> Result<Goes, Fault> {
    let place = of.place();
    each_segment(table, of, place, |_, first, bytes| {
        let segment = Segment::decode(of.slot, first, bytes)
            .map_err(|problem| of.damaged(first, &problem))?;
        of.rows(first, Row::all_after(&segment, of.after), &mut each)
    })
}

/// Calls `each` with the segments of a slot from a place on: what comes before each, where it begins,
/// and its bytes.
fn each_segment(
    table: &impl ReadableTable<(u64, u64), &'static [u8]>,
    of: Part<'_>,
    place: Place,
    mut each: impl FnMut(Before, u64, &[u8]) -> Result<Goes, Fault>,
) -> Result<Goes, Fault> {
    let slot = of.slot;
    let (from, mut before) = match place {
        Place::From(seq) => {
            // The segment that holds it may begin before it.
            let near = table.range((slot, 0)..=(slot, seq.get()))?.next_back();
            match near.transpose()? {
                Some((key, bytes)) => {
                    let first = key.value().1;
                    if first > of.last.get() {
                        return Ok(Goes::On);
                    }
                    if each(Before::Unknown, first, bytes.value())? == Goes::Enough {
                        return Ok(Goes::Enough);
                    }
                    (first.saturating_add(1), Before::Segment(first))
                }
                None => (seq.get(), Before::Nothing),
            }
        }
        Place::Behind(first) => (first.saturating_add(1), Before::Segment(first)),
    };
    if from > of.last.get() {
        return Ok(Goes::On);
    }
    for entry in table.range((slot, from)..=(slot, of.last.get()))? {
        let (key, bytes) = entry?;
        let first = key.value().1;
        if each(before, first, bytes.value())? == Goes::Enough {
            return Ok(Goes::Enough);
        }
        before = Before::Segment(first);
    }
    Ok(Goes::On)
}
