//! A session's output, by its offset in bytes.

use bytes::Bytes;
use coven_core::{Channel, Event, Seq, SessionId};
use redb::ReadTransaction;

use super::events::decode_event;
use crate::fault::Fault;
use crate::layout::{EVENTS, IDS, OUTPUT};

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

/// At most `max_bytes` of a session's output from `offset` on, without a gap; none at its end.
pub(crate) fn output(
    txn: &ReadTransaction,
    id: &SessionId,
    offset: u64,
    max_bytes: usize,
) -> Result<Vec<OutputChunk>, Fault> {
    let Some(slot) = txn
        .open_table(IDS)?
        .get(id.as_str())?
        .map(|row| row.value())
    else {
        return Ok(Vec::new());
    };
    let index = txn.open_table(OUTPUT)?;
    let Some(near) = index.range((slot, 0)..=(slot, offset))?.next_back() else {
        return Ok(Vec::new());
    };
    let seq = near?.1.value();
    let end = offset.saturating_add(max_bytes as u64);
    let mut chunks = Vec::new();
    for row in txn
        .open_table(EVENTS)?
        .range((slot, seq)..=(slot, u64::MAX))?
    {
        let (key, value) = row?;
        let seq = Seq::new(key.value().1);
        let Event::Output {
            offset: at,
            channel,
            data,
        } = decode_event(value.value(), id, seq)?.event
        else {
            continue;
        };
        if at >= end {
            break;
        }
        if let Some((offset, data)) = within(at, &data, offset, end) {
            chunks.push(OutputChunk {
                seq,
                offset,
                channel,
                data,
            });
        }
    }
    Ok(chunks)
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
