//! A log that was killed, of which a session with something in the journal is damaged in the cold file: that keeps
//! nobody from opening it.

#[path = "support/damage.rs"]
mod damage;
mod support;

use coven_store::{OpenError, Store};
use damage::*;
use redb::{Database, ReadableTable, TableDefinition, WriteTransaction};
use support::*;

/// The sessions `a` and `b` in the cold file, with an output of each in the journal alone, and what is changed.
async fn killed(change: impl FnOnce(&WriteTransaction)) -> Log {
    let log = Log::empty();
    let store = log.open();
    running(&store, "a").await;
    running(&store, "b").await;
    store.close().await;
    let store = log.open();
    for session in ["a", "b"] {
        append(&store, session, vec![output(0, "said")])
            .await
            .expect("it runs");
    }
    let killed = log.copy();
    store.close().await;
    let db = Database::open(killed.path()).expect("nobody has it open");
    let txn = db.begin_write().expect("a transaction");
    change(&txn);
    txn.commit().expect("a commit");
    drop(db);
    killed
}

/// A log that is not there.
#[tokio::test]
async fn a_record_that_is_damaged_is_made_anew_from_the_events_of_its_session() {
    const RECORDS: TableDefinition<u64, &[u8]> = TableDefinition::new("records");
    let log = killed(|txn| {
        let mut records = txn.open_table(RECORDS).expect("a table");
        let mut row = records
            .get(1)
            .expect("a read")
            .expect("a row")
            .value()
            .to_vec();
        row[5] ^= 1;
        records.insert(1, row.as_slice()).expect("a row");
    })
    .await;
    let store = log.open();
    for session in ["a", "b"] {
        assert_eq!(events_of(&store, session).len(), 3);
        let record = store.record(&id(session)).expect("a read");
        assert_eq!(record.expect("it is there").session.output_bytes, 4);
    }
    assert_eq!(store.verify().expect("a read").problems, []);
}

#[tokio::test]
async fn a_row_of_the_index_of_ids_that_is_damaged_concerns_its_session_alone() {
    const IDS: TableDefinition<&str, u64> = TableDefinition::new("ids");
    let log = killed(|txn| {
        let mut ids = txn.open_table(IDS).expect("a table");
        ids.insert("a", 5).expect("a row");
    })
    .await;
    let store = log.open();
    assert_eq!(events_of(&store, "b").len(), 3);
    append(&store, "b", vec![output(4, "more")])
        .await
        .expect("it runs");
    // What is in the journal says whose it is.
    append(&store, "a", vec![output(4, "more")])
        .await
        .expect("it runs");
}

#[tokio::test]
async fn where_it_cannot_be_opened_for_what_is_damaged_in_the_cold_file_that_is_the_file_which_is_named()
 {
    let log = killed(|_| {}).await;
    let is_led_by = |at: &u64| {
        let copy = log.copy();
        flip(&copy.path(), at * 8 + 16);
        let hit = tables_hit(&copy);
        hit.contains("ids") || hit.contains("slots")
    };
    let pages = (PAGE_BYTES..len(&log.path())).step_by(PAGE_BYTES as usize);
    let roots: Vec<u64> = pages.filter(is_led_by).collect();
    assert_eq!(roots.len(), 2);
    // Whose what is in the journal is cannot be told then.
    for at in roots {
        put(&log.path(), at + 2, &[0x7f, 0x7f]);
    }
    let path = log.path();
    match Store::open(&path, OPTIONS).map(drop) {
        Err(OpenError::Damaged { path: told, .. }) => assert_eq!(told, path),
        opened => panic!("{opened:?}"),
    }
}
