//! What is read of a log with keys that are not in order, and good checksums over it: each read gets on, or ends.

use std::collections::BTreeSet;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use coven_core::{Envelope, Event, Seq, Title};
use redb::Database;

use crate::cold::pack::Packer;
use crate::cold::segment::{self, Segment, SegmentRow};
use crate::layout::SEGMENTS;
use crate::raw::{orders, reorder, rows};
use crate::read::{Archived, Page, Position};
use crate::test_support::{ALL, Home, append, events_of, id, running};
use crate::{AllPage, ReadLimit, Store};

const SESSIONS: [&str; 3] = ["a", "b", "c"];

/// Three sessions that took turns, with an event in each segment and a row of the order for each fold; closed.
/// Gives how many events there are.
async fn story() -> (Home, u64) {
    let home = Home::new();
    let store = home.open();
    for session in SESSIONS {
        running(&store, session).await;
        store.fold();
    }
    for round in 0..3 {
        for session in SESSIONS {
            let title = Title::parse(&format!("round {round}")).expect("a title");
            let titled = append(&store, session, vec![Event::Titled { title }]);
            titled.await.expect("it goes on");
        }
        store.fold();
    }
    let events = store.last_seq().get();
    store.close().await;
    split(&home);
    (home, events)
}

/// Gives every event a segment of its own.
fn split(home: &Home) {
    let file = Database::open(home.path()).expect("a file");
    let txn = file.begin_write().expect("a transaction");
    let mut table = txn.open_table(SEGMENTS).expect("a table");
    let segments: Vec<(u64, Segment)> = redb::ReadableTable::iter(&table)
        .expect("rows")
        .map(|row| {
            let (key, bytes) = row.expect("a row");
            let (slot, first) = key.value();
            let segment = Segment::decode(slot, first, bytes.value());
            (slot, segment.expect("it is whole"))
        })
        .collect();
    let mut packer = Packer::new();
    for (slot, segment) in segments {
        for row in segment.rows() {
            let (seq, bytes) = row.expect("a row");
            let row = SegmentRow {
                seq,
                bytes,
                output: None,
            };
            let bytes = segment::encode(&mut packer, slot, &[row]);
            table
                .insert((slot, seq.get()), bytes.as_slice())
                .expect("a row");
        }
    }
    drop(table);
    txn.commit().expect("a commit");
}

/// What `read` gives, which has to come to an end.
pub(super) fn ends<T: Send + 'static>(what: &str, read: impl FnOnce() -> T + Send + 'static) -> T {
    let (tell, told) = mpsc::channel();
    thread::spawn(move || tell.send(read()));
    told.recv_timeout(Duration::from_secs(60))
        .unwrap_or_else(|_| panic!("{what}: it comes to no end"))
}

/// The places of the events that are given, and of those that are told to be damaged.
pub(super) fn told(read: impl Fn(Seq) -> AllPage) -> (Vec<Seq>, BTreeSet<u64>) {
    let (mut after, mut given, mut lost) = (Seq::ZERO, Vec::new(), BTreeSet::new());
    loop {
        let page = read(after);
        if page.end <= after {
            assert_eq!((page.end, page.events.len()), (after, 0), "it goes back");
            return (given, lost);
        }
        after = page.end;
        given.extend(page.events.iter().map(|event| event.seq));
        for it in page.lost {
            assert!(it.first <= it.last, "{it:?}");
            for seq in it.first.get()..=it.last.get() {
                assert!(lost.insert(seq), "{seq} is told twice: {it:?}");
                assert!(given.iter().all(|it| it.get() != seq), "{seq} is given");
            }
        }
    }
}

