//! Writing the projections anew from the log.

use coven_core::{Record, Replay, Seq, SessionId};
use redb::{ReadableTable, WriteTransaction};

use super::update;
use crate::cold::order::Goes;
use crate::cold::segment::Segment;
use crate::error::Damage;
use crate::fault::Fault;
use crate::layout::{BY_CONVERSATION, BY_CREATED, GONE, IDS, LIVE, OUTPUT, RECORDS, Tables};
use crate::read::{Part, Row, each_row, session_of_slot, slot_in_row, slot_of_row, unless_damaged};

/// Drops every projection and folds it again, and makes the indexes of ids anew.
pub(crate) fn rebuild(txn: &WriteTransaction) -> Result<(), Fault> {
    txn.delete_table(IDS)?;
    txn.delete_table(GONE)?;
    txn.delete_table(RECORDS)?;
    txn.delete_table(BY_CREATED)?;
    txn.delete_table(BY_CONVERSATION)?;
    txn.delete_table(LIVE)?;
    txn.delete_table(OUTPUT)?;
    let mut tables = Tables::open(txn)?;
    index_ids(&mut tables)?;
    for slot in living_slots(&tables.slots)? {
        let id = session_of_slot(&tables.slots, slot)?;
        let record = fold_session(&tables.segments, slot, &id)?;
        update(&mut tables, slot, None, &record)?;
        index_output(&mut tables, slot, &record)?;
    }
    Ok(())
}

/// Finds every session by its id again, and what was deleted under it.
pub(super) fn index_ids(tables: &mut Tables<'_>) -> Result<(), Fault> {
    let Tables {
        slots, ids, gone, ..
    } = tables;
    for row in slots.iter()? {
        let (slot, bytes) = row?;
        let (id, deleted_at) = slot_in_row(slot.value(), bytes.value())?;
        let Some(at) = deleted_at else {
            ids.insert(id.as_str(), slot.value())?;
            continue;
        };
        let last = gone.get(id.as_str())?.map(|last| last.value());
        if last.is_none_or(|last| last < at.get()) {
            gone.insert(id.as_str(), at.get())?;
        }
    }
    Ok(())
}

/// The slots of the sessions that are not deleted, and of those of which nobody knows.
pub(super) fn living_slots(
    slots: &impl ReadableTable<u64, &'static [u8]>,
) -> Result<Vec<u64>, Fault> {
    let mut living = Vec::new();
    for row in slots.iter()? {
        let (slot, bytes) = row?;
        let is_deleted = slot_of_row(slot.value(), bytes.value())
            .is_ok_and(|(_, deleted_at)| deleted_at.is_some());
        if !is_deleted {
            living.push(slot.value());
        }
    }
    Ok(living)
}

/// A session's record from its events. Of output that was trimmed some may be left or none.
pub(crate) fn fold_session(
    segments: &impl ReadableTable<(u64, u64), &'static [u8]>,
    slot: u64,
    id: &SessionId,
) -> Result<Record, Fault> {
    let of = Part::after(slot, id, Seq::ZERO);
    fold_rows(id, |fold| each_row(segments, of, fold).map(drop))
}

/// The same of events that `each` reads, from the first one on.
pub(crate) fn fold_rows(
    id: &SessionId,
    each: impl FnOnce(&mut dyn FnMut(Row<'_>) -> Result<Goes, Fault>) -> Result<(), Fault>,
) -> Result<Record, Fault> {
    let of_session = |seq: Option<Seq>, problem: String| {
        Fault::Damage(Damage {
            session: Some(id.clone()),
            seq,
            problem,
        })
    };
    let mut replay = Replay::default();
    each(&mut |row| {
        let envelope = row.event(id)?;
        replay = std::mem::take(&mut replay)
            .fold(&envelope)
            .map_err(|illegal| of_session(Some(row.seq), illegal.to_string()))?;
        Ok(Goes::On)
    })?;
    let record = replay.finish().map_err(|illegal| {
        of_session(
            None,
            format!("output that was not trimmed is missing: {illegal}"),
        )
    })?;
    record.ok_or_else(|| of_session(None, "it has no events".to_owned()))
}

/// Finds the output of a session again, and what is to be taken out of it. A segment that is damaged is passed
/// over, so that what comes after it is found.
pub(super) fn index_output(
    tables: &mut Tables<'_>,
    slot: u64,
    record: &Record,
) -> Result<(), Fault> {
    let Tables {
        segments,
        output,
        trimming,
        ..
    } = tables;
    let trimmed_bytes = record.session.trimmed_bytes;
    for_each_output_segment(segments, slot, &record.session.id, |key, seq| {
        output.insert(key, seq)?;
        if key.1 < trimmed_bytes {
            trimming.insert(slot, trimmed_bytes)?;
        }
        Ok(())
    })
}

/// Goes where that does, to see whether it gets there.
pub(super) fn pass_over_output(
    segments: &impl ReadableTable<(u64, u64), &'static [u8]>,
    slot: u64,
    id: &SessionId,
) -> Result<(), Fault> {
    for_each_output_segment(segments, slot, id, |_, _| Ok(()))
}

/// Calls `each` with every row that the index of output is to have of a session.
fn for_each_output_segment(
    segments: &impl ReadableTable<(u64, u64), &'static [u8]>,
    slot: u64,
    id: &SessionId,
    mut each: impl FnMut((u64, u64), u64) -> Result<(), Fault>,
) -> Result<(), Fault> {
    for entry in segments.range((slot, 0)..=(slot, u64::MAX))? {
        let (key, bytes) = entry?;
        let first = key.value().1;
        let head = Segment::head(slot, first, bytes.value()).map_err(|problem| {
            Fault::Damage(Damage {
                session: Some(id.clone()),
                seq: Some(Seq::new(first)),
                problem: problem.to_string(),
            })
        });
        if let Some(offset) = unless_damaged(head)?.and_then(|head| head.output) {
            each((slot, offset), first)?;
        }
    }
    Ok(())
}
