use std::fs;
use std::time::{Duration, Instant};

use coven_core::{Event, Seq};
use redb::{Database, ReadableDatabase, ReadableTable, ReadableTableMetadata};

use super::some;
use crate::cold::ending::comes_to_an_end;
use crate::layout::{OUTPUT, RECORDS, SEGMENTS, TRIMMING};
use crate::raw::{orders, reorder};
use crate::test_support::*;
use crate::{Finding, Store};

/// Bytes of one output: a segment holds two.
const LEN: u64 = 120_000;

/// A running session that wrote so many outputs, with something typed between each two.
async fn talk(store: &Store, session: &str, outputs: u64) {
    running(store, session).await;
    for n in 0..outputs {
        let said = output(n * LEN, noise(n, 120_000));
        let appended = append(store, session, vec![said, resized()]).await;
        appended.expect("it runs");
    }
}

/// Rows that are left: (segments, output, trimming).
fn rows(store: &Store) -> (u64, u64, u64) {
    store
        .run(|txn| {
            Ok((
                txn.open_table(SEGMENTS)?.len()?,
                txn.open_table(OUTPUT)?.len()?,
                txn.open_table(TRIMMING)?.len()?,
            ))
        })
        .expect("a read")
}

/// Folds what there is, and waits until what was trimmed is out of the segments.
async fn wait_until_taken_out(store: &Store) {
    store.verify().expect("a read");
    until(|| rows(store).2 == 0).await;
}

/// Waits for what the folder is to come to by itself.
async fn until(is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !is_so() {
        assert!(Instant::now() < deadline, "it is still being taken out");
        tokio::task::yield_now().await;
    }
}

fn offsets(store: &Store, session: &str) -> Vec<u64> {
    let events = events_of(store, session).into_iter();
    let offsets = events.filter_map(|it| match it.event {
        Event::Output { offset, .. } => Some(offset),
        _ => None,
    });
    offsets.collect()
}

fn problems(store: &Store) -> Vec<Finding> {
    store.verify().expect("a read").problems
}

#[tokio::test]
async fn what_was_trimmed_is_taken_out_of_the_segments_and_nothing_else_is() {
    let home = Home::new();
    let store = home.open();
    talk(&store, "a", 50).await;
    store.verify().expect("a read");
    let before = rows(&store);
    let control = events_of(&store, "a").len() - 50;
    trim(&store, "a", 0, 47 * LEN).await;
    wait_until_taken_out(&store).await;
    let (segments, outputs, _) = rows(&store);
    // What was typed stays, in segments that are next to nothing.
    assert!(segments <= before.0 + 1, "{segments}");
    assert!(outputs <= 3 && outputs < before.1, "{outputs}");
    assert_eq!(offsets(&store, "a"), [47 * LEN, 48 * LEN, 49 * LEN]);
    let events = events_of(&store, "a");
    assert_eq!(events.len(), control + 3 + 1);
    assert_eq!(problems(&store), Vec::new());
    store.close().await;
    let db = Database::open(home.path()).expect("it is closed");
    let txn = db.begin_read().expect("a transaction");
    let segments = txn.open_table(SEGMENTS).expect("a table");
    let bytes = segments
        .iter()
        .expect("rows")
        .map(|row| row.expect("a row").1.value().len());
    let bytes: usize = bytes.sum();
    assert!(bytes < 4 * 120_000, "{bytes} bytes are left");
}

#[tokio::test]
async fn taking_out_goes_on_after_the_store_was_closed_in_the_middle() {
    let home = Home::new();
    let store = home.open();
    talk(&store, "a", 80).await;
    trim(&store, "a", 0, 79 * LEN).await;
    store.close().await;
    let store = home.open();
    wait_until_taken_out(&store).await;
    assert_eq!(rows(&store).1, 1);
    assert_eq!(offsets(&store, "a"), [79 * LEN]);
    assert_eq!(problems(&store), Vec::new());
}

/// Puts rows on the list of what is to be taken out, and something else in the place of a record.
fn damage(home: &Home, listed: &[(u64, u64)], record: u64) {
    let db = Database::open(home.path()).expect("it is closed");
    let txn = db.begin_write().expect("a transaction");
    {
        let mut trimming = txn.open_table(TRIMMING).expect("a table");
        for &(slot, offset) in listed {
            trimming.insert(slot, offset).expect("a row");
        }
        let mut records = txn.open_table(RECORDS).expect("a table");
        let damaged = b"damaged".as_slice();
        records.insert(record, damaged).expect("a row");
    }
    txn.commit().expect("a commit");
}

