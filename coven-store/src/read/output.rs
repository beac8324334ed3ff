//! A session's output, by its offset in bytes.

use bytes::Bytes;
use coven_core::{Channel, Envelope, Event, Seq, SessionId};
use redb::ReadTransaction;

use super::events::decode_event;
use super::record::slot_of;
use super::segments::Segments;
use crate::cold::order::Goes;
use crate::fault::Fault;
use crate::layout::OUTPUT;
use crate::tail::{SharedTail, TailOutput};

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

/// At most so many bytes of a session's output from some offset on, without a gap: what the tail
/// has of them, and how to read the rest.
pub(crate) struct OutputRange<'a> {
    id: &'a SessionId,
    offset: u64,
    end: u64,
    tail: TailOutput,
}

impl<'a> OutputRange<'a> {
    pub(crate) fn begin(
        tail: &SharedTail,
        id: &'a SessionId,
        offset: u64,
        max_bytes: usize,
    ) -> Self {
        let end = offset.saturating_add(max_bytes as u64);
        let tail = tail.look().output(id, offset, end);
        Self {
            id,
            offset,
            end,
            tail,
        }
    }

    /// The chunks, where the tail has all of them.
    pub(crate) fn without_the_cold_file(&self) -> Option<Result<Vec<OutputChunk>, Fault>> {
        if self.tail.is_deleted {
            return Some(Ok(Vec::new()));
        }
        self.tail.is_whole.then(|| self.finish(Vec::new()))
    }

    pub(crate) fn read(&self, txn: &ReadTransaction) -> Result<Vec<OutputChunk>, Fault> {
        let slot = match self.tail.slot {
            Some(slot) => Some(slot),
            None => slot_of(txn, self.id)?,
        };
        let Some(slot) = slot else {
            return Ok(Vec::new());
        };
        let index = txn.open_table(OUTPUT)?;
        let mut chunks = Vec::new();
        if let Some(near) = index.range((slot, 0)..=(slot, self.offset))?.next_back() {
            let before = Seq::new(near?.1.value().saturating_sub(1));
            Segments::open(txn)?.each(slot, self.id, before, |seq, row| {
                Ok(self.take(&mut chunks, decode_event(row, self.id, seq)?))
            })?;
        }
        self.finish(chunks)
    }

    /// Adds what the tail has and `chunks` do not.
    fn finish(&self, mut chunks: Vec<OutputChunk>) -> Result<Vec<OutputChunk>, Fault> {
        let last = chunks.last().map_or(Seq::ZERO, |chunk| chunk.seq);
        for row in self.tail.rows.iter().filter(|row| row.seq > last) {
            let envelope = decode_event(&row.bytes, self.id, row.seq)?;
            if self.take(&mut chunks, envelope) == Goes::Enough {
                break;
            }
        }
        Ok(chunks)
    }

    fn take(&self, chunks: &mut Vec<OutputChunk>, envelope: Envelope) -> Goes {
        let Event::Output {
            offset: at,
            channel,
            data,
        } = envelope.event
        else {
            return Goes::On;
        };
        if at >= self.end {
            return Goes::Enough;
        }
        let end = at.saturating_add(data.len() as u64);
        if let Some((offset, data)) = within(at, &data, self.offset, self.end) {
            chunks.push(OutputChunk {
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
