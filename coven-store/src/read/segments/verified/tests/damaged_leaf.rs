//! A leaf that is not what it was: what is in it and proves itself may be what it was some commits before, so nothing is
//! taken for all there is that it may be behind.

use std::fs;
use std::ops::Range;
use std::path::Path;
use std::slice;

use coven_core::{Event, Seq};
use redb::{Database, ReadableTable, TableDefinition, TableHandle, Value};

use super::copy;
use super::logs::{fold, open_to_read};
use crate::cold::pack::Packer;
use crate::cold::segment::{self, Segment, SegmentRow};
use crate::file::OsDisk;
use crate::inspect::{name_of, widths};
use crate::layout::{IDS, RECORDS, SEGMENTS, SLOTS, TRIMMING};
use crate::raw::{PAGE, RawFile, Snapshot, rows};
use crate::test_support::{ALL, Home, created, events_of, id, output, resized, running, trim};
use crate::{ReadError, Store};

/// A log with a session that is running; closed.
async fn one() -> Home {
    let home = Home::new();
    let store = home.open();
    running(&store, "a").await;
    store.fold();
    store.close().await;
    home
}

/// Where the one leaf of a table is.
fn leaf_of<K: redb::Key + 'static, V: Value + 'static>(
    path: &Path,
    table: &TableDefinition<'static, K, V>,
) -> usize {
    let file = RawFile::open(&OsDisk, path).expect("it is closed");
    let snapshot = Snapshot::at_last(file);
    let mut rows = snapshot.rows(name_of(table), widths(table));
    let at = rows.next().expect("it has rows").at;
    usize::try_from(at).expect("a small file") / PAGE * PAGE
}

/// Puts the leaf of a table in its place as another file of that log has it.
fn put_leaf_of<K: redb::Key + 'static, V: Value + 'static>(
    other: &Path,
    home: &Home,
    table: &TableDefinition<'static, K, V>,
) {
    let from = leaf_of(other, table);
    let leaf = fs::read(other).expect("a file")[from..from + PAGE].to_vec();
    let to = leaf_of(&home.path(), table);
    let mut file = fs::read(home.path()).expect("a file");
    assert_ne!(file[to..to + PAGE], leaf, "{}", table.name());
    file[to..to + PAGE].copy_from_slice(&leaf);
    fs::write(home.path(), file).expect("a file");
}

#[tokio::test]
async fn a_record_that_is_what_it_was_some_commits_before_has_no_session_look_shorter() {
    let home = one().await;
    let before = copy(&home);
    fold(&home, "a", vec![resized(), resized()]).await;
    let events = events_of(&open_to_read(&home), "a");
    put_leaf_of(&before.path(), &home, &RECORDS);
    let store = open_to_read(&home);
    let record = store.record(&id("a")).expect("a read").expect("a session");
    assert_eq!(record.last_seq, Seq::new(4));
    assert_eq!(events_of(&store, "a"), events);
    for after in 0..4_u64 {
        let read = store.read(&id("a"), Seq::new(after), ALL);
        let behind = usize::try_from(after).expect("small");
        assert_eq!(read.expect("a read"), events[behind..]);
    }
}

/// Puts these of the events of a session's first segment into a segment each.
fn split(home: &Home, parts: &[Range<usize>]) {
    let file = Database::open(home.path()).expect("it is closed");
    let txn = file.begin_write().expect("a transaction");
    let mut table = txn.open_table(SEGMENTS).expect("a table");
    let bytes = table.get((1, 1)).expect("a read").expect("it is there");
    let segment = Segment::decode(1, 1, bytes.value()).expect("it is whole");
    drop(bytes);
    let rows = segment.rows().map(|row| row.expect("it is whole"));
    let rows: Vec<_> = rows
        .map(|(seq, bytes)| SegmentRow {
            seq,
            bytes,
            output: None,
        })
        .collect();
    for part in parts {
        let rows = &rows[part.clone()];
        let bytes = segment::encode(&mut Packer::new(), 1, rows);
        let key = (1, rows[0].seq.get());
        table.insert(key, &*bytes).expect("it is put there");
    }
    drop(table);
    txn.commit().expect("a commit");
}

