//! Bits turn in a group of the journal that is folded, and is only to be taken out: nobody needs it.

#[path = "support/damage.rs"]
mod damage;
mod support;

use std::path::Path;
use std::time::Duration;

use coven_store::{Import, NewEvent, Options, Store, glance};
use damage::{Log, OPTIONS, PAGE_BYTES, spoil};
use redb::{Database, TableDefinition};
use support::*;

/// How the group begins that the first append to a log makes of two events.
const HEAD: [u8; 17] = [2, 2, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0];

#[tokio::test]
async fn what_is_folded_already_keeps_nobody_from_writing_nor_from_opening() {
    // Of the version, the last seq and the last slot.
    for (byte, goes_on) in [(0, true), (0, false), (1, true), (1, false), (9, false)] {
        let log = Log::empty();
        let options = Options {
            journal_cache_bytes: 0,
            ..OPTIONS
        };
        let store = Store::open(&log.path(), options).expect("it opens");
        running(&store, "a").await;
        let mut places = places_of(&HEAD, &log.journal());
        // The first page counts, too.
        places.retain(|at| *at >= PAGE_BYTES);
        assert!(!places.is_empty());
        for at in places {
            // One bit alone would be turned back.
            spoil(&log.journal(), (at + byte) * 8 + 2);
        }
        // It is folded out of memory.
        assert_eq!(store.verify().expect("a read").problems, Vec::new());
        if goes_on {
            let appended = append(&store, "a", vec![output(0, "on")]);
            let appended = tokio::time::timeout(Duration::from_secs(10), appended).await;
            appended.expect("in time").expect("it is written");
        }
        store.close().await;
        assert_eq!(glance(&log.path()).map_err(|it| it.to_string()), Ok(()));
        let store = Store::open(&log.path(), OPTIONS).expect("it opens again");
        let events = if goes_on { 3 } else { 2 };
        assert_eq!(events_of(&store, "a").len(), events, "byte {byte}");
    }
}

/// Has the journal of a log that nobody has open end with a group that cannot be read.
fn end_with_what_cannot_be_read(journal: &Path, position: u64) {
    let db = Database::open(journal).expect("a database");
    let txn = db.begin_write().expect("a transaction");
    let table = TableDefinition::<(u64, u32), &[u8]>::new("journal");
    let mut table = txn.open_table(table).expect("a table");
    table
        .insert((position, 0), [9; 40].as_slice())
        .expect("an insert");
    drop(table);
    txn.commit().expect("a commit");
}

#[tokio::test]
async fn a_journal_whose_last_group_is_folded_and_cannot_be_read_is_opened() {
    for is_imported in [false, true] {
        let log = Log::empty();
        let store = log.open();
        running(&store, "a").await;
        store.close().await;
        end_with_what_cannot_be_read(&log.journal(), 1);
        if is_imported {
            let import = Import::begin(&log.path(), OPTIONS, id("b"));
            let mut import = import.expect("it begins");
            for event in [created(), started(), output_closed(), exited(0)] {
                let (at, actor) = (at(1), None);
                import
                    .push(&NewEvent { at, actor, event })
                    .expect("it follows");
            }
            import.commit().expect("it is imported");
        }
        assert_eq!(glance(&log.path()).map_err(|it| it.to_string()), Ok(()));
        let store = Store::open(&log.path(), OPTIONS).expect("it opens");
        append(&store, "a", vec![output(0, "on")])
            .await
            .expect("it is written");
        store.close().await;
        let store = log.open();
        assert_eq!(events_of(&store, "a").len(), 3);
        let imported = store.read(&id("b"), coven_core::Seq::ZERO, ALL);
        assert_eq!(
            imported.map_or(0, |it| it.len()),
            if is_imported { 4 } else { 0 }
        );
        assert_eq!(store.verify().expect("a read").problems, Vec::new());
    }
}

#[tokio::test]
async fn a_journal_whose_last_group_is_not_folded_and_cannot_be_read_is_refused() {
    let log = Log::empty();
    let store = log.open();
    running(&store, "a").await;
    store.close().await;
    end_with_what_cannot_be_read(&log.journal(), 2);
    assert!(glance(&log.path()).is_err());
    assert!(Store::open(&log.path(), OPTIONS).is_err());
}
