use std::collections::BTreeSet;
use std::fs;
use std::time::{Duration, Instant};

use coven_core::{Event, Seq};
use redb::{ReadableDatabase, ReadableTable, ReadableTableMetadata};

use super::{Spared, What, some};
use crate::cold::ending::comes_to_an_end;
use crate::cold::pack::Packer;
use crate::cold::segment::{SegmentRow, encode};
use crate::layout::{ERASING, OUTPUT, SEGMENTS, Tables};
use crate::raw::{Placed, orders, pages, reorder, swap_leaves};
use crate::stored::{SlotRow, sealed};
use crate::test_support::{Home, append, events_of, exited, noise, output, output_closed, running};
use crate::{Finding, Store};

/// Rows that are left: (segments, output, erasing).
fn rows(store: &Store) -> (u64, u64, u64) {
    store
        .run(|txn| {
            Ok((
                txn.open_table(SEGMENTS)?.len()?,
                txn.open_table(OUTPUT)?.len()?,
                txn.open_table(ERASING)?.len()?,
            ))
        })
        .expect("a read")
}

/// Waits until what there is to erase is erased.
fn wait_until_erased(store: &Store) {
    // With that, what was deleted is folded.
    store.verify().expect("a read");
    let deadline = Instant::now() + Duration::from_secs(60);
    while rows(store).2 > 0 {
        assert!(
            Instant::now() < deadline,
            "still erasing: {:?}",
            rows(store)
        );
        std::thread::yield_now();
    }
}

/// A session that has ended, in so many segments at least.
async fn long(store: &Store, session: &str, segments: u64) {
    const LEN: usize = 256 << 10;
    running(store, session).await;
    for n in 0..segments {
        let batch = append(store, session, vec![output(n * LEN as u64, noise(n, LEN))]);
        batch.await.expect("it follows");
    }
    let end = append(store, session, vec![output_closed(), exited(0)]);
    end.await.expect("it follows");
}

async fn delete(store: &Store, session: &str) {
    let deleted = append(store, session, vec![Event::Deleted]).await;
    deleted.expect("it has ended");
}

#[tokio::test]
async fn of_a_deleted_session_one_row_is_left_whatever_it_had() {
    let home = Home::new();
    let store = home.open();
    long(&store, "kept", 3).await;
    store.verify().expect("a read");
    let before = rows(&store);
    long(&store, "a", 150).await;
    delete(&store, "a").await;
    wait_until_erased(&store);
    // The event itself.
    assert_eq!(rows(&store), (before.0 + 1, before.1, 0));
}

#[tokio::test]
async fn what_is_damaged_is_passed_over_and_the_rest_is_erased() {
    let home = Home::new();
    home.open().close().await;
    let db = redb::Database::open(home.path()).expect("it is closed");
    let txn = db.begin_write().expect("a transaction");
    let mut tables = Tables::open(&txn).expect("tables");
    for slot in [1, 2] {
        tables.erasing.insert(slot, slot + 10).expect("a row");
    }
    let mut spared = Spared::default();
    let first = |spared: &Spared| spared.first_of(What::Erase, &tables.erasing);
    for (slot, up_to) in [(1, 11), (2, 12)] {
        let task = first(&spared).expect("a read").expect("a row");
        assert_eq!((task.slot, task.up_to), (slot, up_to));
        spared.add(task);
    }
    assert_eq!(first(&spared), Ok(None));
    let mut spared = Spared::default();
    spared.add_all();
    assert_eq!(first(&spared), Ok(None));
}

#[tokio::test]
async fn erasing_comes_to_an_end_whatever_order_its_list_and_what_is_erased_are_in() {
    let home = Home::new();
    home.open().close().await;
    let deleted = (1..=4).map(|slot| (slot, Some(10)));
    put_sessions(&home, deleted, &[1], 20);
    let whole = fs::read(home.path()).expect("a file");
    for table in ["erasing", "segments"] {
        for order in orders(4) {
            fs::write(home.path(), &whole).expect("a write");
            reorder(&home.path(), table, &order);
            assert!(comes_to_an_end(&home.path(), some), "{table}: {order:?}");
        }
    }
}