#[tokio::test]
async fn behind_a_segment_that_may_be_what_it_was_before_nothing_is_given_that_does_not_follow() {
    let home = one().await;
    fold(&home, "a", vec![resized(); 4]).await;
    let events = events_of(&open_to_read(&home), "a");
    split(&home, &[0..4, 4..6]);
    let before = copy(&home);
    // The first one before there were four in it.
    split(&before, slice::from_ref(&(0..2)));
    assert_eq!(events_of(&open_to_read(&home), "a"), events);
    put_leaf_of(&before.path(), &home, &SEGMENTS);
    let store = open_to_read(&home);
    let read = store.read(&id("a"), Seq::ZERO, ALL);
    assert_eq!(read.expect("what comes before"), events[..2]);
    let read = store.read(&id("a"), Seq::new(2), ALL);
    assert!(matches!(read, Err(ReadError::Damaged(_))), "{read:?}");
}

#[tokio::test]
async fn a_segment_in_the_place_of_others_in_a_damaged_leaf_is_as_if_it_were_not_there() {
    let home = one().await;
    fold(&home, "a", vec![resized(); 4]).await;
    let events = events_of(&open_to_read(&home), "a");
    fold(&home, "b", vec![created()]).await;
    split(&home, &[0..4, 2..4, 4..6]);
    damage_last_row(&home, &SEGMENTS);
    let store = open_to_read(&home);
    let read = store.read(&id("b"), Seq::ZERO, ALL);
    assert!(matches!(read, Err(ReadError::Damaged(_))), "{read:?}");
    assert_eq!(events_of(&store, "a"), events);
}

/// Has the one leaf of a table lack all that was in it.
fn empty<K: redb::Key + 'static, V: Value + 'static>(
    home: &Home,
    table: &TableDefinition<'static, K, V>,
) {
    let at = leaf_of(&home.path(), table);
    let mut file = fs::read(home.path()).expect("a file");
    file[at..at + PAGE].fill(0);
    fs::write(home.path(), file).expect("a file");
}

#[tokio::test]
async fn no_session_is_unknown_while_neither_the_index_of_ids_nor_the_slots_can_be_read() {
    let home = one().await;
    empty(&home, &IDS);
    let record = open_to_read(&home).record(&id("a"));
    assert!(matches!(record, Ok(Some(_))), "{record:?}");
    empty(&home, &SLOTS);
    let record = open_to_read(&home).record(&id("a"));
    assert!(matches!(record, Ok(Some(_))), "{record:?}");
    // Nor its record.
    empty(&home, &RECORDS);
    let store = open_to_read(&home);
    let record = store.record(&id("a"));
    assert!(matches!(record, Err(ReadError::Damaged(_))), "{record:?}");
    let read = store.read(&id("a"), Seq::ZERO, ALL);
    assert!(matches!(read, Err(ReadError::Damaged(_))), "{read:?}");
}

/// Turns bits of the last row of a table, which has one leaf.
fn damage_last_row<K: redb::Key + 'static, V: Value + 'static>(
    home: &Home,
    table: &TableDefinition<'static, K, V>,
) {
    let file = RawFile::open(&OsDisk, &home.path()).expect("it is closed");
    let snapshot = Snapshot::at_last(file);
    let last = snapshot.rows(name_of(table), widths(table)).last();
    let at = usize::try_from(last.expect("it has rows").at).expect("a small file");
    drop(snapshot);
    let mut file = fs::read(home.path()).expect("a file");
    file[at] ^= 3;
    fs::write(home.path(), file).expect("a file");
}

#[tokio::test]
async fn what_was_trimmed_is_not_given_though_the_record_that_says_so_is_in_a_damaged_leaf() {
    let home = one().await;
    fold(&home, "a", vec![output(0, "gone"), output(4, "left")]).await;
    fold(&home, "b", vec![created()]).await;
    let before = copy(&home);
    let store = home.open();
    trim(&store, "a", 0, 4).await;
    for _ in 0..4 {
        store.fold();
    }
    store.close().await;
    let trimming = rows(&home.path(), TRIMMING.name());
    assert_eq!(trimming, 0, "it is taken out of the segments");
    put_leaf_of(&before.path(), &home, &SEGMENTS);
    let offsets = |store: &Store| -> Vec<u64> {
        let read = store.read(&id("a"), Seq::ZERO, ALL).expect("a read");
        let events = read.into_iter().map(|it| it.event);
        let offsets = events.filter_map(|event| match event {
            Event::Output { offset, .. } => Some(offset),
            _ => None,
        });
        offsets.collect()
    };
    assert_eq!(offsets(&open_to_read(&home)), [4]);
    // The record of the other session, in the same leaf.
    damage_last_row(&home, &RECORDS);
    let store = open_to_read(&home);
    assert_eq!(offsets(&store), [4]);
    let chunks = store.output(&id("a"), 0, usize::MAX);
    assert!(
        chunks.iter().flatten().all(|it| it.offset >= 4),
        "{chunks:?}"
    );
}
