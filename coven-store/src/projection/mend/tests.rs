use redb::{Database, ReadableDatabase, ReadableTable};

use super::*;
use crate::database::guarded_read;
use crate::file::{OsDisk, open_cold};
use crate::raw::overwrite_leaf;
use crate::test_support::{Home, append, noise, output, running};

/// Four sessions with output, each with a leaf of segments for itself; closed.
async fn four_sessions() -> Home {
    let home = Home::new();
    let store = home.open();
    for (number, session) in (0..).zip(["a", "b", "c", "d"]) {
        running(&store, session).await;
        let said = append(&store, session, vec![output(0, noise(number, 3000))]);
        said.await.expect("it runs");
        store.fold();
    }
    store.close().await;
    home
}

/// The sessions that have a record, and the slots whose output is found, once these tables are made anew.
fn mended(home: &Home, spoilt: &[&str]) -> (Vec<String>, Vec<u64>) {
    let spoilt = spoilt.iter().copied().collect();
    let opened = open_cold(&OsDisk, &home.path(), 1 << 20).expect("it opens");
    let txn = opened.db.begin_read().expect("a transaction");
    let kept = guarded_read(|| kept_beside_damage(&txn, &spoilt)).expect("it is read");
    drop(txn);
    let txn = opened.db.begin_write().expect("a transaction");
    guarded(|| mend(&txn, &spoilt, &kept)).expect("it can be made anew");
    let tables = Tables::open(&txn).expect("tables");
    let rows = tables.records.iter().expect("rows");
    let slots = rows.map(|row| row.expect("a row").0.value());
    let record = |slot| {
        let id = session_of_slot(&tables.slots, slot).expect("it is whole");
        let record = load_record(&tables.records, slot, &id).expect("it is whole");
        record.session.id.to_string()
    };
    let records = slots.map(record).collect();
    let outputs = tables.output.iter().expect("rows");
    let outputs = outputs.map(|row| row.expect("a row").0.value().0).collect();
    (records, outputs)
}

const ALL: [&str; 4] = ["a", "b", "c", "d"];

#[tokio::test]
async fn who_has_events_that_cannot_be_read_keeps_the_record_that_there_is() {
    let home = four_sessions().await;
    let db = Database::open(home.path()).expect("it is closed");
    let txn = db.begin_write().expect("a transaction");
    let mut segments = txn.open_table(SEGMENTS).expect("a table");
    let rows = segments.range((2, 0)..(3, 0)).expect("rows");
    let places: Vec<_> = rows.map(|row| row.expect("a row").0.value()).collect();
    for place in places {
        let damaged = b"damaged".as_slice();
        segments.insert(place, damaged).expect("a row");
    }
    drop(segments);
    txn.commit().expect("a commit");
    drop(db);
    let (records, _) = mended(&home, &["records"]);
    assert_eq!(records, ALL);
    assert_eq!(mended(&home, &["output"]), (records, vec![1, 3, 4]));
}

#[tokio::test]
async fn output_of_whoever_does_not_come_to_a_page_that_cannot_be_read_is_found_again_beside_it() {
    let home = four_sessions().await;
    assert_eq!(mended(&home, &["output"]).1, [1, 2, 3, 4]);
    // That of the third; whoever looks where the second ends comes to it, too.
    overwrite_leaf(&home.path(), "segments", 2);
    for spoilt in [&["output"][..], &["records", "output"]] {
        let (records, outputs) = mended(&home, spoilt);
        assert_eq!(records, ALL, "{spoilt:?}");
        assert_eq!(outputs, [1, 4], "{spoilt:?}");
    }
}
