//! Stored bytes that mean nothing: a clear error that says where, and nobody else is concerned.

mod support;

use coven_core::{Envelope, Seq};
use coven_store::{AppendError, Archived, Page, ReadError, ReadLimit, Store};
use redb::{Database, ReadableTable, TableDefinition};
use support::*;

const SEGMENTS: TableDefinition<(u64, u64), &[u8]> = TableDefinition::new("segments");
const RECORDS: TableDefinition<u64, &[u8]> = TableDefinition::new("records");
const SLOTS: TableDefinition<u64, &[u8]> = TableDefinition::new("slots");
const ORDER: TableDefinition<u64, &[u8]> = TableDefinition::new("order");

const NEWEST: Page = Page {
    before: None,
    limit: 10,
    archived: Archived::Included,
};

/// A log of two sessions, in slots 1 and 2, closed.
async fn two_sessions() -> Home {
    let home = Home::new();
    let store = home.open();
    running(&store, "a").await;
    running(&store, "b").await;
    store.close().await;
    home
}

fn change(home: &Home, work: impl FnOnce(&redb::WriteTransaction)) {
    let db = Database::open(home.path()).expect("it is closed");
    let txn = db.begin_write().expect("a transaction");
    work(&txn);
    txn.commit().expect("a commit");
}

/// Puts `bytes` in the place of the events of session a, which are the first there are.
fn put_segment(txn: &redb::WriteTransaction, bytes: &[u8]) {
    let mut segments = txn.open_table(SEGMENTS).expect("a table");
    segments.insert((1, 1), bytes).expect("a row");
}

/// Values that a table really has, and values like them: cut, longer, with bits turned, or noise.
fn rows(table: &str) -> Vec<Vec<u8>> {
    let golden = include_str!("format/v3.txt");
    let valid: Vec<Vec<u8>> = golden
        .lines()
        .filter(|line| line.split(' ').next() == Some(table))
        .map(|line| {
            let hex = line.split_once(" = ").expect("a row").1;
            let bytes = (0..hex.len()).step_by(2);
            bytes
                .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex"))
                .collect()
        })
        .collect();
    let mut rows = Vec::new();
    for (seed, row) in valid.iter().enumerate() {
        for (turn, aim) in noise(seed as u64, 60).chunks_exact(2).enumerate() {
            let at = usize::from(aim[0]) % row.len();
            let mut bad = row.clone();
            match turn % 4 {
                0 => bad.truncate(at),
                1 => bad.push(aim[1]),
                2 => bad[at] ^= 1 << (aim[1] % 8),
                _ => bad[at] = 0xff,
            }
            rows.push(bad);
        }
        // Of this version, and noise from there on.
        rows.push([&[1], noise(seed as u64, seed).as_slice()].concat());
    }
    // A length that nothing could have.
    rows.push(vec![
        1, 0, 0, 5, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1,
    ]);
    rows
}

#[tokio::test]
async fn whatever_bytes_a_segment_has_reading_it_says_where_it_is_wrong() {
    let home = two_sessions().await;
    // Each takes an opening of the log: some of them must do.
    for bytes in rows("segments").into_iter().step_by(11) {
        change(&home, |txn| put_segment(txn, &bytes));
        let store = home.open();
        let read = store.read(&id("a"), Seq::ZERO, ReadLimit::default());
        let Err(ReadError::Damaged(damage)) = read else {
            panic!("{bytes:02x?}: {read:?}");
        };
        let told = damage.to_string();
        assert!(told.contains("session a, event 1:"), "{told}");
        assert_eq!(events_of(&store, "b").len(), 2, "others are not concerned");
        let problems = store.verify().expect("a read").problems;
        assert!(
            problems
                .iter()
                .any(|it| it.to_string().contains("session a")),
            "{problems:?}"
        );
        store.close().await;
    }
}

#[tokio::test]
async fn what_comes_after_a_damaged_segment_is_whole() {
    let home = two_sessions().await;
    change(&home, |txn| put_segment(txn, b"\x01nonsense"));
    let store = home.open();
    let more = append(&store, "a", vec![output(0, "x")]).await;
    more.expect("it follows");
    store.close().await;
    let store = home.open();
    let read = store.read(&id("a"), Seq::new(4), ReadLimit::default());
    assert_eq!(read.expect("it is whole").len(), 1);
    let read = store.read(&id("a"), Seq::ZERO, ReadLimit::default());
    assert!(matches!(read, Err(ReadError::Damaged(_))), "{read:?}");
}

