//! A session's events out of its segments.

use coven_core::{Seq, SessionId};
use redb::{ReadOnlyTable, ReadTransaction, ReadableTable};

use crate::cold::order::Goes;
use crate::cold::segment::Segment;
use crate::error::Damage;
use crate::fault::Fault;
use crate::layout::SEGMENTS;

pub(crate) struct Segments(ReadOnlyTable<(u64, u64), &'static [u8]>);

impl Segments {
    pub(crate) fn open(txn: &ReadTransaction) -> Result<Self, Fault> {
        Ok(Self(txn.open_table(SEGMENTS)?))
    }

    /// Calls `each` with the events of a slot after `after`, oldest first, until it says it is
    /// enough. What it returned last is returned.
    pub(crate) fn each(
        &self,
        slot: u64,
        id: &SessionId,
        after: Seq,
        each: impl FnMut(Seq, &[u8]) -> Result<Goes, Fault>,
    ) -> Result<Goes, Fault> {
        each_row(&self.0, slot, id, after, each)
    }
}

/// The same out of any table of segments.
pub(crate) fn each_row(
    table: &impl ReadableTable<(u64, u64), &'static [u8]>,
    slot: u64,
    id: &SessionId,
    after: Seq,
    mut each: impl FnMut(Seq, &[u8]) -> Result<Goes, Fault>,
) -> Result<Goes, Fault> {
    let start = after.get().saturating_add(1);
    // The segment that holds `start` may begin before it.
    let from = table.range((slot, 0)..=(slot, start))?.next_back();
    let from = from.transpose()?.map_or(start, |(key, _)| key.value().1);
    for entry in table.range((slot, from)..=(slot, u64::MAX))? {
        let (key, bytes) = entry?;
        let first = key.value().1;
        let damaged = |problem: String| {
            Fault::Damage(Damage {
                session: Some(id.clone()),
                seq: Some(Seq::new(first)),
                problem: format!("the events from there on cannot be read: {problem}"),
            })
        };
        let segment = Segment::decode(slot, first, bytes.value())
            .map_err(|problem| damaged(problem.to_string()))?;
        if segment.head.last <= after.get() {
            continue;
        }
        for row in segment.rows() {
            let (seq, row) = row.map_err(|problem| damaged(problem.to_string()))?;
            if seq > after && each(seq, row)? == Goes::Enough {
                return Ok(Goes::Enough);
            }
        }
    }
    Ok(Goes::On)
}
