//! Erasing the events of deleted sessions, a bounded number in each transaction.

use redb::{ReadableTable, Table};

use crate::fault::Fault;
use crate::layout::Tables;
use crate::limits::ERASE_ROWS;

/// Erases some rows of the first deleted session that has any left; `true` when there may be
/// more to do. What was erased stays erased after a crash, and the rest goes on from there.
pub(crate) fn step(tables: &mut Tables<'_>) -> Result<bool, Fault> {
    let first = tables.erasing.first()?;
    let Some((slot, deleted_at)) = first.map(|(slot, seq)| (slot.value(), seq.value())) else {
        return Ok(false);
    };
    let events = first_keys(&tables.events, (slot, 0), (slot, deleted_at))?;
    for &(slot, seq) in &events {
        tables.events.remove((slot, seq))?;
        let batch_ends = tables.order.get(seq)?.map(|row| row.value().1);
        // The batch that holds `Deleted` keeps its place in the order.
        if batch_ends.is_some_and(|last| last < deleted_at) {
            tables.order.remove(seq)?;
        }
    }
    let outputs = first_keys(&tables.output, (slot, 0), (slot, u64::MAX))?;
    for &key in &outputs {
        tables.output.remove(key)?;
    }
    if events.is_empty() && outputs.is_empty() {
        tables.erasing.remove(slot)?;
    }
    Ok(true)
}

/// At most [`ERASE_ROWS`] keys, from `start` to before `end`.
fn first_keys<V: redb::Value>(
    table: &Table<'_, (u64, u64), V>,
    start: (u64, u64),
    end: (u64, u64),
) -> Result<Vec<(u64, u64)>, Fault> {
    table
        .range(start..end)?
        .take(ERASE_ROWS)
        .map(|row| Ok(row?.0.value()))
        .collect()
}
