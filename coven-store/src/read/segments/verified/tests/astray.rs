//! What is believed of keys that turned into others', and of leaves that an older branch leads to.

use std::fs;

use coven_core::{Event, Seq};
use redb::{Database, TableHandle};

use super::copy;
use crate::cold::pack::Packer;
use crate::cold::segment::{self, Segment, SegmentRow};
use crate::layout::{ORDER, SEGMENTS};
use crate::raw::{overwrite_first_page, pages};
use crate::read::{Archived, Looked, Page};
use crate::test_support::{ALL, Home, append, events_of, id, resized, running};
use crate::{Options, Store};

async fn fold(home: &Home, session: &str, events: Vec<Event>) {
    let store = home.open();
    append(&store, session, events).await.expect("it goes on");
    store.fold();
    store.close().await;
}

async fn folded(sessions: impl IntoIterator<Item = String>) -> Home {
    let home = Home::new();
    let store = home.open();
    for session in sessions {
        running(&store, &session).await;
    }
    store.fold();
    store.close().await;
    home
}

fn open_to_read(home: &Home) -> Store {
    Store::open_to_read(&home.path(), Options::default()).expect("it opens")
}

/// Turns a bit of the first byte of a key in the first leaf of a table.
fn turn(home: &Home, table: &str, key: &[u8], bit: u32) {
    let leaf = pages(&home.path(), table).remove(0).place;
    let mut file = fs::read(home.path()).expect("a file");
    let at = file[leaf.clone()]
        .windows(key.len())
        .position(|it| it == key);
    file[leaf.start + at.expect("it is there")] ^= 1 << bit;
    fs::write(home.path(), file).expect("a write");
}

/// Gives the events of a segment two segments of half as many.
fn halve(home: &Home, slot: u64, first: u64) {
    let file = Database::open(home.path()).expect("it is closed");
    let txn = file.begin_write().expect("a transaction");
    let mut table = txn.open_table(SEGMENTS).expect("a table");
    let row = redb::ReadableTable::get(&table, (slot, first)).expect("a read");
    let segment = Segment::decode(slot, first, row.expect("it is there").value());
    let segment = segment.expect("it is whole");
    let rows: Vec<_> = segment
        .rows()
        .map(|row| row.expect("it is whole"))
        .collect();
    for half in rows.chunks(rows.len().div_ceil(2)) {
        let half = half.iter().map(|(seq, bytes)| SegmentRow {
            seq: *seq,
            bytes,
            output: None,
        });
        let half: Vec<_> = half.collect();
        let bytes = segment::encode(&mut Packer::new(), slot, &half);
        table
            .insert((slot, half[0].seq.get()), &*bytes)
            .expect("a row");
    }
    drop(table);
    txn.commit().expect("a commit");
}

#[tokio::test]
async fn nothing_is_given_behind_a_segment_whose_key_turned_into_anothers() {
    let home = folded(["a", "b", "c", "d"].map(str::to_owned)).await;
    fold(&home, "c", vec![resized(); 4]).await;
    let all = events_of(&open_to_read(&home), "c");
    let first = all[0].seq.get();
    halve(&home, 3, first);
    assert_eq!(events_of(&open_to_read(&home), "c"), all);
    // Slot 3 becomes 2, and the keys are in order still.
    turn(
        &home,
        SEGMENTS.name(),
        &[3_u64, first].map(u64::to_le_bytes).concat(),
        0,
    );
    let without_records = copy(&home);
    overwrite_first_page(&without_records.path(), "records");
    for home in [home, without_records] {
        let store = open_to_read(&home);
        for after in [Seq::ZERO, all[0].seq, all[1].seq] {
            let read = store.read(&id("c"), after, ALL);
            assert!(read.is_err(), "after {after}: {read:?}");
        }
        let page = store.page_of_all(Seq::ZERO, ALL).expect("a page");
        let is_told = |seq| {
            page.lost
                .iter()
                .any(|it| (it.first..=it.last).contains(&seq))
        };
        let given = |seq| page.events.iter().any(|it| it.seq == seq);
        for event in &all {
            assert!(given(event.seq) || is_told(event.seq), "{}", event.seq);
        }
        for session in ["a", "b", "d"] {
            assert_eq!(events_of(&store, session).len(), 2, "{session}");
        }
    }
}

#[tokio::test]
async fn no_record_is_believed_that_an_older_branch_leads_to() {
    let home = folded((0..60).map(|number| format!("s{number}"))).await;
    let before = copy(&home);
    let was_last = open_to_read(&home)
        .record(&id("s3"))
        .expect("a read")
        .expect("it is there")
        .last_seq;
    fold(&home, "s3", vec![resized(), resized()]).await;
    let truth = open_to_read(&home).record(&id("s3")).expect("a read");
    let [old, new] = [&before, &home].map(|home| pages(&home.path(), "records").remove(0));
    assert!(
        old.keys.is_empty() && new.keys.is_empty(),
        "they lead to others"
    );
    let branch = fs::read(before.path()).expect("a file")[old.place].to_vec();
    let mut file = fs::read(home.path()).expect("a file");
    file[new.place].copy_from_slice(&branch);
    fs::write(home.path(), file).expect("a write");
    let store = open_to_read(&home);
    assert_eq!(store.record(&id("s3")).expect("a read"), truth);
    let page = Page {
        before: None,
        limit: 100,
        archived: Archived::Included,
    };
    let without_index = store.list_without_index(&Looked::default(), &page);
    for listing in [store.list(&page).ok(), without_index.and_then(Result::ok)] {
        let listing = listing.expect("a list");
        let mut records = listing.records.into_iter();
        let listed = records.find(|it| it.session.id == id("s3"));
        assert_eq!((&listed, listing.damaged), (&truth, 0));
    }
    let read = store.read_as_past_damage(&id("s3"), was_last, ALL);
    assert_eq!(read.expect("a read").len(), 2);
}

#[tokio::test]
async fn who_goes_on_behind_a_key_of_the_order_that_turned_is_given_what_comes_before_it() {
    let home = folded(["a".to_owned()]).await;
    for events in [200, 2, 2] {
        fold(&home, "a", vec![resized(); events]).await;
    }
    let leaf = pages(&home.path(), ORDER.name()).remove(0);
    let [_, (second, _), (third, _), _] = leaf.keys[..] else {
        panic!("{:?}", leaf.keys);
    };
    let bit = (0..8).find(|bit| (second + 10..third - 10).contains(&(third ^ (1 << bit))));
    let bit = bit.expect("there is one");
    let moved = third ^ (1 << bit);
    turn(&home, ORDER.name(), &third.to_le_bytes(), bit);
    let store = open_to_read(&home);
    for after in [0, moved - 5, moved + 5, third - 3] {
        let page = store.page_of_all(Seq::new(after), ALL).expect("a page");
        let lost = page
            .lost
            .iter()
            .flat_map(|it| it.first.get()..=it.last.get());
        assert_eq!(
            lost.collect::<Vec<_>>(),
            [third, third + 1],
            "after {after}"
        );
    }
}
