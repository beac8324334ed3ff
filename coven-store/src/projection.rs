//! Projections: what follows from the log and is kept beside it, for finding things.

mod mend;
mod rebuild;

use coven_core::{Origin, Record};
use redb::TableHandle;

use crate::fault::Fault;
use crate::inspect::widths;
use crate::layout::{BY_CONVERSATION, BY_CREATED, GONE, IDS, LIVE, OUTPUT, RECORDS, SLOTS, Tables};
use crate::raw::{Snapshot, Widths};
use crate::read::record_place;
use crate::stored::{RecordRow, sealed};

pub(crate) use mend::{kept_beside_damage, mend};
pub(crate) use rebuild::{fold_rows, fold_session, rebuild};

/// The names of all that can be made anew from the other tables, and how wide their keys and values are: the
/// indexes of ids, from the slots, and the projections, from them and the events.
pub(crate) fn tables() -> [(&'static str, Widths); 7] {
    [
        (IDS.name(), widths(&IDS)),
        (GONE.name(), widths(&GONE)),
        (RECORDS.name(), widths(&RECORDS)),
        (BY_CREATED.name(), widths(&BY_CREATED)),
        (BY_CONVERSATION.name(), widths(&BY_CONVERSATION)),
        (LIVE.name(), widths(&LIVE)),
        (OUTPUT.name(), widths(&OUTPUT)),
    ]
}

/// Those of them that can be made anew of this file: ids only of slots that are whole.
pub(crate) fn that_can_be_made(file: &Snapshot) -> Vec<(&'static str, Widths)> {
    let slots = file.first_bad_page(|table| table == SLOTS.name());
    let of_slots = [IDS.name(), GONE.name()];
    let can_be_made = |name: &str| slots.is_none() || !of_slots.contains(&name);
    let all = tables().into_iter();
    all.filter(|(name, _)| can_be_made(name)).collect()
}

/// Brings the projections of one session from `before` to `after`.
pub(crate) fn update(
    tables: &mut Tables<'_>,
    slot: u64,
    before: Option<&Record>,
    after: &Record,
) -> Result<(), Fault> {
    let row = record_row(slot, after);
    tables.records.insert(slot, row.as_slice())?;
    let archived = after.session.archived;
    if before.is_none_or(|before| before.session.archived != archived) {
        tables
            .by_created
            .insert(created_key(after), (slot, archived))?;
    }
    if before.is_none()
        && let Some((harness, conversation)) = conversation_key(after)
    {
        tables
            .by_conversation
            .insert((harness, conversation, slot), ())?;
    }
    // Without a record before, there may be anything: that one may have been damaged.
    match (before.map(is_live), is_live(after)) {
        (Some(true), true) | (Some(false), false) => {}
        (_, true) => drop(tables.live.insert(slot, ())?),
        (_, false) => drop(tables.live.remove(slot)?),
    }
    Ok(())
}

/// Takes a session out of the projections.
pub(crate) fn forget(tables: &mut Tables<'_>, slot: u64, record: &Record) -> Result<(), Fault> {
    tables.records.remove(slot)?;
    tables.by_created.remove(created_key(record))?;
    if let Some((harness, conversation)) = conversation_key(record) {
        tables
            .by_conversation
            .remove((harness, conversation, slot))?;
    }
    tables.live.remove(slot)?;
    Ok(())
}

/// A record as it is kept.
pub(crate) fn record_row(slot: u64, record: &Record) -> Vec<u8> {
    let place = record_place(slot, &record.session.id);
    sealed::seal(&RecordRow::from(record), &place)
}

pub(crate) fn created_key(record: &Record) -> (i64, &str) {
    (record.created_at.as_nanos(), record.session.id.as_str())
}

pub(crate) fn conversation_key(record: &Record) -> Option<(&str, &str)> {
    match &record.session.origin {
        Origin::Launched {
            conversation_id, ..
        } => conversation_id
            .as_ref()
            .map(|id| (record.session.harness.as_str(), id.as_str())),
        Origin::External { .. } => None,
    }
}

/// Whether a restart must look at a session.
pub(crate) fn is_live(record: &Record) -> bool {
    !record.session.phase.has_ended() && !record.session.is_external()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file::OsDisk;
    use crate::raw::{RawFile, overwrite_first_page};
    use crate::test_support::{Home, running};

    #[tokio::test]
    async fn indexes_of_ids_are_not_made_anew_of_slots_that_are_damaged() {
        let home = Home::new();
        let store = home.open();
        running(&store, "a").await;
        store.close().await;
        let can_be_made = || {
            let file = RawFile::open(&OsDisk, &home.path()).expect("it is closed");
            let found = that_can_be_made(&Snapshot::at_last(file)).into_iter();
            found.map(|(name, _)| name).collect::<Vec<_>>()
        };
        let all = tables().map(|(name, _)| name);
        assert_eq!(can_be_made(), all);
        overwrite_first_page(&home.path(), "records");
        assert_eq!(can_be_made(), all);
        overwrite_first_page(&home.path(), "slots");
        let others = all.into_iter().filter(|it| !["ids", "gone"].contains(it));
        assert_eq!(can_be_made(), others.collect::<Vec<_>>());
    }
}
