//! Events: of one session, and of all in the order they were appended.

use std::collections::HashMap;

use coven_core::{Envelope, Seq, SessionId};
use redb::{ReadTransaction, ReadableTable};

use super::record::slot_row;
use crate::error::Damage;
use crate::fault::Fault;
use crate::layout::{EVENTS, IDS, ORDER, SLOTS};
use crate::stored::{EventRow, decode};

/// How much one read returns at most. The first event is returned whatever its size, so that
/// reading always gets on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadLimit {
    /// Events.
    pub events: usize,
    /// Bytes of them, as stored.
    pub bytes: usize,
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
struct Filling {
    limit: ReadLimit,
    bytes: usize,
    events: Vec<Envelope>,
}

impl Filling {
    fn new(limit: ReadLimit) -> Self {
        Self {
            limit,
            bytes: 0,
            events: Vec::new(),
        }
    }

    /// Whether a row of so many bytes still fits.
    fn takes(&mut self, len_bytes: usize) -> bool {
        let fits = self.events.len() < self.limit.events
            && (self.events.is_empty() || self.bytes + len_bytes <= self.limit.bytes);
        if fits {
            self.bytes += len_bytes;
        }
        fits
    }
}

/// The events of one session after `after`; none when there is no such session.
pub(crate) fn of_session(
    txn: &ReadTransaction,
    id: &SessionId,
    after: Seq,
    limit: ReadLimit,
) -> Result<Vec<Envelope>, Fault> {
    let Some(slot) = txn
        .open_table(IDS)?
        .get(id.as_str())?
        .map(|row| row.value())
    else {
        return Ok(Vec::new());
    };
    let mut page = Filling::new(limit);
    let table = txn.open_table(EVENTS)?;
    for row in table.range((slot, after.get().saturating_add(1))..=(slot, u64::MAX))? {
        let (key, value) = row?;
        if !page.takes(value.value().len()) {
            break;
        }
        let seq = Seq::new(key.value().1);
        page.events.push(decode_event(value.value(), id, seq)?);
    }
    Ok(page.events)
}

/// The events of all sessions after `after`. Of a deleted session there is only its `Deleted`.
pub(crate) fn of_all(
    txn: &ReadTransaction,
    after: Seq,
    limit: ReadLimit,
) -> Result<Vec<Envelope>, Fault> {
    let start = after.get().saturating_add(1);
    let order = txn.open_table(ORDER)?;
    let slots = txn.open_table(SLOTS)?;
    let events = txn.open_table(EVENTS)?;
    let mut page = Filling::new(limit);
    let mut owners = HashMap::new();
    // The batch that holds `start` may begin before it.
    let from = order.range(..=start)?.next_back().transpose()?;
    let from = from.map_or(start, |(first, _)| first.value());
    for row in order.range(from..)? {
        let (first, batch) = row?;
        let (slot, last) = batch.value();
        if last < start {
            continue;
        }
        let owner = match owners.get(&slot) {
            Some(owner) => owner,
            None => owners.entry(slot).or_insert(slot_row(&slots, slot)?),
        };
        let (session, deleted_at) = owner;
        let first = first.value().max(start).max(deleted_at.map_or(0, Seq::get));
        if !take_batch(&events, &mut page, session, slot, first..=last)? {
            break;
        }
    }
    Ok(page.events)
}

/// Puts a batch's events on the page; `false` when it is full.
fn take_batch(
    events: &impl ReadableTable<(u64, u64), &'static [u8]>,
    page: &mut Filling,
    session: &SessionId,
    slot: u64,
    seqs: std::ops::RangeInclusive<u64>,
) -> Result<bool, Fault> {
    if seqs.is_empty() {
        return Ok(true);
    }
    for row in events.range((slot, *seqs.start())..=(slot, *seqs.end()))? {
        let (key, value) = row?;
        if !page.takes(value.value().len()) {
            return Ok(false);
        }
        let seq = Seq::new(key.value().1);
        page.events.push(decode_event(value.value(), session, seq)?);
    }
    Ok(true)
}

/// The first event of a session, which holds how it began.
pub(crate) fn first_event(
    txn: &ReadTransaction,
    id: &SessionId,
) -> Result<Option<Envelope>, Fault> {
    let one = ReadLimit {
        events: 1,
        bytes: 0,
    };
    Ok(of_session(txn, id, Seq::ZERO, one)?.pop())
}

/// An event from its row.
pub(crate) fn decode_event(row: &[u8], session: &SessionId, seq: Seq) -> Result<Envelope, Fault> {
    decode::<EventRow>(row)
        .and_then(|row| row.into_envelope(session.clone(), seq))
        .map_err(|malformed| {
            Fault::Damage(Damage {
                session: Some(session.clone()),
                seq: Some(seq),
                problem: format!("the event cannot be read: {malformed}"),
            })
        })
}
