//! `Rows`: the events of a batch as they are stored, one behind the other.

use std::sync::Arc;

use bytes::Bytes;
use coven_core::{Envelope, Event};

use crate::pool::Pool;
use crate::stored::{EventRow, encode_onto, encoded_len};

/// What a row of output that nobody asked for takes beside its bytes, at most.
pub(crate) const ROW_HEAD_BYTES: usize = 32;

#[derive(Debug)]
pub(crate) struct Rows {
    bytes: Bytes,
    lens: Vec<u32>,
}

impl Rows {
    /// Bytes that the rows of `events` take at most, told without making them.
    pub(crate) fn at_most(events: &[Envelope]) -> usize {
        let bytes = events.iter().map(|envelope| match &envelope.event {
            Event::Output { data, .. } if envelope.actor.is_none() => data.len() + ROW_HEAD_BYTES,
            _ => encoded_len(&EventRow::from(envelope)),
        });
        bytes.sum()
    }

    /// The rows of `events`, for which room is made at once.
    pub(crate) fn of(events: &[Envelope], at_most: usize, pool: &Arc<Pool>) -> Self {
        let mut bytes = pool.take(at_most);
        let mut lens = Vec::with_capacity(events.len());
        for envelope in events {
            let start = bytes.len();
            encode_onto(&mut bytes, &EventRow::from(envelope));
            // A row that is longer makes a batch that is refused.
            lens.push(u32::try_from(bytes.len() - start).unwrap_or(u32::MAX));
        }
        let bytes = pool.share(bytes);
        Self { bytes, lens }
    }

    #[cfg(test)]
    pub(crate) fn new(bytes: Bytes, lens: Vec<u32>) -> Self {
        Self { bytes, lens }
    }

    /// All of them.
    pub(crate) const fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Bytes of each.
    pub(crate) fn lens(&self) -> &[u32] {
        &self.lens
    }
}

#[cfg(test)]
mod tests {
    use coven_core::{Channel, Seq, Timestamp};

    use super::*;
    use crate::test_support::{created, exited, id, output_closed, started};

    fn envelope(at: i64, event: Event) -> Envelope {
        Envelope {
            seq: Seq::ZERO,
            session: id("a"),
            at: Timestamp::from_nanos(at),
            actor: None,
            event,
        }
    }

    #[test]
    fn no_batch_takes_more_than_was_told_before_its_rows_were_made() {
        let said = |offset, len| Event::Output {
            offset,
            channel: Channel::Tty,
            data: Bytes::from(vec![b'x'; len]),
        };
        let outputs = [0, 1, 1 << 40, u64::MAX]
            .into_iter()
            .flat_map(|offset| [0, 1, 127, 60_000, 7 << 20].map(|len| said(offset, len)));
        let others = [created(), started(), output_closed(), exited(0)];
        for event in outputs.chain(others) {
            for at in [0, i64::MIN, i64::MAX] {
                let events = [envelope(at, event.clone())];
                let at_most = Rows::at_most(&events);
                let rows = Rows::of(&events, at_most, &Arc::default());
                let taken = rows.bytes().len();
                assert!(taken <= at_most, "{taken} for {at_most}");
                assert!(at_most - taken < ROW_HEAD_BYTES, "{taken} for {at_most}");
            }
        }
    }
}