#[tokio::test]
async fn whatever_bytes_a_record_has_only_its_session_is_concerned() {
    let home = two_sessions().await;
    // Each takes an opening of the log: some of them must do.
    for row in rows("records").into_iter().skip(7).step_by(31) {
        change(&home, |txn| {
            let mut records = txn.open_table(RECORDS).expect("a table");
            records.insert(1, row.as_slice()).expect("a row");
        });
        let store = home.open();
        let record = store.record(&id("a"));
        let append_to_it = append(&store, "a", vec![output(0, "x")]).await;
        if let Err(ReadError::Damaged(damage)) = &record {
            assert_eq!(damage.session, Some(id("a")));
            assert_eq!(append_to_it, Err(AppendError::Damaged(damage.clone())));
        } else {
            record.expect("it is right, or damaged");
        }
        assert!(store.record(&id("b")).expect("a read").is_some());
        store.close().await;
    }
}

async fn with_damaged_record() -> (Home, Store) {
    let home = two_sessions().await;
    change(&home, |txn| {
        let mut records = txn.open_table(RECORDS).expect("a table");
        records
            .insert(1, b"\x01not a record".as_slice())
            .expect("a row");
    });
    let store = home.open();
    (home, store)
}

#[tokio::test]
async fn a_batch_for_a_damaged_session_does_not_hold_up_the_others() {
    let (_home, store) = with_damaged_record().await;
    let (damaged, whole) = tokio::join!(
        append(&store, "a", vec![output(0, "x")]),
        append(&store, "b", vec![output(0, "x")])
    );
    assert!(
        matches!(damaged, Err(AppendError::Damaged(_))),
        "{damaged:?}"
    );
    whole.expect("it is not damaged");
}

#[tokio::test]
async fn a_damaged_record_hides_no_other_from_lists_nor_from_a_restart() {
    let (_home, store) = with_damaged_record().await;
    let listing = store.list(&NEWEST).expect("a read");
    assert_eq!(listing.damaged, 1, "it is told how many are left out");
    let seen = [listing.records, store.live().expect("a read")];
    for records in seen {
        let ids: Vec<_> = records.iter().map(|it| it.session.id.clone()).collect();
        assert_eq!(ids, [id("b")]);
    }
    let record = store.record(&id("a")).expect("its events are whole");
    assert!(record.is_some_and(|record| record.session.id == id("a")));
}

#[tokio::test]
async fn a_damaged_record_is_made_anew_from_its_events() {
    let (_home, store) = with_damaged_record().await;
    assert_eq!(store.list(&NEWEST).expect("a read").records.len(), 1);
    store
        .rebuild_projections()
        .await
        .expect("its events are whole");
    assert_eq!(store.list(&NEWEST).expect("a read").records.len(), 2);
    append(&store, "a", vec![output(0, "x")])
        .await
        .expect("it follows");
}

#[tokio::test]
async fn a_log_whose_events_are_damaged_is_not_rebuilt_and_stays_as_it_is() {
    let home = two_sessions().await;
    change(&home, |txn| put_segment(txn, b"\x01nonsense"));
    let store = home.open();
    let record = store.record(&id("a")).expect("a read");
    let rebuilt = store.rebuild_projections().await;
    assert!(
        matches!(rebuilt, Err(AppendError::Damaged(_))),
        "{rebuilt:?}"
    );
    assert_eq!(store.record(&id("a")), Ok(record));
    append(&store, "b", vec![output(0, "x")])
        .await
        .expect("it goes on");
}

/// All that a follower of everything is told: events, and the places that it is told of instead.
fn follow(store: &Store) -> (Vec<Envelope>, Vec<(Seq, Seq)>) {
    let (mut events, mut lost) = (Vec::new(), Vec::new());
    let mut after = Seq::ZERO;
    loop {
        let page = store
            .page_of_all(after, ReadLimit::default())
            .expect("it gets on");
        if page.end == after {
            return (events, lost);
        }
        after = page.end;
        events.extend(page.events);
        lost.extend(page.lost.iter().map(|lost| (lost.first, lost.last)));
    }
}

