//! Records, and finding them.

use std::sync::Arc;

use coven_core::{HarnessId, Record, Seq, SessionId};
use redb::{ReadTransaction, ReadableTable};

use crate::database::guarded;
use crate::error::Damage;
use crate::fault::{Fault, damage};
use crate::layout::{BY_CONVERSATION, GONE, IDS, META, RECORDS, SLOTS, meta};
use crate::projection::conversation_key;
use crate::stored::{Aside, Malformed, Mark, RecordRow, SlotRow, sealed};
use crate::writer::Entry;

/// One session's record; `None` where there is no such session.
pub(crate) fn entry(txn: &ReadTransaction, id: &SessionId) -> Result<Option<Entry>, Fault> {
    load_entry(&txn.open_table(IDS)?, &txn.open_table(RECORDS)?, id)
}

/// A session's slot; `None` where there is no such session.
fn slot_of(txn: &ReadTransaction, id: &SessionId) -> Result<Option<u64>, Fault> {
    let Some(row) = txn.open_table(IDS)?.get(id.as_str())? else {
        return Ok(None);
    };
    let slot = row.value();
    // The index has no checksum. Of one whose own row is damaged nobody knows better, unless its record is of
    // that slot.
    let (owner, _) = match slot_row(&txn.open_table(SLOTS)?, slot) {
        Err(Fault::Damage(_)) => {
            load_record(&txn.open_table(RECORDS)?, slot, id)?;
            return Ok(Some(slot));
        }
        row => row?,
    };
    if owner == *id {
        Ok(Some(slot))
    } else {
        Err(Fault::Damage(Damage {
            session: Some(id.clone()),
            seq: None,
            problem: "the index leads to a slot that is another session's".to_owned(),
        }))
    }
}

/// The slot that the index of ids, which has no checksum, leads to for a session; that of the tail where that
/// knows it.
pub(super) fn slot_unproven(
    txn: &ReadTransaction,
    id: &SessionId,
    tail: Option<u64>,
) -> Result<Option<u64>, Fault> {
    if tail.is_some() {
        return Ok(tail);
    }
    let row = txn.open_table(IDS)?.get(id.as_str())?;
    Ok(row.map(|row| row.value()))
}

/// The slot of a session of which some is in the tail, whose slot that is then; `None` where there is
/// nothing of it to be read. Who looked into the tail before it was deleted finds here what is not
/// erased yet, and would have a part of it.
pub(super) fn slot_beside_the_tail(
    txn: &ReadTransaction,
    id: &SessionId,
    tail: Option<u64>,
) -> Result<Option<u64>, Fault> {
    let Some(slot) = tail else {
        return slot_of(txn, id);
    };
    let row = txn.open_table(SLOTS)?.get(slot)?;
    let row = row.map(|row| slot_of_row(slot, row.value()));
    // The cold file may have nothing of it yet. One that is damaged keeps nobody from its events.
    let is_deleted = matches!(row, Some(Ok((_, Some(_)))));
    Ok((!is_deleted).then_some(slot))
}

/// What there is to know of the deletion of an id.
pub(crate) struct Gone {
    /// The place of its last `Deleted`.
    pub(crate) at: Option<Seq>,
    /// What is wrong with the index of deletions. It is no session's, and keeps nobody from anything.
    pub(crate) damage: Option<Damage>,
}

/// Whether an id is that of a session that was deleted. Where the index of those cannot be read, all slots are
/// looked at, which takes as long as there are sessions.
///
/// # Errors
/// Damage of no session, where the slots cannot be read either: any of them may be that of the id.
pub(crate) fn gone(txn: &ReadTransaction, id: &SessionId) -> Result<Gone, Fault> {
    let indexed = guarded(|| {
        let row = txn.open_table(GONE)?.get(id.as_str())?;
        Ok(row.map(|row| Seq::new(row.value())))
    });
    match indexed {
        Ok(at) => Ok(Gone { at, damage: None }),
        Err(Fault::Damage(mut damage)) => {
            damage.problem = format!("the index of deleted sessions: {}", damage.problem);
            tracing::error!(%damage, "all slots are looked at");
            Ok(Gone {
                at: gone_by_slots(&txn.open_table(SLOTS)?, id)?,
                damage: Some(damage),
            })
        }
        Err(fault) => Err(fault),
    }
}

fn gone_by_slots(
    slots: &impl ReadableTable<u64, &'static [u8]>,
    id: &SessionId,
) -> Result<Option<Seq>, Fault> {
    let mut gone = None;
    for row in slots.iter()? {
        let (slot, bytes) = row?;
        let (owner, deleted_at) = slot_in_row(slot.value(), bytes.value())?;
        if owner == *id {
            gone = gone.max(deleted_at);
        }
    }
    Ok(gone)
}

