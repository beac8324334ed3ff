//! The sessions that a restart must look at.
//!
//! Their list is a plain index, and who is not in it would be forgotten without a word. So it is held against
//! the records, which have checksums, and against the number of rows that the table has beside them: a key with
//! a bit that turned is that of a session that does not live, or is there twice, and a page that lost rows has
//! fewer. Then all records are looked at.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use coven_core::Record;
use redb::{ReadOnlyTable, ReadTransaction, ReadableTable, ReadableTableMetadata};

use super::record::{load_record, record_of_row, session_of_slot, unless_damaged};
use crate::database::guarded;
use crate::error::Damage;
use crate::fault::{Fault, damage};
use crate::layout::{LIVE, RECORDS, SLOTS};
use crate::projection::is_live;

/// The records of launched sessions that have not ended, oldest slot first, less damaged ones.
pub(crate) fn live(
    txn: &ReadTransaction,
    tail: &HashMap<u64, Option<Arc<Record>>>,
) -> Result<Vec<Record>, Fault> {
    let mut live = BTreeMap::new();
    if let Some(damage) = damage_of(|| Looking::open(txn, &mut live)?.take_listed(txn))? {
        tracing::error!(%damage, "the list of live sessions is damaged, and all records are looked at");
        if let Some(damage) = damage_of(|| Looking::open(txn, &mut live)?.take_all())? {
            tracing::error!(%damage, "not all records can be looked at");
        }
    }
    for (&slot, record) in tail {
        match record.as_deref().filter(|record| is_live(record)) {
            Some(record) => live.insert(slot, record.clone()),
            None => live.remove(&slot),
        };
    }
    Ok(live.into_values().collect())
}

/// The damage that `work` meets.
fn damage_of(work: impl FnOnce() -> Result<(), Fault>) -> Result<Option<Damage>, Fault> {
    match guarded(work) {
        Ok(()) => Ok(None),
        Err(Fault::Damage(damage)) => Ok(Some(damage)),
        Err(fault) => Err(fault),
    }
}

struct Looking<'a> {
    slots: ReadOnlyTable<u64, &'static [u8]>,
    records: ReadOnlyTable<u64, &'static [u8]>,
    live: &'a mut BTreeMap<u64, Record>,
}

impl<'a> Looking<'a> {
    fn open(txn: &ReadTransaction, live: &'a mut BTreeMap<u64, Record>) -> Result<Self, Fault> {
        Ok(Self {
            slots: txn.open_table(SLOTS)?,
            records: txn.open_table(RECORDS)?,
            live,
        })
    }

    /// Takes those that the list has. It is damaged where those are not as many as it has rows.
    fn take_listed(&mut self, txn: &ReadTransaction) -> Result<(), Fault> {
        let list = txn.open_table(LIVE)?;
        for row in list.iter()? {
            let slot = row?.0.value();
            let record = guarded(|| {
                let id = session_of_slot(&self.slots, slot)?;
                load_record(&self.records, slot, &id)
            });
            let record = unless_damaged(record)?.filter(is_live);
            self.live.extend(record.map(|record| (slot, record)));
        }
        let (found, rows) = (self.live.len() as u64, list.len()?);
        if found == rows {
            return Ok(());
        }
        let problem = format!("of its {rows} rows {found} are of sessions that are live and whole");
        Err(damage(problem))
    }

    /// Takes those that their records say are live.
    fn take_all(&mut self) -> Result<(), Fault> {
        for row in self.records.iter()? {
            let (slot, bytes) = row?;
            let slot = slot.value();
            let record = guarded(|| {
                let id = session_of_slot(&self.slots, slot)?;
                Ok(record_of_row(slot, &id, bytes.value())?)
            });
            let record = unless_damaged(record)?.filter(is_live);
            self.live.extend(record.map(|record| (slot, record)));
        }
        Ok(())
    }
}
