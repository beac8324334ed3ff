//! Records, and finding them.

use coven_core::{HarnessId, Record, Seq, SessionId};
use redb::{ReadTransaction, ReadableTable};

use crate::error::Damage;
use crate::fault::{Fault, damage};
use crate::layout::{self, BY_CONVERSATION, IDS, LIVE, META, RECORDS, SLOTS, meta};
use crate::stored::{Malformed, RecordRow, SlotRow, decode};
use crate::writer::{Counters, Entry};

/// One session's record.
pub(crate) fn record(txn: &ReadTransaction, id: &SessionId) -> Result<Option<Record>, Fault> {
    let entry = load_entry(&txn.open_table(IDS)?, &txn.open_table(RECORDS)?, id)?;
    Ok(entry.map(|entry| entry.record))
}

/// The records of launched sessions that have not ended, oldest slot first, less damaged ones.
pub(crate) fn live(txn: &ReadTransaction) -> Result<Vec<Record>, Fault> {
    let slots = txn.open_table(SLOTS)?;
    let records = txn.open_table(RECORDS)?;
    let mut live = Vec::new();
    for row in txn.open_table(LIVE)?.iter()? {
        let slot = row?.0.value();
        live.extend(load_whole(&records, slot, &session_of_slot(&slots, slot)?)?);
    }
    Ok(live)
}

/// The newest session that was launched under a conversation's id.
pub(crate) fn by_conversation(
    txn: &ReadTransaction,
    harness: &HarnessId,
    conversation_id: &str,
) -> Result<Option<SessionId>, Fault> {
    let (harness, conversation) = (harness.as_str(), conversation_id);
    let table = txn.open_table(BY_CONVERSATION)?;
    let range = (harness, conversation, 0)..=(harness, conversation, u64::MAX);
    let Some(row) = table.range(range)?.next_back() else {
        return Ok(None);
    };
    let slot = row?.0.value().2;
    session_of_slot(&txn.open_table(SLOTS)?, slot).map(Some)
}

/// The log's counters.
pub(crate) fn counters(txn: &ReadTransaction) -> Result<Counters, Fault> {
    let table = txn.open_table(META)?;
    let counter = |key| {
        let row = table.get(key)?;
        let row = row.ok_or_else(|| damage("a counter is missing"))?;
        layout::counter(row.value())
    };
    Ok(Counters {
        last_seq: Seq::new(counter(meta::LAST_SEQ)?),
        last_slot: counter(meta::LAST_SLOT)?,
    })
}

/// A session's slot and record, if it exists.
pub(crate) fn load_entry(
    ids: &impl ReadableTable<&'static str, u64>,
    records: &impl ReadableTable<u64, &'static [u8]>,
    id: &SessionId,
) -> Result<Option<Entry>, Fault> {
    let Some(slot) = ids.get(id.as_str())?.map(|row| row.value()) else {
        return Ok(None);
    };
    let record = load_record(records, slot, id)?;
    Ok(Some(Entry { slot, record }))
}

/// The record in a slot that has one.
pub(crate) fn load_record(
    records: &impl ReadableTable<u64, &'static [u8]>,
    slot: u64,
    id: &SessionId,
) -> Result<Record, Fault> {
    let of_session = |problem: String| {
        Fault::Damage(Damage {
            session: Some(id.clone()),
            seq: None,
            problem,
        })
    };
    let row = records.get(slot)?;
    let row = row.ok_or_else(|| of_session("its record is missing".to_owned()))?;
    decode::<RecordRow>(row.value())
        .and_then(|row| row.into_record(id.clone()))
        .map_err(|malformed| of_session(format!("its record cannot be read: {malformed}")))
}

/// The same, for those who look at many: `None` for one that is damaged, so that the others can be
/// seen. Who asks for it by its id is told what is wrong.
pub(crate) fn load_whole(
    records: &impl ReadableTable<u64, &'static [u8]>,
    slot: u64,
    id: &SessionId,
) -> Result<Option<Record>, Fault> {
    match load_record(records, slot, id) {
        Err(Fault::Damage(damage)) => {
            tracing::error!(%damage, "a session is left out");
            Ok(None)
        }
        loaded => loaded.map(Some),
    }
}

/// Whose a slot is.
pub(crate) fn slot_row(
    slots: &impl ReadableTable<u64, &'static [u8]>,
    slot: u64,
) -> Result<(SessionId, Option<Seq>), Fault> {
    let row = slots.get(slot)?;
    let row = row.ok_or_else(|| damage(format!("slot {slot} is nobody's")))?;
    let row: SlotRow = decode(row.value())?;
    let id = SessionId::parse(&row.id).map_err(|_| Malformed::Value {
        field: "session id",
    })?;
    Ok((id, row.deleted_at.map(Seq::new)))
}

/// Which session's a slot is.
pub(crate) fn session_of_slot(
    slots: &impl ReadableTable<u64, &'static [u8]>,
    slot: u64,
) -> Result<SessionId, Fault> {
    slot_row(slots, slot).map(|(id, _)| id)
}
