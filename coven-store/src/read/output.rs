//! A session's output, by its offset in bytes.

use bytes::Bytes;
use coven_core::{Channel, Envelope, Event, Seq, SessionId, Timestamp};
use redb::ReadTransaction;

use super::cache::Look;
use super::events::event_of_row;
use super::record::{Known, slot_beside_the_tail};
use super::segments::{Appetite, Part, Segments, Verified, each_in_memory};
use crate::cold::order::Goes;
use crate::error::Damage;
use crate::fault::Fault;
use crate::layout::OUTPUT;
use crate::tail::{SharedTail, TailRows};

/// Bytes that a session wrote, from one event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputChunk {
    /// The event they are from.
    pub seq: Seq,
    /// Where they are in the session's output.
    pub offset: u64,
    /// Where they were written to.
    pub channel: Channel,
    /// The bytes, exactly.
    pub data: Bytes,
}

/// An output event, without its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutputEvent {
    /// Its place.
    pub seq: Seq,
    /// When it was written.
    pub at: Timestamp,
    /// Where it begins in the session's output.
    pub offset: u64,
    /// How many bytes it is.
    pub len_bytes: u64,
}

/// At most so many bytes of a session's output from some offset on, without a gap: what the tail
/// has of them, and how to read the rest. Where what is at the offset was trimmed, they are from
/// where the output that is left begins.
pub(crate) struct OutputRange<'a> {
    id: &'a SessionId,
    offset: u64,
    max_bytes: u64,
    tail: TailRows,
}

/// Chunks being collected.
pub(crate) struct Chunks {
    offset: u64,
    end: u64,
    pub(crate) found: Vec<OutputChunk>,
    /// The event that the last chunk is from.
    pub(crate) last: Option<OutputEvent>,
    /// Output was met that is behind them.
    goes_on: bool,
}

impl<'a> OutputRange<'a> {
    pub(crate) fn begin(
        tail: &SharedTail,
        id: &'a SessionId,
        offset: u64,
        max_bytes: usize,
    ) -> Self {
        let max_bytes = max_bytes as u64;
        let tail = tail.look().output(id, offset, max_bytes);
        Self {
            id,
            offset: offset.max(tail.trimmed_bytes),
            max_bytes,
            tail,
        }
    }

    /// The chunks, where the tail has all of them.
    pub(crate) fn without_the_cold_file(&self) -> Option<Result<Chunks, Fault>> {
        let none = Chunks::from(self.offset, self.max_bytes);
        if self.tail.is_deleted {
            return Some(Ok(none));
        }
        self.tail.is_whole.then(|| self.finish(none))
    }

    /// The chunks, where the tail and the cache have all of them.
    pub(crate) fn in_memory(&self, look: &Look<'_>) -> Option<Chunks> {
        let slot = self.tail.slot.or_else(|| look.slot_of(self.id))?;
        let facts = look.facts(slot)?;
        let offset = self.offset.max(facts.trimmed_bytes);
        let segment = look.near_output(slot, offset)?;
        let mut chunks = Chunks::from(offset, self.max_bytes);
        let of = self.part_from(slot, segment);
        let trimmed_bytes = facts.trimmed_bytes.max(self.tail.trimmed_bytes);
        let seen = each_in_memory(look, of, trimmed_bytes, |row| {
            Ok(chunks.take(row.event(self.id)?))
        });
        // What is wrong is told by who reads the cold file.
        seen.ok()??;
        self.end(chunks, facts.known.as_ref()).ok()
    }

    fn appetite(&self) -> Appetite {
        Appetite::of(usize::try_from(self.max_bytes).unwrap_or(usize::MAX))
    }

    pub(crate) fn read(&self, txn: &ReadTransaction, look: &Look<'_>) -> Result<Chunks, Fault> {
        let Some(slot) = slot_beside_the_tail(txn, self.id, self.tail.slot)? else {
            return Ok(Chunks::from(self.offset, self.max_bytes));
        };
        let segments = Segments::open(txn, look, self.appetite())?;
        let facts = segments.facts(txn, slot, self.id)?;
        let begins = begins(txn, slot, self.offset.max(facts.trimmed_bytes))?;
        let offset = begins.as_ref().map_or(self.offset, |begins| begins.offset);
        let mut chunks = Chunks::from(offset, self.max_bytes);
        if let Some(Begins { segment, .. }) = begins {
            let of = self.part_from(slot, segment);
            let trimmed_bytes = facts.trimmed_bytes.max(self.tail.trimmed_bytes);
            segments.each(
                of,
                trimmed_bytes,
                |row| Ok(chunks.take(row.event(self.id)?)),
            )?;
            look.put_facts(slot, self.id, facts);
        }
        self.end(chunks, facts.known.as_ref())
    }

    /// The same without redb, for who met damage: past all that is not of the range.
    pub(crate) fn read_verified(
        &self,
        txn: &ReadTransaction,
        verified: Verified<'_>,
    ) -> Result<Chunks, Fault> {
        let Some((slot, facts)) = verified.find(txn, self.id, self.tail.slot)? else {
            return Ok(Chunks::from(self.offset, self.max_bytes));
        };
        let trimmed_bytes = facts.trimmed_bytes.max(self.tail.trimmed_bytes);
        let from = self.offset.max(facts.trimmed_bytes);
        let begins = verified.begins((slot, self.id), facts.known, from)?;
        let offset = begins.as_ref().map_or(self.offset, |begins| begins.offset);
        let mut chunks = Chunks::from(offset, self.max_bytes);
        let seen = begins.map_or(Ok(()), |Begins { segment, .. }| {
            let of = self.part_from(slot, segment);
            let seen = verified.each(of, &facts, trimmed_bytes, |row| {
                Ok(chunks.take(row.event(self.id)?))
            });
            seen.map(drop)
        });
        let known = facts.known.as_ref();
        match seen.and_then(|()| self.look_for_holes(&chunks, known)) {
            Ok(()) => self.finish(chunks),
            Err(fault) => self.before_what_is_missing(chunks, known).ok_or(fault),
        }
    }

