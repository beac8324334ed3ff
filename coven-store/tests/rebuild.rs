//! Projections: rebuilt from the events they are the same, to the byte.

mod support;

use coven_core::{Event, Title};
use coven_store::Store;
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};
use support::*;

const RECORDS: TableDefinition<u64, &[u8]> = TableDefinition::new("records");
const BY_CREATED: TableDefinition<(i64, &str), (u64, bool)> = TableDefinition::new("by_created");
const BY_CONVERSATION: TableDefinition<(&str, &str, u64), ()> =
    TableDefinition::new("by_conversation");
const LIVE: TableDefinition<u64, ()> = TableDefinition::new("live");
const OUTPUT: TableDefinition<(u64, u64), u64> = TableDefinition::new("output");

/// Every row of every projection, in order.
fn projections(home: &Home) -> Vec<String> {
    let db = Database::open(home.path()).expect("it is closed");
    let txn = db.begin_read().expect("a transaction");
    let mut found = Vec::new();
    macro_rules! rows {
        ($table:expr) => {
            let table = txn.open_table($table).expect("a table");
            for row in table.iter().expect("rows") {
                let (key, value) = row.expect("a row");
                found.push(format!("{:?} = {:?}", key.value(), value.value()));
            }
        };
    }
    rows!(RECORDS);
    rows!(BY_CREATED);
    rows!(BY_CONVERSATION);
    rows!(LIVE);
    rows!(OUTPUT);
    found
}

/// Bytes of one output: several segments' worth in all.
const LEN: u64 = 20_000;

/// Lives of every kind, in batches of every size, one of them deleted.
async fn live(store: &Store) {
    let launch = Event::Created {
        launch: Box::new(launch_in_conversation("talk")),
        boot_id: None,
    };
    append(store, "a", vec![launch, started()])
        .await
        .expect("new");
    running(store, "b").await;
    for offset in 0..20 {
        for session in ["a", "b"] {
            let output = output(LEN * offset, noise(offset, 20_000));
            let events = [output, Event::KillRequested];
            let events = events[..if offset == 19 { 2 } else { 1 }].to_vec();
            append(store, session, events).await.expect("it follows");
        }
    }
    append(
        store,
        "a",
        vec![
            output(20 * LEN, "x"),
            output_closed(),
            exited(0),
            Event::Archived,
        ],
    )
    .await
    .expect("it follows");
    let title = Title::parse("Another").expect("a title");
    append(store, "a", vec![Event::Titled { title }])
        .await
        .expect("it follows");
    append(store, "far", vec![registered("far")])
        .await
        .expect("new");
    ended(store, "gone").await;
    append(store, "gone", vec![Event::Deleted])
        .await
        .expect("it follows");
}

#[tokio::test]
async fn rebuilt_projections_are_the_same_to_the_byte() {
    let home = Home::new();
    let store = home.open();
    live(&store).await;
    assert_eq!(store.verify().expect("a read").problems, Vec::new());
    store.close().await;
    let before = projections(&home);
    assert!(before.len() > 10, "{}", before.len());

    let store = home.open();
    store
        .rebuild_projections()
        .await
        .expect("it can be rebuilt");
    let next = append(&store, "b", vec![output_closed()]).await;
    next.expect("the writer goes on from what was rebuilt");
    store.close().await;
    let store = home.open();
    let record = store.record(&id("b")).expect("a read").expect("a record");
    assert_eq!(record.session.output_bytes, 20 * LEN);
    store.close().await;

    // The same without the further event.
    let again = Home::new();
    let store = again.open();
    live(&store).await;
    store
        .rebuild_projections()
        .await
        .expect("it can be rebuilt");
    store.close().await;
    assert_eq!(projections(&again), before);
}

#[tokio::test]
async fn what_does_not_follow_from_the_events_is_found_and_mended() {
    let home = Home::new();
    let store = home.open();
    live(&store).await;
    store.close().await;
    let whole = projections(&home);
    let db = Database::open(home.path()).expect("it is closed");
    let txn = db.begin_write().expect("a transaction");
    {
        let mut records = txn.open_table(RECORDS).expect("a table");
        let other = records
            .get(2)
            .expect("a read")
            .expect("a row")
            .value()
            .to_vec();
        records.insert(1, other.as_slice()).expect("a row");
        let mut listed = txn.open_table(BY_CREATED).expect("a table");
        listed.insert((0, "nobody"), (9, false)).expect("a row");
        txn.open_table(LIVE)
            .expect("a table")
            .remove(2)
            .expect("a row");
        let mut talks = txn.open_table(BY_CONVERSATION).expect("a table");
        talks.remove(("codex", "talk", 1)).expect("a row");
        let mut output = txn.open_table(OUTPUT).expect("a table");
        output.insert((1, 7), 3).expect("a row");
        output.remove((2, 0)).expect("a row");
    }
    txn.commit().expect("a commit");
    drop(db);

    let store = home.open();
    let problems = store.verify().expect("a read").problems;
    assert!(problems.len() >= 6, "{problems:#?}");
    store
        .rebuild_projections()
        .await
        .expect("it can be rebuilt");
    assert_eq!(store.verify().expect("a read").problems, Vec::new());
    store.close().await;
    assert_eq!(projections(&home), whole);
}