#[tokio::test]
async fn a_damaged_row_of_any_table_stops_neither_a_restart_nor_the_feed_of_all() {
    for table in ["slots", "records", "segments", "order"] {
        let home = two_sessions().await;
        change(&home, |txn| match table {
            "segments" => put_segment(txn, b"\x01nonsense"),
            "slots" | "records" => {
                let name = if table == "slots" { SLOTS } else { RECORDS };
                let mut rows = txn.open_table(name).expect("a table");
                rows.insert(1, b"\x01nonsense".as_slice()).expect("a row");
            }
            _ => {
                let mut rows = txn.open_table(ORDER).expect("a table");
                rows.insert(1, b"\x01nonsense".as_slice()).expect("a row");
            }
        });
        let store = home.open();
        store.live().expect("a restart looks there");
        store.list(&NEWEST).expect("a read");
        append(&store, "b", vec![output(0, "x")])
            .await
            .expect("it goes on");
        let (events, lost) = follow(&store);
        let last = events.last().expect("the last event");
        assert_eq!(last.session, id("b"), "{table}");
        let expected = match table {
            "records" => vec![],
            "order" => vec![(Seq::new(1), Seq::new(4))],
            _ => vec![(Seq::new(1), Seq::new(2))],
        };
        assert_eq!(lost, expected, "{table}");
        if let Some(&(first, _)) = lost.first() {
            let read = store.read_all(Seq::new(first.get() - 1), ReadLimit::default());
            assert!(matches!(read, Err(ReadError::Damaged(_))), "{read:?}");
        }
    }
}

#[tokio::test]
async fn damage_of_a_slot_says_which() {
    let home = two_sessions().await;
    change(&home, |txn| {
        let mut slots = txn.open_table(SLOTS).expect("a table");
        slots.insert(2, b"\x01nonsense".as_slice()).expect("a row");
    });
    let store = home.open();
    let page = store
        .page_of_all(Seq::ZERO, ReadLimit::default())
        .expect("a read");
    let told = page.lost[0].damage.to_string();
    assert!(told.contains("slot 2 "), "{told}");
}

/// A session of several segments, whose segment with the number `gone` has been hidden by its key.
async fn with_hidden_segment(gone: usize) -> (Home, Seq) {
    let home = Home::new();
    let store = home.open();
    running(&store, "a").await;
    running(&store, "b").await;
    let mut offset = 0;
    for seed in 0..6 {
        let data = noise(seed, 200_000);
        append(&store, "a", vec![output(offset, data)])
            .await
            .expect("it follows");
        offset += 200_000;
    }
    store.close().await;
    let mut hidden = Seq::ZERO;
    change(&home, |txn| {
        let mut segments = txn.open_table(SEGMENTS).expect("a table");
        let keys: Vec<_> = segments
            .range((1, 0)..=(1, u64::MAX))
            .expect("a range")
            .map(|row| row.expect("a row").0.value())
            .collect();
        assert!(keys.len() > 3);
        let gone = keys[gone.min(keys.len() - 1)];
        let bytes = segments
            .remove(gone)
            .expect("a row")
            .map(|it| it.value().to_vec());
        hidden = Seq::new(gone.1);
        let bytes = bytes.expect("it was there");
        segments
            .insert((gone.0 | 1 << 40, gone.1), bytes.as_slice())
            .expect("a row");
    });
    (home, hidden)
}

#[tokio::test]
async fn events_that_a_damaged_key_hides_are_missed() {
    for gone in [0, 2, usize::MAX] {
        let (home, hidden) = with_hidden_segment(gone).await;
        let store = home.open();
        let all = ReadLimit {
            events: usize::MAX,
            bytes: usize::MAX,
        };
        let mut after = Seq::ZERO;
        let damage = loop {
            match store.read(&id("a"), after, all) {
                Ok(page) => after = page.last().expect("it is not the end").seq,
                Err(ReadError::Damaged(damage)) => break damage,
                Err(error) => panic!("{gone}: {error}"),
            }
        };
        assert_eq!(damage.session, Some(id("a")));
        let mut offset = 0;
        let read = loop {
            match store.output(&id("a"), offset, usize::MAX) {
                Ok(chunks) => {
                    let last = chunks.last().expect("it is not the end");
                    offset = last.offset + last.data.len() as u64;
                }
                Err(error) => break error,
            }
        };
        assert!(matches!(read, ReadError::Damaged(_)), "{gone}: {read:?}");
        let (_, lost) = follow(&store);
        let is_told = |(first, last): &(Seq, Seq)| (*first..=*last).contains(&hidden);
        assert!(lost.iter().any(is_told), "{gone}: {lost:?}");
        assert_eq!(events_of(&store, "b").len(), 2, "others are not concerned");
    }
}
