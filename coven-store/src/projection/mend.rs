//! Making those projections anew of which pages are damaged.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use coven_core::{Record, SessionId};
use redb::{ReadTransaction, TableHandle, WriteTransaction};

use super::rebuild::{fold_session, index_ids, index_output, living_slots, pass_over_output};
use super::update;
use crate::database::guarded;
use crate::fault::Fault;
use crate::layout::{
    BY_CONVERSATION, BY_CREATED, GONE, IDS, LIVE, OUTPUT, RECORDS, SEGMENTS, SLOTS, Tables,
};
use crate::read::{known_record, load_record, session_of_slot, unless_damaged};

/// What is kept of a session whose own events cannot be read.
pub(crate) struct Kept {
    /// Its record, if that can be read.
    record: Option<Record>,
    /// Its pages are read: no more than some of its segments are damaged.
    has_pages: bool,
}

/// Where records or the index of output are to be made anew: the sessions whose own events cannot be read, which theirs
/// cannot be made of, each with what is kept of it. Reads all events.
pub(crate) fn kept_beside_damage(
    txn: &ReadTransaction,
    spoilt: &BTreeSet<&str>,
) -> Result<BTreeMap<u64, Kept>, Fault> {
    let mut kept = BTreeMap::new();
    if !spoilt.contains(RECORDS.name()) && !spoilt.contains(OUTPUT.name()) {
        return Ok(kept);
    }
    let (slots, segments) = (txn.open_table(SLOTS)?, txn.open_table(SEGMENTS)?);
    for slot in living_slots(&slots)? {
        let Some(id) = unless_damaged(session_of_slot(&slots, slot))? else {
            continue;
        };
        let folded = guarded(|| fold_session(&segments, slot, &id));
        if unless_damaged(folded)?.is_none() {
            let record = unless_damaged(guarded(|| known_record(txn, slot, &id)))?;
            let kept_of_it = Kept {
                record: record.flatten(),
                has_pages: unless_damaged(guarded(|| pass_over_output(&segments, slot, &id)))?
                    .is_some(),
            };
            kept.insert(slot, kept_of_it);
        }
    }
    Ok(kept)
}

/// Drops the projections and indexes of ids named in `spoilt` and makes them anew. A session whose own events are damaged keeps the
/// record that was `kept` of it; one of which there is none is left out, so that the others can be found.
pub(crate) fn mend(
    txn: &WriteTransaction,
    spoilt: &BTreeSet<&str>,
    kept: &BTreeMap<u64, Kept>,
) -> Result<(), Fault> {
    // One of them alone would not be known from the other.
    let are_ids_spoilt = spoilt.contains(IDS.name()) || spoilt.contains(GONE.name());
    if are_ids_spoilt {
        txn.delete_table(IDS)?;
        txn.delete_table(GONE)?;
    }
    drop_table(txn, RECORDS, spoilt)?;
    drop_table(txn, BY_CREATED, spoilt)?;
    drop_table(txn, BY_CONVERSATION, spoilt)?;
    drop_table(txn, LIVE, spoilt)?;
    drop_table(txn, OUTPUT, spoilt)?;
    let mut tables = Tables::open(txn)?;
    if are_ids_spoilt {
        index_ids(&mut tables)?;
    }
    for slot in living_slots(&tables.slots)? {
        let Some(id) = unless_damaged(session_of_slot(&tables.slots, slot))? else {
            continue;
        };
        let record = match kept.get(&slot) {
            Some(kept) => kept.record.clone(),
            None => unless_damaged(record(&tables, slot, &id, spoilt))?,
        };
        if let Some(record) = record {
            update(&mut tables, slot, None, &record)?;
            let has_pages = kept.get(&slot).is_none_or(|kept| kept.has_pages);
            if spoilt.contains(OUTPUT.name()) && has_pages {
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
