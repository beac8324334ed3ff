//! `Unpacked`: a segment that is decompressed and gone through once, so that who reads it again finds
//! his events without a look at those before them, and makes them without a look at what was written.

use std::sync::Arc;

use bytes::Bytes;
use coven_core::{Envelope, Event, Seq, SessionId, Timestamp, is_trimmed};

use super::events::decode_event;
use crate::cold::segment::Segment;
use crate::fault::Fault;
use crate::stored::{EventRow, Malformed, OutputHead, decode};

/// Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Unpacked {
    segment: Segment,
    rows: Arc<[RowAt]>,
    /// Why there are no more.
    problem: Option<Malformed>,
}

/// Where an event is in a body.
#[derive(Clone, Copy, Debug)]
struct RowAt {
    seq: Seq,
    start: u32,
    len_bytes: u32,
    /// All there is to it but its bytes, where it is output, as nearly all are.
    output: Option<OutputHead>,
}

impl Unpacked {
    /// Reads the segment at (`slot`, `first`), whose body is given back to the system with it.
    pub(super) fn read(slot: u64, first: u64, bytes: &[u8]) -> Result<Self, Malformed> {
        Segment::decode_apart(slot, first, bytes).map(Self::of)
    }

    fn of(segment: Segment) -> Self {
        let mut rows = Vec::with_capacity((segment.head.rows as usize).min(segment.len_bytes()));
        let mut problem = None;
        for row in segment.rows() {
            match row {
                Ok((seq, bytes)) => rows.push(RowAt {
                    seq,
                    start: narrow(segment.place_of(bytes)),
                    len_bytes: narrow(bytes.len()),
                    output: output_head(bytes),
                }),
                Err(malformed) => problem = Some(malformed),
            }
        }
        Self {
            segment,
            rows: rows.into(),
            problem,
        }
    }

    /// The place of its first event.
    pub(super) const fn first(&self) -> u64 {
        self.segment.first
    }

    /// The place of its last event.
    pub(super) const fn last(&self) -> u64 {
        self.segment.head.last
    }

    /// Where its first output begins, if it has any.
    pub(super) const fn output(&self) -> Option<u64> {
        self.segment.head.output
    }

    /// Bytes of memory that it takes.
    pub(super) fn len_bytes(&self) -> usize {
        self.segment.len_bytes() + size_of_val(&*self.rows)
    }

    /// Its events after `after`, oldest first. After one that cannot be read there are none.
    pub(super) fn rows_after(
        &self,
        after: Seq,
    ) -> impl Iterator<Item = Result<Row<'_>, &Malformed>> {
        let from = self.rows.partition_point(|row| row.seq <= after);
        let rows = self.rows[from..].iter().map(|at| {
            let start = at.start as usize;
            Ok(Row {
                seq: at.seq,
                bytes: &self.segment.body()[start..start + at.len_bytes as usize],
                output: at.output,
                segment: &self.segment,
            })
        });
        rows.chain(self.problem.as_ref().map(Err))
    }
}

fn narrow(bytes: usize) -> u32 {
    u32::try_from(bytes).expect("a body is bounded")
}

/// What is kept of a row that can be read and is output.
fn output_head(row: &[u8]) -> Option<OutputHead> {
    decode::<EventRow<&[u8]>>(row).ok()?.output_head()
}

/// An event in a segment.
#[derive(Clone, Copy)]
pub(crate) struct Row<'a> {
    pub(crate) seq: Seq,
    pub(crate) bytes: &'a [u8],
    output: Option<OutputHead>,
    segment: &'a Segment,
}

impl<'a> Row<'a> {
    /// Those of a segment that was not gone through which come after `after`, oldest first. After one that
    /// cannot be read there are none.
    pub(super) fn all_after(
        segment: &'a Segment,
        after: Seq,
    ) -> impl Iterator<Item = Result<Self, Malformed>> {
        let is_over = segment.head.last <= after.get();
        let rows = (!is_over).then(|| segment.rows()).into_iter().flatten();
        rows.filter_map(move |row| match row {
            Ok((seq, bytes)) => (seq > after).then_some(Ok(Self {
                seq,
                bytes,
                output: None,
                segment,
            })),
            Err(problem) => Some(Err(problem)),
        })
    }

    /// The event, whose data is a share of the segment's bytes.
    pub(crate) fn event(self, session: &SessionId) -> Result<Envelope, Fault> {
        let own = |data: &[u8]| -> Bytes { self.segment.share(data) };
        let Some(output) = self.output else {
            return decode_event(self.bytes, session, self.seq, own);
        };
        let data = &self.bytes[self.bytes.len() - output.len_bytes as usize..];
        Ok(Envelope {
            seq: self.seq,
            session: session.clone(),
            at: Timestamp::from_nanos(output.at),
            actor: None,
            event: Event::Output {
                offset: output.offset,
                channel: output.channel,
                data: own(data),
            },
        })
    }

    /// How many events its segment has, by bytes that one takes at least.
    pub(super) fn beside(&self) -> usize {
        (self.segment.head.rows as usize).min(self.segment.len_bytes())
    }

    /// Whether it is of output before `trimmed_bytes`; `None` where it is not output, nor where it cannot be
    /// read: who reads it is to be told.
    pub(super) fn is_trimmed(self, trimmed_bytes: u64) -> Option<bool> {
        let (offset, len_bytes) = match self.output {
            Some(output) => (output.offset, u64::from(output.len_bytes)),
            None => {
                let (offset, len) = decode::<EventRow<&[u8]>>(self.bytes).ok()?.output()?;
                (offset, len as u64)
            }
        };
        Some(is_trimmed(offset, len_bytes, trimmed_bytes))
    }
}
