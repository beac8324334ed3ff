//! What is believed of slots that are damaged where the index beside them is damaged as well: a page of them from before
//! a session was deleted brings none back, and one that turned has none hidden.

use std::fs;

use coven_core::{Event, Seq};
use redb::{Database, ReadableTable, TableHandle};

use super::copy;
use super::logs::{fold, open_to_read};
use crate::layout::{BY_CREATED, ERASING, IDS, RECORDS, SEGMENTS, SLOTS};
use crate::raw::{Placed, leading_to, overwrite_first_page, pages};
use crate::read::{Archived, Looked, Page};
use crate::test_support::{ALL, Home, ended, id};
use crate::{Listing, ReadError, Store};

const SESSIONS: u64 = 200;
/// The slot of the one that is deleted.
const GONE: u64 = 70;

fn name(slot: u64) -> String {
    format!("session-{slot:0>50}")
}

fn leaves(home: &Home, table: &str) -> Vec<Placed> {
    let pages = pages(&home.path(), table).into_iter();
    pages.filter(|page| !page.keys.is_empty()).collect()
}

/// The leaf of a table that has a slot, and which one it is.
fn leaf_with(slot: u64, home: &Home, table: &str) -> (usize, Placed) {
    let leaves = leaves(home, table).into_iter();
    let mut leaves = leaves.enumerate();
    let leaf = leaves.find(|(_, leaf)| leaf.keys.contains(&(slot, 0)));
    leaf.expect("it is there")
}

fn put(home: &Home, at: usize, bytes: &[u8]) {
    let mut file = fs::read(home.path()).expect("a file");
    file[at..][..bytes.len()].copy_from_slice(bytes);
    fs::write(home.path(), file).expect("a write");
}

/// A log of many sessions, and the same before one of them was deleted, whose events are not erased yet.
async fn deleted() -> (Home, Home) {
    let home = Home::new();
    let store = home.open();
    for slot in 1..=SESSIONS {
        ended(&store, &name(slot)).await;
    }
    store.fold();
    store.close().await;
    let before = copy(&home);
    fold(&home, &name(GONE), vec![Event::Deleted]).await;
    put_events_back(&before, &home);
    (home, before)
}

/// Puts back what was erased of the deleted session.
fn put_events_back(before: &Home, home: &Home) {
    let [before, file] =
        [before, home].map(|home| Database::open(home.path()).expect("it is closed"));
    let before = redb::ReadableDatabase::begin_read(&before).expect("a transaction");
    let before = before.open_table(SEGMENTS).expect("a table");
    let txn = file.begin_write().expect("a transaction");
    {
        let mut segments = txn.open_table(SEGMENTS).expect("a table");
        let deleted = segments.range((GONE, 0)..(GONE + 1, 0)).expect("rows");
        let deleted: Vec<u64> = deleted.map(|row| row.expect("a row").0.value().1).collect();
        let [deleted] = deleted[..] else {
            panic!("{deleted:?}");
        };
        for row in before.range((GONE, 0)..(GONE + 1, 0)).expect("rows") {
            let (key, bytes) = row.expect("a row");
            segments.insert(key.value(), bytes.value()).expect("a row");
        }
        let mut erasing = txn.open_table(ERASING).expect("a table");
        erasing.insert(GONE, deleted).expect("a row");
    }
    txn.commit().expect("a commit");
}

/// The list without its index.
fn listed(store: &Store) -> Listing {
    let page = Page {
        before: None,
        limit: 1000,
        archived: Archived::Included,
    };
    let listing = store.list_without_index(&Looked::default(), &page);
    listing.expect("it can be read").expect("a list")
}

fn assert_is_not_brought_back(home: &Home, what: &str) {
    overwrite_first_page(&home.path(), IDS.name());
    let store = open_to_read(home);
    let gone = id(&name(GONE));
    let record = store.record(&gone);
    assert!(
        matches!(record, Err(ReadError::Damaged(_))),
        "{what}: {record:?}"
    );
    let read = store.read(&gone, Seq::ZERO, ALL);
    assert!(
        matches!(read, Err(ReadError::Damaged(_))),
        "{what}: {read:?}"
    );
    let listing = listed(&store);
    let listed = |slot: u64| {
        let name = id(&name(slot));
        listing.records.iter().any(|it| it.session.id == name)
    };
    for slot in 1..=SESSIONS {
        assert_eq!(listed(slot), slot != GONE, "{what}: {slot}");
    }
    assert_eq!(listing.damaged, 0, "{what}: its last event says it");
    let record = store.record(&id(&name(GONE + 1)));
    assert!(matches!(record, Ok(Some(_))), "{what}: {record:?}");
}

#[tokio::test]
async fn no_page_of_slots_from_before_it_brings_a_deleted_session_back_without_the_index() {
    let (home, before) = deleted().await;
    let (number, leaf) = leaf_with(GONE, &home, SLOTS.name());
    let (_, was) = leaf_with(GONE, &before, SLOTS.name());
    assert_eq!(leaf.keys, was.keys);
    let older = fs::read(before.path()).expect("a file")[was.place].to_vec();

    let in_its_place = copy(&home);
    put(&in_its_place, leaf.place.start, &older);
    assert_is_not_brought_back(&in_its_place, "in its place");

    // In a page of the list, which is damaged by that.
    let spare = pages(&home.path(), BY_CREATED.name()).remove(1).place.start;
    let leading = leading_to(&home.path(), SLOTS.name(), number, &older, spare);
    let branch = pages(&home.path(), SLOTS.name()).remove(0).place;
    put(&home, spare, &older);
    put(&home, branch.start, &leading);
    assert_is_not_brought_back(&home, "below another branch");
}

#[tokio::test]
async fn nor_does_one_beside_a_page_of_records_from_before_it() {
    let (home, before) = deleted().await;
    let file = fs::read(before.path()).expect("a file");
    for table in [SLOTS.name(), RECORDS.name()] {
        let (_, was) = leaf_with(GONE, &before, table);
        let (_, leaf) = leaf_with(GONE + 1, &home, table);
        assert_eq!(leaf.place.len(), was.place.len());
        put(&home, leaf.place.start, &file[was.place]);
    }
    overwrite_first_page(&home.path(), IDS.name());
    let store = open_to_read(&home);
    let gone = id(&name(GONE));
    let record = store.record(&gone);
    assert!(matches!(record, Err(ReadError::Damaged(_))), "{record:?}");
    let listing = listed(&store);
    assert!(listing.records.iter().all(|it| it.session.id != gone));
    let listed = listing.records.len() + listing.damaged;
    assert_eq!(listed as u64, SESSIONS - 1);
}

#[tokio::test]
async fn a_session_whose_slot_turned_into_another_is_counted_as_damaged_and_no_deleted_one() {
    let (home, _) = deleted().await;
    let (_, leaf) = leaf_with(GONE, &home, SLOTS.name());
    let turned = GONE + 1;
    assert!(leaf.keys.contains(&(turned, 0)));
    let key = turned.to_le_bytes();
    let file = fs::read(home.path()).expect("a file");
    let at = file[leaf.place.clone()].windows(8).position(|it| it == key);
    let at = leaf.place.start + at.expect("it is there");
    for bit in 0..8 {
        let copy = copy(&home);
        put(&copy, at, &[file[at] ^ (1 << bit)]);
        let store = open_to_read(&copy);
        let listing = listed(&store);
        let listed = listing.records.len() as u64;
        assert_eq!((listed, listing.damaged), (SESSIONS - 2, 1), "bit {bit}");
    }
}
