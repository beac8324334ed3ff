//! A fold: what the tail has, moved into the cold file in one transaction.

use coven_core::{Record, Seq, SessionId};
use redb::{ReadableTable, WriteTransaction};

use super::crew::Crew;
use super::extend::Extension;
pub(crate) use super::extend::Thrift;
use super::pack::Packer;
use super::{order, segment};
use crate::fault::{Fault, damage};
use crate::layout::{META, Tables, meta};
use crate::projection;
use crate::read::{folded_in, load_record};
use crate::stored::{Mark, SlotRow, sealed};
use crate::tail::{Fold, FoldedSlot, Row, Standing};

/// From so many bytes of events and last segments on they are compressed, by two side by side, and put in
/// their places: as much again is in memory until then. Of less one waits longer for the other.
const TOGETHER_BYTES: usize = 8 << 20;

/// Writes `fold`. The cold file has all of it or nothing once the transaction is committed.
pub(crate) fn write(txn: &WriteTransaction, fold: &Fold, thrift: Thrift) -> Result<(), Fault> {
    let mut tables = Tables::open(txn)?;
    let mut crew = Crew::new(thrift);
    extend(&mut tables, &mut crew, &fold.slots)?;
    for slot in &fold.slots {
        let known = tables.slots.get(slot.slot)?.is_some();
        match &slot.standing {
            Standing::Living(record) => update(&mut tables, slot, record, known)?,
            Standing::Deleted { at } => delete(&mut tables, crew.packer(), slot, *at, known)?,
        }
    }
    order::append(&mut tables, &fold.runs)?;
    let mark = fold.mark.seal(meta::FOLDED);
    tables.meta.insert(meta::FOLDED, mark.as_slice())?;
    tables.meta.remove(meta::IMPORTED)?;
    Ok(())
}

/// Refuses to write to a file that does not have everything up to `folded` and no more: one that has a
/// fold already would have it twice.
pub(crate) fn follows(txn: &WriteTransaction, folded: Mark) -> Result<(), Fault> {
    let found = folded_in(&txn.open_table(META)?)?;
    if found == folded {
        Ok(())
    } else {
        Err(damage(format!(
            "it was folded up to group {}, and not to group {}, where the last fold left it",
            found.position, folded.position
        )))
    }
}

/// Puts the events of those that live behind what they have.
fn extend(tables: &mut Tables<'_>, crew: &mut Crew, slots: &[FoldedSlot]) -> Result<(), Fault> {
    let living = slots
        .iter()
        .filter(|slot| matches!(slot.standing, Standing::Living(_)));
    let (mut extensions, mut bytes) = (Vec::new(), 0);
    for slot in living {
        let extension = Extension::begin(tables, slot.slot, &slot.rows)?;
        bytes += extension.held_bytes();
        extensions.push(extension);
        if bytes >= TOGETHER_BYTES {
            put(tables, crew, &mut extensions)?;
            bytes = 0;
        }
    }
    put(tables, crew, &mut extensions)
}

/// Compresses `extensions` and puts them in their places.
fn put(
    tables: &mut Tables<'_>,
    crew: &mut Crew,
    extensions: &mut Vec<Extension<'_>>,
) -> Result<(), Fault> {
    let cuts = crew.cut(extensions);
    for (extension, cuts) in extensions.drain(..).zip(cuts) {
        extension.put(tables, &cuts)?;
    }
    Ok(())
}

/// Brings the record of a session that lives, and what is found by it, up to its last event.
fn update(
    tables: &mut Tables<'_>,
    slot: &FoldedSlot,
    record: &Record,
    known: bool,
) -> Result<(), Fault> {
    let before = match known {
        true => record_before(tables, slot)?,
        false => None,
    };
    if !known {
        put_slot(tables, slot, None)?;
    }
    // It has no checksum, and may be another's.
    let found = tables.ids.get(slot.id.as_str())?.map(|row| row.value());
    if found != Some(slot.slot) {
        tables.ids.insert(slot.id.as_str(), slot.slot)?;
    }
    let trimmed_bytes = record.session.trimmed_bytes;
    // Of a session that is new here there is trimmed output only where an import brings it.
    if known || slot.rows.iter().any(|row| row.is_trimmed(trimmed_bytes)) {
        trim(tables, slot.slot, before.as_ref(), record)?;
    }
    projection::update(tables, slot.slot, before.as_ref(), record)
}

/// The record that the cold file has of a session; none where that is damaged: the one that comes
/// now is whole.
fn record_before(tables: &Tables<'_>, slot: &FoldedSlot) -> Result<Option<Record>, Fault> {
    match load_record(&tables.records, slot.slot, &slot.id) {
        Ok(record) => Ok(Some(record)),
        Err(Fault::Damage(damage)) => {
            tracing::error!(%damage, "a record is written anew");
            Ok(None)
        }
        Err(fault) => Err(fault),
    }
}

/// From now on no output before where it was trimmed to is read. What there is of it in segments
/// is taken out later, bit by bit.
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
        bytes: &row.bytes,
        output: None,
    }
}

fn forget(tables: &mut Tables<'_>, slot: u64, id: &SessionId) -> Result<(), Fault> {
    match load_record(&tables.records, slot, id) {
        Ok(record) => projection::forget(tables, slot, &record)?,
        Err(Fault::Damage(damage)) => {
            tracing::error!(%damage, "a deleted session may be found in lists");
            tables.live.remove(slot)?;
        }
        Err(fault) => return Err(fault),
    }
    if tables.ids.get(id.as_str())?.map(|row| row.value()) == Some(slot) {
        tables.ids.remove(id.as_str())?;
    }
    Ok(())
}
