//! A session's events out of its segments.

use coven_core::{Envelope, Seq, SessionId, is_trimmed};
use redb::{ReadOnlyTable, ReadTransaction, ReadableTable};

use super::events::decode_event;
use super::unpacked::Unpacked;

use crate::cold::order::Goes;
use crate::cold::pack::Unpacker;
use crate::cold::segment::Segment;
use crate::error::Damage;
use crate::fault::Fault;
use crate::layout::{SEGMENTS, TRIMMING};
use crate::stored::{EventRow, Malformed, decode};

pub(crate) struct Segments<'a> {
    unpacked: &'a Unpacked,
    segments: ReadOnlyTable<(u64, u64), &'static [u8]>,
    trimming: ReadOnlyTable<u64, u64>,
}

impl<'a> Segments<'a> {
    pub(crate) fn open(txn: &ReadTransaction, unpacked: &'a Unpacked) -> Result<Self, Fault> {
        Ok(Self {
            unpacked,
            segments: txn.open_table(SEGMENTS)?,
            trimming: txn.open_table(TRIMMING)?,
        })
    }

    /// The offset before which output of a slot is not to be read, where any is still there.
    pub(crate) fn trimmed_bytes(&self, slot: u64) -> Result<u64, Fault> {
        let row = self.trimming.get(slot)?;
        Ok(row.map_or(0, |row| row.value()))
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
    /// enough. Output that was trimmed is left out, as far as the cold file knows, and what is before
    /// `trimmed_bytes`.
    pub(crate) fn each(
        &self,
        of: Part<'_>,
        trimmed_bytes: u64,
        mut each: impl FnMut(Row<'_>) -> Result<Goes, Fault>,
    ) -> Result<Seen, Fault> {
        let mut last = None;
        let trimmed_bytes = trimmed_bytes.max(self.trimmed_bytes(of.slot)?);
        let mut unpacker = Unpacker::default();
        let segment = |first, bytes: &[u8]| {
            self.unpacked.get_or(of.slot, first, bytes, || {
                Segment::decode_with(&mut unpacker, of.slot, first, bytes)
            })
        };
        let goes = each_row_of(&self.segments, of, segment, |row| {
            last = Some(row.seq);
            if trimmed_bytes > 0 && is_trimmed_output(row.bytes, trimmed_bytes) {
                return Ok(Goes::On);
            }
            each(row)
        })?;
        Ok(Seen { goes, last })
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
        let last = Seq::new(u64::MAX);
        Self {
            slot,
            id,
            after,
            last,
        }
    }
}

/// Whether a row is of output before `trimmed_bytes`. One that cannot be read is not: who reads it
/// is to be told.
fn is_trimmed_output(row: &[u8], trimmed_bytes: u64) -> bool {
    let output = decode::<EventRow<&[u8]>>(row)
        .ok()
        .and_then(|row| row.output());
    output.is_some_and(|(offset, len)| is_trimmed(offset, len as u64, trimmed_bytes))
}

/// An event in a segment.
#[derive(Clone, Copy)]
pub(crate) struct Row<'a> {
    pub(crate) seq: Seq,
    pub(crate) bytes: &'a [u8],
    segment: &'a Segment,
}

impl Row<'_> {
    /// The event, whose data is a share of the segment's bytes.
    pub(crate) fn event(self, session: &SessionId) -> Result<Envelope, Fault> {
        decode_event(self.bytes, session, self.seq, |data| {
            self.segment.share(data)
        })
    }
}

/// The events out of any table of segments, whether or not they were trimmed.
pub(crate) fn each_row(
    table: &impl ReadableTable<(u64, u64), &'static [u8]>,
    of: Part<'_>,
    each: impl FnMut(Row<'_>) -> Result<Goes, Fault>,
) -> Result<Goes, Fault> {
    let mut unpacker = Unpacker::default();
    let segment = |first, bytes: &[u8]| Segment::decode_with(&mut unpacker, of.slot, first, bytes);
    each_row_of(table, of, segment, each)
}

fn each_row_of(
    table: &impl ReadableTable<(u64, u64), &'static [u8]>,
    of: Part<'_>,
    mut segment: impl FnMut(u64, &[u8]) -> Result<Segment, Malformed>,
    mut each: impl FnMut(Row<'_>) -> Result<Goes, Fault>,
) -> Result<Goes, Fault> {
    let Part {
        slot,
        id,
        after,
        last,
    } = of;
    let start = after.get().saturating_add(1);
    // The segment that holds `start` may begin before it.
    let from = table.range((slot, 0)..=(slot, start))?.next_back();
    let from = from.transpose()?.map_or(start, |(key, _)| key.value().1);
    for entry in table.range((slot, from)..=(slot, last.get()))? {
        let (key, bytes) = entry?;
        let first = key.value().1;
        let damaged = |problem: Malformed| {
            Fault::Damage(Damage {
                session: Some(id.clone()),
                seq: Some(Seq::new(first)),
                problem: format!("the events from there on cannot be read: {problem}"),
            })
        };
        let segment = segment(first, bytes.value()).map_err(damaged)?;
        if segment.head.last <= after.get() {
            continue;
        }
        for row in segment.rows() {
            let (seq, bytes) = row.map_err(damaged)?;
            if seq > last {
                return Ok(Goes::On);
            }
            let row = Row {
                seq,
                bytes,
                segment: &segment,
            };
            if seq > after && each(row)? == Goes::Enough {
                return Ok(Goes::Enough);
            }
        }
    }
    Ok(Goes::On)
}
