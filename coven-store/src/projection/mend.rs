//! Making those projections anew of which pages are damaged.

use std::collections::BTreeSet;

use coven_core::{Record, SessionId};
use redb::{TableHandle, WriteTransaction};

use super::rebuild::{fold_session, index_output, living_slots};
use super::update;
use crate::fault::Fault;
use crate::layout::{BY_CONVERSATION, BY_CREATED, LIVE, OUTPUT, RECORDS, Tables};
use crate::read::{load_record, session_of_slot, unless_damaged};

/// Drops the projections named in `spoilt` and makes them anew. A session whose own events or record are
/// damaged is left out, so that the others can be found.
pub(crate) fn mend(txn: &WriteTransaction, spoilt: &BTreeSet<&str>) -> Result<(), Fault> {
    drop_table(txn, RECORDS, spoilt)?;
    drop_table(txn, BY_CREATED, spoilt)?;
    drop_table(txn, BY_CONVERSATION, spoilt)?;
    drop_table(txn, LIVE, spoilt)?;
    drop_table(txn, OUTPUT, spoilt)?;
    let mut tables = Tables::open(txn)?;
    for slot in living_slots(&tables.ids)? {
        let Some(id) = unless_damaged(session_of_slot(&tables.slots, slot))? else {
            continue;
        };
        if let Some(record) = unless_damaged(record(&tables, slot, &id, spoilt))? {
            update(&mut tables, slot, None, &record)?;
            if spoilt.contains(OUTPUT.name()) {
                unless_damaged(index_output(&mut tables, slot, &record))?;
            }
        }
    }
    Ok(())
}

fn drop_table(
    txn: &WriteTransaction,
    table: impl TableHandle,
    spoilt: &BTreeSet<&str>,
) -> Result<(), Fault> {
    if spoilt.contains(table.name()) {
        txn.delete_table(table)?;
    }
    Ok(())
}

/// A session's record: as it is kept, unless all of them are made anew.
fn record(
    tables: &Tables<'_>,
    slot: u64,
    id: &SessionId,
    spoilt: &BTreeSet<&str>,
) -> Result<Record, Fault> {
    match spoilt.contains(RECORDS.name()) {
        true => fold_session(&tables.segments, slot, id),
        false => load_record(&tables.records, slot, id),
    }
}