/// The newest session that was launched under a conversation's id, but for those `deleted`. A row that leads
/// to one whose record says otherwise is passed over.
pub(crate) fn by_conversation(
    txn: &ReadTransaction,
    harness: &HarnessId,
    conversation_id: &str,
    deleted: &[u64],
) -> Result<Option<(u64, SessionId)>, Fault> {
    let key = (harness.as_str(), conversation_id);
    let (harness, conversation) = key;
    let table = txn.open_table(BY_CONVERSATION)?;
    let slots = txn.open_table(SLOTS)?;
    let records = txn.open_table(RECORDS)?;
    let range = (harness, conversation, 0)..=(harness, conversation, u64::MAX);
    for row in table.range(range)?.rev() {
        let slot = row?.0.value().2;
        if deleted.contains(&slot) {
            continue;
        }
        let owner = guarded(|| {
            let (id, deleted_at) = slot_row(&slots, slot)?;
            let record = guarded(|| load_record(&records, slot, &id));
            Ok((id, deleted_at, unless_damaged(record)?))
        });
        let Some((id, deleted_at, record)) = unless_damaged(owner)? else {
            continue;
        };
        // Of one whose record is damaged nobody knows better.
        let is_right = record.is_none_or(|record| conversation_key(&record) == Some(key));
        if is_right && deleted_at.is_none() {
            return Ok(Some((slot, id)));
        }
        tracing::error!(
            slot,
            "a row leads from a conversation to a session that has another"
        );
    }
    Ok(None)
}

/// How far the cold file has everything.
pub(crate) fn folded(txn: &ReadTransaction) -> Result<Mark, Fault> {
    folded_in(&txn.open_table(META)?)
}

/// The same, by its table.
pub(crate) fn folded_in(
    table: &impl ReadableTable<&'static str, &'static [u8]>,
) -> Result<Mark, Fault> {
    let row = table.get(meta::FOLDED)?;
    let row = row.ok_or_else(|| damage("how far it was folded is missing"))?;
    Ok(Mark::unseal(row.value(), meta::FOLDED)?)
}

/// The slots that no session has.
pub(crate) fn aside(txn: &ReadTransaction) -> Result<Aside, Fault> {
    let row = txn.open_table(META)?.get(meta::ASIDE)?;
    let aside = row.map(|row| Aside::unseal(row.value())).transpose()?;
    Ok(aside.unwrap_or_default())
}

/// From where an import went on, if nothing was folded since.
pub(crate) fn imported(txn: &ReadTransaction) -> Result<Option<Mark>, Fault> {
    let row = txn.open_table(META)?.get(meta::IMPORTED)?;
    let mark = row.map(|row| Mark::unseal(row.value(), meta::IMPORTED));
    Ok(mark.transpose()?)
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
    let record = Arc::new(load_record(records, slot, id)?);
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
    record_of_row(slot, id, row.value())
        .map_err(|malformed| of_session(format!("its record cannot be read: {malformed}")))
}

/// The record in a row.
pub(crate) fn record_of_row(slot: u64, id: &SessionId, row: &[u8]) -> Result<Record, Malformed> {
    sealed::unseal::<RecordRow>(row, &record_place(slot, id))?.into_record(id.clone())
}

/// What a record's checksum covers beside it.
pub(crate) fn record_place(slot: u64, id: &SessionId) -> Vec<u8> {
    [&slot.to_be_bytes(), id.as_str().as_bytes()].concat()
}

/// What was read, for those who look at many: `None` where it is damaged, so that the others can be
/// seen. Who asks for it by its id is told what is wrong.
pub(crate) fn unless_damaged<T>(read: Result<T, Fault>) -> Result<Option<T>, Fault> {
    match read {
        Err(Fault::Damage(damage)) => {
            tracing::error!(%damage, "a session is left out");
            Ok(None)
        }
        read => read.map(Some),
    }
}

/// The record in a slot, where it can be read; for those who can do without.
pub(crate) fn known_record(
    txn: &ReadTransaction,
    slot: u64,
    id: &SessionId,
) -> Result<Option<Record>, Fault> {
    match guarded(|| load_record(&txn.open_table(RECORDS)?, slot, id)) {
        Err(Fault::Damage(_)) => Ok(None),
        loaded => loaded.map(Some),
    }
}

/// What a record says of its session's events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Known {
    pub(super) first_seq: Seq,
    pub(super) last_seq: Seq,
    pub(super) output_bytes: u64,
    pub(super) trimmed_bytes: u64,
}

impl From<&Record> for Known {
    fn from(record: &Record) -> Self {
        Self {
            first_seq: record.first_seq,
            last_seq: record.last_seq,
            output_bytes: record.session.output_bytes,
            trimmed_bytes: record.session.trimmed_bytes,
        }
    }
}

/// Whose a slot is.
pub(crate) fn slot_row(
    slots: &impl ReadableTable<u64, &'static [u8]>,
    slot: u64,
) -> Result<(SessionId, Option<Seq>), Fault> {
    let row = slots.get(slot)?;
    let row = row.ok_or_else(|| damage(format!("slot {slot} is nobody's")))?;
    slot_in_row(slot, row.value())
}

/// The same, where a row that is damaged is no session's that is known.
pub(crate) fn slot_in_row(slot: u64, row: &[u8]) -> Result<(SessionId, Option<Seq>), Fault> {
    slot_of_row(slot, row)
        .map_err(|malformed| damage(format!("whose slot {slot} is cannot be read: {malformed}")))
}

/// The same from a row.
pub(crate) fn slot_of_row(slot: u64, row: &[u8]) -> Result<(SessionId, Option<Seq>), Malformed> {
    let row: SlotRow = sealed::unseal(row, &slot.to_be_bytes())?;
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