    /// The session's events from the segment on that begins there.
    const fn part_from(&self, slot: u64, first: u64) -> Part<'a> {
        Part::after(slot, self.id, Seq::new(first.saturating_sub(1)))
    }

    /// The chunks, once what there is in the cold file was looked at.
    fn end(&self, chunks: Chunks, known: Option<&Known>) -> Result<Chunks, Fault> {
        self.look_for_holes(&chunks, known)?;
        self.finish(chunks)
    }

    /// A key that was damaged hides what it is of: looks whether all output is there that the cold
    /// file should have of the range.
    fn look_for_holes(&self, chunks: &Chunks, known: Option<&Known>) -> Result<(), Fault> {
        let mut next = self.next_of(chunks, known);
        for chunk in &chunks.found {
            if chunk.offset != next {
                return Err(self.missing(next));
            }
            next = chunk.offset + chunk.data.len() as u64;
        }
        let end = match known {
            _ if chunks.goes_on => chunks.end,
            Some(known) => chunks.end.min(known.output_bytes),
            None => next,
        };
        if next < end {
            return Err(self.missing(next));
        }
        Ok(())
    }

    /// The chunks up to the first that something is missing before: who reads on from there is told. `None` where it
    /// is missing at once.
    fn before_what_is_missing(&self, mut chunks: Chunks, known: Option<&Known>) -> Option<Chunks> {
        let mut next = self.next_of(&chunks, known);
        let follows = |chunk: &&OutputChunk| {
            let follows = chunk.offset == next;
            next = chunk.offset + chunk.data.len() as u64;
            follows
        };
        let whole = chunks.found.iter().take_while(follows).count();
        chunks.found.truncate(whole);
        (whole > 0).then_some(chunks)
    }

    /// Where the first of the chunks is to be: where nothing says how much was trimmed, where they were found to begin.
    fn next_of(&self, chunks: &Chunks, known: Option<&Known>) -> u64 {
        known.map_or(chunks.offset, |known| self.offset.max(known.trimmed_bytes))
    }

    fn missing(&self, offset: u64) -> Fault {
        Fault::Damage(Damage {
            session: Some(self.id.clone()),
            seq: None,
            problem: format!("its output from byte {offset} on is missing"),
        })
    }

    /// Adds what the tail has and `chunks` do not.
    fn finish(&self, mut chunks: Chunks) -> Result<Chunks, Fault> {
        let last = chunks.found.last().map_or(Seq::ZERO, |chunk| chunk.seq);
        for row in self.tail.rows.iter().filter(|row| row.seq > last) {
            let envelope = event_of_row(&row.bytes, self.id, row.seq)?;
            if chunks.take(envelope) == Goes::Enough {
                break;
            }
        }
        Ok(chunks)
    }
}

/// Where output begins to be read.
pub(super) struct Begins {
    pub(super) offset: u64,
    /// The first seq of a segment, in or after which it is.
    pub(super) segment: u64,
}

/// Where the output at `offset` is in the cold file, or the first after it where that was trimmed.
fn begins(txn: &ReadTransaction, slot: u64, offset: u64) -> Result<Option<Begins>, Fault> {
    let index = txn.open_table(OUTPUT)?;
    if let Some(near) = index.range((slot, 0)..=(slot, offset))?.next_back() {
        let segment = near?.1.value();
        return Ok(Some(Begins { offset, segment }));
    }
    let next = index.range((slot, offset)..=(slot, u64::MAX))?.next();
    let next = next.transpose()?.map(|(key, segment)| Begins {
        offset: key.value().1,
        segment: segment.value(),
    });
    Ok(next)
}

impl Chunks {
    const fn from(offset: u64, max_bytes: u64) -> Self {
        Self {
            offset,
            end: offset.saturating_add(max_bytes),
            found: Vec::new(),
            last: None,
            goes_on: false,
        }
    }

    fn take(&mut self, envelope: Envelope) -> Goes {
        let Event::Output {
            offset: at,
            channel,
            data,
        } = envelope.event
        else {
            return Goes::On;
        };
        if at >= self.end {
            self.goes_on = true;
            return Goes::Enough;
        }
        let end = at.saturating_add(data.len() as u64);
        if let Some((offset, data)) = within(at, &data, self.offset, self.end) {
            self.last = Some(OutputEvent {
                seq: envelope.seq,
                at: envelope.at,
                offset: at,
                len_bytes: end - at,
            });
            self.found.push(OutputChunk {
                seq: envelope.seq,
                offset,
                channel,
                data,
            });
        }
        // What comes after it is none of this, however much input there is.
        if end >= self.end {
            Goes::Enough
        } else {
            Goes::On
        }
    }
}

/// What of `data`, which is at `at`, lies from `start` to before `end`, if anything.
fn within(at: u64, data: &Bytes, start: u64, end: u64) -> Option<(u64, Bytes)> {
    let from = start.max(at);
    let to = end.min(at.saturating_add(data.len() as u64));
    (from < to).then(|| {
        let index = |offset: u64| usize::try_from(offset - at).expect("it is within the data");
        (from, data.slice(index(from)..index(to)))
    })
}