#[tokio::test]
async fn erasing_comes_to_an_end_where_nothing_that_is_to_be_erased_is_in_its_leaf() {
    let home = Home::new();
    home.open().close().await;
    // One of them fills a leaf.
    put_sessions(&home, [(1, Some(10))], &[1, 2], 3000);
    swap_leaves(&home.path(), "segments", 0, 1);
    assert!(comes_to_an_end(&home.path(), some));
}

#[tokio::test]
async fn nobody_elses_segments_are_erased_whatever_order_they_are_in() {
    let home = Home::new();
    home.open().close().await;
    let sessions = [(1, None), (2, Some(10)), (3, None)];
    put_sessions(&home, sessions, &[1, 2, 3], 20);
    let whole = fs::read(home.path()).expect("a file");
    // In one of them a row of the third is met among those of the second, and found by its key once two of these
    // are gone.
    for order in orders(9) {
        fs::write(home.path(), &whole).expect("a write");
        reorder(&home.path(), "segments", &order);
        assert!(comes_to_an_end(&home.path(), some), "{order:?}");
        let left = places(&home).into_iter();
        let of_others: BTreeSet<_> = left.filter(|(slot, _)| *slot != 2).collect();
        let all = [1, 3].map(|slot| [1, 2, 3].map(|first| (slot, first)));
        assert_eq!(of_others, all.concat().into_iter().collect(), "{order:?}");
    }
}

/// Where the segments are.
fn places(home: &Home) -> Vec<(u64, u64)> {
    let db = redb::Database::open(home.path()).expect("it is closed");
    let txn = db.begin_read().expect("a transaction");
    let segments = txn.open_table(SEGMENTS).expect("a table");
    let rows = segments.iter().expect("rows");
    rows.map(|row| row.expect("a row").0.value()).collect()
}

/// Puts sessions into a log, each with segments at such places; those that are deleted are to be erased.
fn put_sessions(
    home: &Home,
    sessions: impl IntoIterator<Item = (u64, Option<u64>)>,
    firsts: &[u64],
    len_bytes: usize,
) {
    let db = redb::Database::open(home.path()).expect("it is closed");
    let txn = db.begin_write().expect("a transaction");
    let mut tables = Tables::open(&txn).expect("tables");
    for (slot, deleted_at) in sessions {
        let row = SlotRow {
            id: format!("s{slot}"),
            deleted_at,
        };
        let row = sealed::seal(&row, &slot.to_be_bytes());
        tables.slots.insert(slot, row.as_slice()).expect("a row");
        if let Some(at) = deleted_at {
            tables.erasing.insert(slot, at).expect("a row");
        }
        for &first in firsts {
            let place = (slot, first);
            let segment = segment(place, len_bytes);
            tables.segments.insert(place, &*segment).expect("a row");
        }
    }
    drop(tables);
    txn.commit().expect("a commit");
}

#[tokio::test]
async fn what_is_on_the_list_and_was_not_deleted_there_is_not_erased() {
    let home = Home::new();
    let store = home.open();
    long(&store, "deleted", 1).await;
    long(&store, "kept", 3).await;
    delete(&store, "deleted").await;
    wait_until_erased(&store);
    let before = (rows(&store), events_of(&store, "kept"));
    store.close().await;
    let db = redb::Database::open(home.path()).expect("it is closed");
    let txn = db.begin_write().expect("a transaction");
    {
        let mut erasing = txn.open_table(ERASING).expect("a table");
        // The deleted one from elsewhere on, one that lives, and one that never was.
        for (slot, at) in [(1, 1), (2, u64::MAX), (99, 5)] {
            erasing.insert(slot, at).expect("a row");
        }
    }
    txn.commit().expect("a commit");
    drop(db);

    let store = home.open();
    // Whoever is answered twice was answered once after something was to be erased.
    for _ in 0..2 {
        let problems = store.verify().expect("a read").problems;
        let tables: Vec<_> = problems.iter().map(|found| found.table).collect();
        assert_eq!(tables, [Some("erasing"); 3], "{problems:?}");
    }
    let (segments, outputs, _) = before.0;
    assert_eq!(rows(&store), (segments, outputs, 3));
    assert_eq!(events_of(&store, "kept"), before.1);
    // It keeps nothing else from being erased.
    delete(&store, "kept").await;
    store.verify().expect("a read");
    let deadline = Instant::now() + Duration::from_secs(60);
    while rows(&store).0 > 2 {
        assert!(Instant::now() < deadline, "it is not erased");
        std::thread::yield_now();
    }
}

