//! Writing the projections anew from the log.

use coven_core::{Event, Record, Seq, SessionId};
use redb::{ReadableTable, WriteTransaction};

use super::update;
use crate::error::Damage;
use crate::fault::Fault;
use crate::layout::{BY_CONVERSATION, BY_CREATED, LIVE, OUTPUT, RECORDS, Tables};
use crate::read::{decode_event, session_of_slot, slot_row};

/// Drops every projection and folds it again.
pub(crate) fn rebuild(txn: &WriteTransaction) -> Result<(), Fault> {
    txn.delete_table(RECORDS)?;
    txn.delete_table(BY_CREATED)?;
    txn.delete_table(BY_CONVERSATION)?;
    txn.delete_table(LIVE)?;
    txn.delete_table(OUTPUT)?;
    let mut tables = Tables::open(txn)?;
    for slot in living_slots(&tables.ids)? {
        let id = session_of_slot(&tables.slots, slot)?;
        let (record, _) = fold_session(&tables.events, slot, &id)?;
        update(&mut tables, slot, None, &record)?;
    }
    let Tables {
        slots,
        events,
        order,
        output,
        ..
    } = &mut tables;
    for_each_output_batch(slots, events, order, |key, seq| {
        output.insert(key, seq)?;
        Ok(())
    })
}

/// The slots of the sessions that are not deleted.
pub(super) fn living_slots(ids: &impl ReadableTable<&'static str, u64>) -> Result<Vec<u64>, Fault> {
    ids.iter()?.map(|row| Ok(row?.1.value())).collect()
}

/// A session's record from its events, and how many there are.
pub(super) fn fold_session(
    events: &impl ReadableTable<(u64, u64), &'static [u8]>,
    slot: u64,
    id: &SessionId,
) -> Result<(Record, u64), Fault> {
    let of_session = |seq: Option<Seq>, problem: String| {
        Fault::Damage(Damage {
            session: Some(id.clone()),
            seq,
            problem,
        })
    };
    let mut record = None;
    let mut count = 0;
    for row in events.range((slot, 0)..=(slot, u64::MAX))? {
        let (key, value) = row?;
        let envelope = decode_event(value.value(), id, Seq::new(key.value().1))?;
        let folded = Record::fold(record, &envelope)
            .map_err(|illegal| of_session(Some(envelope.seq), illegal.to_string()))?;
        record = Some(folded);
        count += 1;
    }
    let record = record.ok_or_else(|| of_session(None, "it has no events".to_owned()))?;
    Ok((record, count))
}

/// Calls `each` with every row that the index of output is to have.
pub(super) fn for_each_output_batch(
    slots: &impl ReadableTable<u64, &'static [u8]>,
    events: &impl ReadableTable<(u64, u64), &'static [u8]>,
    order: &impl ReadableTable<u64, (u64, u64)>,
    mut each: impl FnMut((u64, u64), u64) -> Result<(), Fault>,
) -> Result<(), Fault> {
    for row in order.iter()? {
        let (first, batch) = row?;
        let (slot, last) = batch.value();
        let (id, deleted_at) = slot_row(slots, slot)?;
        if deleted_at.is_some() {
            continue;
        }
        for row in events.range((slot, first.value())..=(slot, last))? {
            let (key, value) = row?;
            let seq = key.value().1;
            let event = decode_event(value.value(), &id, Seq::new(seq))?.event;
            if let Event::Output { offset, .. } = event {
                each((slot, offset), seq)?;
                break;
            }
        }
    }
    Ok(())
}
