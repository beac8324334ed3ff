//! Erasing the events of deleted sessions, a bounded number of segments in each transaction.
//!
//! The list of what is to be erased has no checksum. So nothing is erased but what the row of its slot,
//! which has one, says was deleted there. Nor have keys: so no segment is erased but one that proves its place.

#[cfg(test)]
mod tests;

use std::ops::Range;

use coven_core::Seq;
use redb::{ReadableTable, Table, WriteTransaction};

use super::segment::Segment;
use super::spared::{Spared, Task, What};
use crate::fault::{Fault, damage};
use crate::layout::Tables;
use crate::limits::ERASE_SEGMENTS;
use crate::read::slot_row;

/// Erases some of one deleted session; `false` when there is nothing left of any. `at` is told
/// which slot it is about to touch. What contradicts its slot stays as it is, and so does a segment that is damaged.
pub(crate) fn some(
    txn: &WriteTransaction,
    spared: &mut Spared,
    at: &mut Option<Task>,
) -> Result<bool, Fault> {
    let mut tables = Tables::open(txn)?;
    while let Some(task) = spared.next_of(What::Erase, &tables.erasing, at)? {
        if was_deleted(&tables, task)? {
            step(&mut tables, spared, task)?;
            return Ok(true);
        }
        tracing::error!(
            slot = task.slot,
            deleted_at = task.up_to,
            "what is to be erased was not deleted there"
        );
        spared.add(task);
    }
    Ok(false)
}

/// Whether a slot's own row says the same as the list.
fn was_deleted(tables: &Tables<'_>, task: Task) -> Result<bool, Fault> {
    match slot_row(&tables.slots, task.slot) {
        Ok((_, known)) => Ok(known.map(Seq::get) == Some(task.up_to)),
        Err(Fault::Damage(damage)) => {
            tracing::error!(%damage, "nothing of a slot is erased");
            Ok(false)
        }
        Err(fault) => Err(fault),
    }
}

/// Erases some rows of a deleted session. What was erased stays erased after a crash, and the rest
/// goes on from there.
fn step(tables: &mut Tables<'_>, spared: &mut Spared, task: Task) -> Result<(), Fault> {
    let slot = task.slot;
    let segments = remove_segments(&mut tables.segments, spared, task)?;
    let outputs = remove_outputs(&mut tables.output, slot)?;
    if segments + outputs > 0 {
        return Ok(());
    }
    if spared.has_segments_of(task) {
        spared.add(task);
    } else if tables.erasing.remove(slot)?.is_none() {
        return Err(out_of_order());
    }
    Ok(())
}

/// Goes through at most [`ERASE_SEGMENTS`] segments from before the deletion of a session, and gives how many. Those that
/// prove themselves are removed: the key of another may be what is damaged, and all else is another session's then.
fn remove_segments(
    segments: &mut Table<'_, (u64, u64), &'static [u8]>,
    spared: &mut Spared,
    task: Task,
) -> Result<usize, Fault> {
    let slot = task.slot;
    let places = (slot, 0)..(slot, task.up_to);
    let (mut whole, mut damaged) = (Vec::new(), 0);
    for row in segments.range(places.clone())? {
        let (place, bytes) = row?;
        let place = place.value();
        if spared.has_segment(task, place.1) {
            continue;
        }
        match Segment::head(place.0, place.1, bytes.value()) {
            Ok(_) => whole.push(place),
            Err(problem) => {
                tracing::error!(slot, first = place.1, %problem, "a damaged segment is not erased");
                spared.add_segment(task, place.1);
                damaged += 1;
            }
        }
        if whole.len() + damaged == ERASE_SEGMENTS {
            break;
        }
    }
    remove(segments, &places, &whole)?;
    Ok(whole.len() + damaged)
}

/// Removes at most [`ERASE_SEGMENTS`] rows of what says where a session's output is; gives how many.
fn remove_outputs(outputs: &mut Table<'_, (u64, u64), u64>, slot: u64) -> Result<usize, Fault> {
    let places = (slot, 0)..(slot, u64::MAX);
    let found = outputs.range(places.clone())?.take(ERASE_SEGMENTS);
    let found: Vec<(u64, u64)> = found
        .map(|row| Ok(row?.0.value()))
        .collect::<Result<_, Fault>>()?;
    remove(outputs, &places, &found)?;
    Ok(found.len())
}

fn remove<V: redb::Value>(
    table: &mut Table<'_, (u64, u64), V>,
    places: &Range<(u64, u64)>,
    found: &[(u64, u64)],
) -> Result<(), Fault> {
    for place in found {
        // Where keys are not in their order, what is met there may be another's, or not be found again.
        if !places.contains(place) || table.remove(place)?.is_none() {
            return Err(out_of_order());
        }
    }
    Ok(())
}

/// Who would go on would come to no end. It stays as it is.
fn out_of_order() -> Fault {
    damage("what is to be erased is out of its order")
}