#[tokio::test]
async fn erasing_goes_on_after_the_store_was_closed_in_the_middle() {
    let home = Home::new();
    let store = home.open();
    long(&store, "a", 150).await;
    delete(&store, "a").await;
    store.close().await;
    let store = home.open();
    wait_until_erased(&store);
    assert_eq!(rows(&store), (1, 0, 0));
}

#[tokio::test]
async fn a_long_segment_whose_key_was_turned_into_one_of_a_deleted_session_is_not_erased_and_that_is_told()
 {
    let home = Home::new();
    let kept = alone_in_a_leaf_that_had_more(&home).await;
    let of_kept = |it: &Placed| it.keys == [(2, 5)];
    let leaf = pages(&home.path(), "segments").into_iter().find(of_kept);
    let leaf = leaf.expect("it is alone").place;
    let mut file = fs::read(home.path()).expect("a file");
    file[leaf.start + 8] = 3;
    fs::write(home.path(), file).expect("a write");

    let store = home.open();
    let left = || {
        let found = store.run(|txn| {
            let row = txn.open_table(SEGMENTS)?.get((3, 5))?;
            Ok(row.map(|row| row.value().to_vec()))
        });
        found.expect("a read")
    };
    assert!(left() == Some(kept.clone()), "it is handed on");
    // Whoever is answered twice was answered once after something was to be erased.
    for _ in 0..2 {
        let problems = store.verify().expect("a read").problems;
        let is_told = |it: &Finding| it.place.as_deref() == Some("(3, 5)");
        assert!(problems.iter().any(is_told), "{problems:?}");
    }
    assert!(left() == Some(kept), "it is another's");
    assert_eq!(
        rows(&store),
        (2, 0, 1),
        "all else is erased but its deletion"
    );
}

/// Puts session 2 into a log, with a long segment alone in a leaf that had one of session 3, which is to be erased; and
/// another of that one, which is. What the segment is.
async fn alone_in_a_leaf_that_had_more(home: &Home) -> Vec<u8> {
    home.open().close().await;
    put_sessions(home, [(2, None), (3, Some(10))], &[], 0);
    let db = redb::Database::open(home.path()).expect("it is closed");
    let put = |place: (u64, u64), len_bytes| {
        let txn = db.begin_write().expect("a transaction");
        let mut tables = Tables::open(&txn).expect("tables");
        let segment = segment(place, len_bytes);
        tables.segments.insert(place, &*segment).expect("a row");
        drop(tables);
        txn.commit().expect("a commit");
        segment
    };
    for (place, len_bytes) in [
        ((2, 5), 2000),
        ((3, 6), 1000),
        ((3, 10), 3000),
        ((3, 7), 3000),
    ] {
        put(place, len_bytes);
    }
    let txn = db.begin_write().expect("a transaction");
    let mut tables = Tables::open(&txn).expect("tables");
    assert!(tables.segments.remove((3, 6)).expect("a row").is_some());
    drop(tables);
    txn.commit().expect("a commit");
    put((2, 5), 200_000)
}

/// A segment of one event.
fn segment((slot, first): (u64, u64), len_bytes: usize) -> Vec<u8> {
    let row = SegmentRow {
        seq: Seq::new(first),
        bytes: &noise(slot, len_bytes),
        output: None,
    };
    encode(&mut Packer::new(), slot, &[row])
}