#[tokio::test]
async fn what_is_on_the_list_and_was_not_trimmed_is_neither_taken_out_nor_hidden() {
    let home = Home::new();
    let store = home.open();
    talk(&store, "a", 8).await;
    talk(&store, "b", 4).await;
    talk(&store, "unknown", 4).await;
    trim(&store, "a", 0, 2 * LEN).await;
    wait_until_taken_out(&store).await;
    let content = |store: &Store| {
        let of = |session| (events_of(store, session), all_output(store, session));
        let all = store.read_all(Seq::ZERO, ALL).expect("a read");
        (of("a"), of("b"), all.len())
    };
    let (before, (segments, outputs, _)) = (content(&store), rows(&store));
    store.close().await;
    // One further than it was trimmed, one that was not, one whose record is damaged, and nobody's.
    let listed = [(1, 5 * LEN), (2, 3 * LEN), (3, 0), (99, LEN)];
    damage(&home, &listed, 3);

    let store = home.open();
    assert!(content(&store) == before);
    // Whoever is answered twice was answered once after something was to be taken out.
    for _ in 0..2 {
        let problems = problems(&store);
        let of_the_list = problems.iter().filter(|it| it.table == Some("trimming"));
        assert_eq!(of_the_list.count(), 3, "{problems:?}");
    }
    assert_eq!(rows(&store), (segments, outputs, 4));
    assert!(content(&store) == before);
    // What is trimmed next is taken out all the same.
    trim(&store, "a", 2 * LEN, 4 * LEN).await;
    store.verify().expect("a read");
    until(|| rows(&store).2 == 3).await;
    assert_eq!(offsets(&store, "a")[0], 4 * LEN);
    assert!(events_of(&store, "b") == before.1.0);
}

#[tokio::test]
async fn trimming_comes_to_an_end_whatever_order_its_list_is_in() {
    let home = Home::new();
    let store = home.open();
    for session in ["a", "b", "c", "d"] {
        running(&store, session).await;
        let said = append(&store, session, vec![output(0, "said"), output(4, "more")]);
        said.await.expect("it runs");
        trim(&store, session, 0, 4).await;
    }
    wait_until_taken_out(&store).await;
    store.close().await;
    // It is to be seen once more that nothing of them is left.
    let db = Database::open(home.path()).expect("it is closed");
    let txn = db.begin_write().expect("a transaction");
    let mut trimming = txn.open_table(TRIMMING).expect("a table");
    for slot in 1..=4 {
        trimming.insert(slot, 4).expect("a row");
    }
    drop(trimming);
    txn.commit().expect("a commit");
    drop(db);
    let whole = fs::read(home.path()).expect("a file");
    for order in orders(4) {
        fs::write(home.path(), &whole).expect("a write");
        reorder(&home.path(), "trimming", &order);
        assert!(comes_to_an_end(&home.path(), some), "{order:?}");
    }
}

#[tokio::test]
async fn a_damaged_segment_keeps_no_other_from_being_trimmed() {
    let home = Home::new();
    let store = home.open();
    talk(&store, "a", 20).await;
    talk(&store, "b", 2).await;
    store.close().await;
    let db = Database::open(home.path()).expect("it is closed");
    let txn = db.begin_write().expect("a transaction");
    let place = {
        let outputs = txn.open_table(OUTPUT).expect("a table");
        let mut outputs = outputs.range((1, 1)..).expect("rows");
        let (key, first) = outputs.nth(2).expect("there are more").expect("a row");
        let place = (key.value().0, first.value());
        let mut segments = txn.open_table(SEGMENTS).expect("a table");
        segments
            .insert(place, b"damaged".as_slice())
            .expect("a row");
        place
    };
    txn.commit().expect("a commit");
    drop(db);

    let store = home.open();
    trim(&store, "a", 0, 18 * LEN).await;
    trim(&store, "b", 0, LEN).await;
    store.verify().expect("a read");
    let left = || {
        let read = store.run(|txn| {
            let trimmed = txn.open_table(OUTPUT)?;
            let trimmed = trimmed.range((1, 0)..(1, 18 * LEN))?;
            trimmed
                .map(|row| Ok((1, row?.1.value())))
                .collect::<Result<Vec<_>, _>>()
        });
        read.expect("a read")
    };
    until(|| left() == [place] && rows(&store).2 <= 1).await;
    // What is left of it can be read, and so can the other session.
    let chunks = store.output(&id("a"), 0, usize::MAX).expect("a read");
    assert_eq!(chunks.first().expect("there is more").offset, 18 * LEN);
    assert_eq!(offsets(&store, "b"), [LEN]);
    let appended = append(&store, "a", vec![output(20 * LEN, "more")]).await;
    appended.expect("it goes on");
    // A later trim is carried out all the same, as far as it can be.
    trim(&store, "a", 18 * LEN, 20 * LEN).await;
    store.verify().expect("a read");
    let left_of_all = || {
        let read = store.run(|txn| {
            Ok(txn
                .open_table(OUTPUT)?
                .range((1, 0)..(1, 20 * LEN))?
                .count())
        });
        read.expect("a read")
    };
    until(|| left_of_all() <= 1).await;
}

#[tokio::test]
async fn a_trim_that_nobody_should_make_in_the_middle_of_an_event_takes_no_more_than_it_says() {
    let home = Home::new();
    let store = home.open();
    talk(&store, "a", 3).await;
    store.verify().expect("a read");
    trim(&store, "a", 0, LEN + 5).await;
    store.verify().expect("a read");
    store.close().await;
    let store = home.open();
    assert_eq!(offsets(&store, "a"), [LEN, 2 * LEN]);
    let chunks = store.output(&id("a"), 0, usize::MAX).expect("a read");
    assert_eq!(chunks.first().expect("there is more").offset, LEN + 5);
    assert_eq!(problems(&store), Vec::new());
}