/// Reads all with `table` in any other order.
async fn read_all_of(table: &'static str) {
    let (home, events) = story().await;
    let whole = std::fs::read(home.path()).expect("a file");
    for order in orders(rows(&home.path(), table)) {
        std::fs::write(home.path(), &whole).expect("a write");
        reorder(&home.path(), table, &order);
        let store = Store::open_to_read(&home.path(), crate::Options::default()).expect("it opens");
        for events_at_once in [1, 2, 1000] {
            let limit = ReadLimit {
                events: events_at_once,
                ..ALL
            };
            let what = format!("{table} in the order {order:?}, {events_at_once} at once");
            let reader = store.clone();
            let pages = move || {
                [
                    told(|after| reader.page_of_all(after, limit).expect("a page")),
                    told(|after| {
                        let page = reader.page_of_all_as_past_damage(after, limit);
                        page.expect("a page")
                    }),
                ]
            };
            for (given, lost) in ends(&what, pages) {
                assert!(given.is_sorted_by(|one, next| one < next), "{what}");
                let known = given.iter().map(|seq| seq.get()).chain(lost);
                let known: BTreeSet<u64> = known.collect();
                assert_eq!(known, (1..=events).collect(), "{what}: not all is told");
            }
        }
    }
}

#[tokio::test]
async fn all_is_read_to_its_end_and_told_whatever_order_segments_are_in() {
    read_all_of("segments").await;
}

#[tokio::test]
async fn all_is_read_to_its_end_and_told_whatever_order_the_order_of_events_is_in() {
    read_all_of("order").await;
}

#[tokio::test]
async fn a_session_is_read_to_its_end_or_told_to_be_damaged_whatever_order_segments_are_in() {
    let (home, _) = story().await;
    let store = home.open();
    let truth = SESSIONS.map(|session| events_of(&store, session));
    store.close().await;
    let whole = std::fs::read(home.path()).expect("a file");
    for order in orders(rows(&home.path(), "segments")) {
        std::fs::write(home.path(), &whole).expect("a write");
        reorder(&home.path(), "segments", &order);
        for events in [1, 2, 1000] {
            let store =
                Store::open_to_read(&home.path(), crate::Options::default()).expect("it opens");
            let limit = ReadLimit { events, ..ALL };
            for (session, truth) in SESSIONS.iter().zip(&truth) {
                let what = format!("{session} in the order {order:?}, {events} at once");
                let (reader, session) = (store.clone(), id(session));
                let read = ends(&what, move || {
                    let mut given: Vec<Envelope> = Vec::new();
                    loop {
                        let after = given.last().map_or(Seq::ZERO, |last| last.seq);
                        match reader.read(&session, after, limit) {
                            Ok(page) if page.is_empty() => return Some(given),
                            Ok(page) => given.extend(page),
                            Err(_) => return None,
                        }
                    }
                });
                assert!(read.is_none_or(|given| given == *truth), "{what}");
            }
        }
    }
}

#[tokio::test]
async fn the_list_is_read_to_its_end_whatever_order_it_is_in() {
    let (home, _) = story().await;
    let whole = std::fs::read(home.path()).expect("a file");
    for order in orders(SESSIONS.len()) {
        std::fs::write(home.path(), &whole).expect("a write");
        reorder(&home.path(), "by_created", &order);
        let store = Store::open_to_read(&home.path(), crate::Options::default()).expect("it opens");
        for limit in 1..=SESSIONS.len() {
            let what = format!("{order:?}, {limit} at once");
            let mut before: Option<Position> = None;
            let mut seen = Vec::new();
            loop {
                let page = Page {
                    before,
                    limit,
                    archived: Archived::Included,
                };
                let listing = store.list(&page).expect("a read");
                let records = listing.records.into_iter();
                seen.extend(records.map(|it| (it.created_at, it.session.id.clone())));
                assert!(
                    seen.is_sorted_by(|one, next| one > next),
                    "{what}: {seen:?}"
                );
                before = listing.next;
                if before.is_none() {
                    break;
                }
            }
            assert!(seen.iter().all(|(_, it)| SESSIONS.map(id).contains(it)));
        }
    }
}
