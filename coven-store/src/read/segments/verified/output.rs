//! Where a session's output is in its segments, so that no index of them is gone by.

use coven_core::{Event, Seq, SessionId};

use super::{Verified, doubt_of, page_damaged};
use crate::cold::segment::Segment;
use crate::fault::Fault;
use crate::raw::Order;
use crate::read::output::Begins;
use crate::read::record::Known;
use crate::read::unpacked::Row;

/// What there is of output from a place on.
struct OutputFrom {
    /// Where the segment begins, and the output in it.
    found: Option<(u64, u64)>,
    /// Why there may be more before that.
    doubt: Option<String>,
}

impl Verified<'_> {
    /// Where the output at `offset` is, or the first after it where that was trimmed.
    pub(in crate::read) fn begins(
        self,
        of: (u64, &SessionId),
        known: Option<Known>,
        offset: u64,
    ) -> Result<Option<Begins>, Fault> {
        let (slot, id) = of;
        let mut near = None;
        let (mut low, mut high) = (0, known.map_or(u64::MAX, |known| known.last_seq.get()));
        // All that begin before `low` have output from before `offset`, or none; those at `high` and after it
        // have none from before that.
        while low <= high {
            let middle = low + (high - low) / 2;
            match self.output_from(slot, middle).found {
                Some((first, at)) if at <= offset => {
                    near = Some(first);
                    low = first + 1;
                }
                Some(_) | None if middle == low => break,
                Some(_) | None => high = middle - 1,
            }
        }
        if let Some(segment) = near {
            return Ok(Some(Begins { offset, segment }));
        }
        let OutputFrom { found, doubt } = self.output_from(slot, 0);
        let doubt = match found {
            Some((_, at)) => doubt.filter(|_| match known {
                Some(known) => known.trimmed_bytes < at,
                None => !self.is_trimmed_up_to(of, at),
            }),
            None => doubt,
        };
        match doubt {
            Some(doubt) => Err(page_damaged(id, &doubt)),
            None => Ok(found.map(|(segment, offset)| Begins { offset, segment })),
        }
    }

    /// The first segment from a place on that has output and can be read.
    fn output_from(self, slot: u64, seq: u64) -> OutputFrom {
        let mut doubt = None;
        for leaf in self.segments((slot, seq), (slot, u64::MAX), Order::Forward) {
            // Before the first too: its key may have become another's.
            doubt = doubt.or_else(|| doubt_of(&leaf));
            for ((_, first), bytes) in leaf.rows {
                match Segment::head(slot, first, &bytes).map(|head| head.output) {
                    Ok(Some(output)) => {
                        let found = Some((first, output));
                        return OutputFrom { found, doubt };
                    }
                    Ok(None) => {}
                    Err(malformed) => doubt = doubt.or_else(|| Some(malformed.to_string())),
                }
            }
        }
        OutputFrom { found: None, doubt }
    }

    /// How much output was trimmed, by the last event that says so; `None` where not all events of the session are
    /// what was written last.
    pub(super) fn trimmed_by_events(self, slot: u64, id: &SessionId) -> Option<u64> {
        for leaf in self.segments((slot, 0), (slot, u64::MAX), Order::Backward) {
            if !leaf.is_current() {
                return None;
            }
            for ((_, first), bytes) in leaf.rows.iter().rev() {
                let segment = Segment::decode(slot, *first, bytes).ok()?;
                let mut trimmed = None;
                for row in Row::all_after(&segment, Seq::ZERO) {
                    let event = row.ok()?.event(id).ok()?.event;
                    trimmed = trimmed_up_to(&event).or(trimmed);
                }
                if trimmed.is_some() {
                    return trimmed;
                }
            }
        }
        Some(0)
    }

    /// Whether an event says that all output before a place was trimmed. Such a one stays, so it is right however old
    /// its page is.
    fn is_trimmed_up_to(self, (slot, id): (u64, &SessionId), place: u64) -> bool {
        let says_so = |row: Row<'_>| {
            let envelope = row.event(id).ok();
            let end = envelope.and_then(|envelope| trimmed_up_to(&envelope.event));
            end.is_some_and(|end| end >= place)
        };
        let mut leaves = self.segments((slot, 0), (slot, u64::MAX), Order::Backward);
        leaves.any(|leaf| {
            leaf.rows.iter().rev().any(|((_, first), bytes)| {
                let segment = Segment::decode(slot, *first, bytes);
                segment.is_ok_and(|segment| {
                    let mut rows = Row::all_after(&segment, Seq::ZERO);
                    rows.any(|row| row.is_ok_and(says_so))
                })
            })
        })
    }
}

/// Where what an event trimmed ends, if it did.
const fn trimmed_up_to(event: &Event) -> Option<u64> {
    match event {
        Event::Trimmed {
            offset, len_bytes, ..
        } => Some(offset.saturating_add(*len_bytes)),
        _ => None,
    }
}
