//! A fold: what the tail has, moved into the cold file in one transaction.

use coven_core::{Record, Seq, SessionId};
use redb::{ReadableTable, WriteTransaction};

use super::pack::Packer;
use super::{extend, order, segment};
use crate::fault::Fault;
use crate::layout::{Tables, meta};
use crate::projection;
use crate::read::load_record;
use crate::stored::{SlotRow, sealed};
use crate::tail::{Fold, FoldedSlot, Row, Standing};

/// Writes `fold`. The cold file has all of it or nothing once the transaction is committed.
pub(crate) fn write(txn: &WriteTransaction, fold: &Fold) -> Result<(), Fault> {
    let mut tables = Tables::open(txn)?;
    let mut packer = Packer::new();
    for slot in &fold.slots {
        let known = tables.slots.get(slot.slot)?.is_some();
        match &slot.standing {
            Standing::Living(record) => {
                if !known {
                    put_slot(&mut tables, slot, None)?;
                    tables.ids.insert(slot.id.as_str(), slot.slot)?;
                }
                extend::extend(&mut tables, &mut packer, slot.slot, &slot.rows)?;
                let before = match known {
                    true => load_record(&tables.records, slot.slot, &slot.id).ok(),
                    false => None,
                };
                if known {
                    trim(&mut tables, slot.slot, before.as_ref(), record)?;
                }
                projection::update(&mut tables, slot.slot, before.as_ref(), record)?;
            }
            Standing::Deleted { at } => delete(&mut tables, &mut packer, slot, *at, known)?,
        }
    }
    order::append(&mut tables, &fold.runs)?;
    let mark = fold.mark.seal(meta::FOLDED);
    tables.meta.insert(meta::FOLDED, mark.as_slice())?;
    Ok(())
}

/// From now on no output before where it was trimmed to is read. What there is of it in segments
/// is taken out later, bit by bit; of what is folded here nothing is.
fn trim(
    tables: &mut Tables<'_>,
    slot: u64,
    before: Option<&Record>,
    now: &Record,
) -> Result<(), Fault> {
    let trimmed_bytes = now.session.trimmed_bytes;
    if trimmed_bytes > before.map_or(0, |record| record.session.trimmed_bytes) {
        tables.trimming.insert(slot, trimmed_bytes)?;
    }
    Ok(())
}

fn put_slot(tables: &mut Tables<'_>, slot: &FoldedSlot, deleted: Option<Seq>) -> Result<(), Fault> {
    let row = SlotRow {
        id: slot.id.as_str().to_owned(),
        deleted_at: deleted.map(Seq::get),
    };
    let row = sealed::seal(&row, &slot.slot.to_be_bytes());
    tables.slots.insert(slot.slot, row.as_slice())?;
    Ok(())
}

/// From now on the session is unknown. Its `Deleted` event stays, and what else it has is erased
/// later, bit by bit.
fn delete(
    tables: &mut Tables<'_>,
    packer: &mut Packer,
    slot: &FoldedSlot,
    at: Seq,
    known: bool,
) -> Result<(), Fault> {
    put_slot(tables, slot, Some(at))?;
    if known {
        forget(tables, slot.slot, &slot.id)?;
        tables.erasing.insert(slot.slot, at.get())?;
        tables.trimming.remove(slot.slot)?;
    }
    tables.gone.insert(slot.id.as_str(), at.get())?;
    if let Some(row) = slot.rows.iter().find(|row| row.seq == at) {
        let bytes = segment::encode(packer, slot.slot, &[plain(row)]);
        tables
            .segments
            .insert((slot.slot, at.get()), bytes.as_slice())?;
    }
    Ok(())
}

fn plain(row: &Row) -> segment::SegmentRow<'_> {
    segment::SegmentRow {
        seq: row.seq,
        bytes: row.bytes.as_ref().into(),
        output: None,
    }
}

fn forget(tables: &mut Tables<'_>, slot: u64, id: &SessionId) -> Result<(), Fault> {
    match load_record(&tables.records, slot, id) {
        Ok(record) => projection::forget(tables, slot, &record)?,
        Err(Fault::Damage(damage)) => {
            tracing::error!(%damage, "a deleted session may be found in lists");
        }
        Err(fault) => return Err(fault),
    }
    if tables.ids.get(id.as_str())?.map(|row| row.value()) == Some(slot) {
        tables.ids.remove(id.as_str())?;
    }
    Ok(())
}
