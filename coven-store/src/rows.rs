//! `Rows`: the events of a batch as they are stored, one behind the other.

use std::sync::Arc;

use bytes::Bytes;
use coven_core::{Envelope, Event};

use crate::pool::Pool;
use crate::stored::{EventRow, encode_onto};

/// What a row takes beside the bytes of its output, about.
const ROW_HEAD_BYTES: usize = 32;

#[derive(Debug)]
pub(crate) struct Rows {
    bytes: Bytes,
    lens: Vec<u32>,
}

impl Rows {
    pub(crate) fn of(events: &[Envelope], pool: &Arc<Pool>) -> Self {
        let expected = events.iter().map(|envelope| match &envelope.event {
            Event::Output { data, .. } => data.len() + ROW_HEAD_BYTES,
            _ => ROW_HEAD_BYTES,
        });
        let mut bytes = pool.take(expected.sum());
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
