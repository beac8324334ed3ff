//! A log that is open for reading alone, in which what follows from the events is damaged: nobody makes that anew
//! there, and all is read all the same.

#[path = "support/damage.rs"]
mod damage;
mod support;

use std::collections::BTreeSet;

use coven_core::{Envelope, Record, Seq};
use coven_store::{Archived, Page, Store};
use damage::*;
use support::*;

const SESSIONS: u64 = 120;

/// Some sessions that ended, some that run, some archived, some deleted; all folded, closed.
async fn sessions() -> Log {
    let log = Log::empty();
    let store = log.open();
    for number in 0..SESSIONS {
        let name = name(number);
        running(&store, &name).await;
        let mut events = vec![output(0, noise(number, 500))];
        if number % 3 > 0 {
            events.extend([output_closed(), exited(0)]);
        }
        append(&store, &name, events).await.expect("it runs");
        if number % 6 == 1 {
            let archived = vec![coven_core::Event::Archived];
            append(&store, &name, archived).await.expect("it ended");
        }
        if number % 12 == 2 {
            let deleted = vec![coven_core::Event::Deleted];
            append(&store, &name, deleted).await.expect("it ended");
        }
    }
    assert!(store.verify().expect("a look").is_whole());
    store.close().await;
    log
}

fn name(number: u64) -> String {
    format!("one-{number}")
}

/// All that is read of a log: each record, its events and its output, and the list, in pages.
#[derive(Debug, PartialEq)]
struct Content {
    sessions: Vec<(Option<Record>, Vec<Envelope>, usize)>,
    listed: Vec<Record>,
    damaged: usize,
}

fn content(store: &Store) -> Content {
    let session = |number: u64| {
        let id = id(&name(number));
        let output = store.output(&id, 0, usize::MAX).expect("a read");
        let bytes = output.iter().map(|chunk| chunk.data.len()).sum();
        let events = store.read(&id, Seq::ZERO, ALL).expect("a read");
        (store.record(&id).expect("a read"), events, bytes)
    };
    let mut content = Content {
        sessions: (0..SESSIONS).map(session).collect(),
        listed: Vec::new(),
        damaged: 0,
    };
    let mut page = Page {
        before: None,
        limit: 50,
        archived: Archived::Hidden,
    };
    loop {
        let listing = store.list(&page).expect("a list");
        content.damaged += listing.damaged;
        content.listed.extend(listing.records);
        page.before = listing.next;
        if page.before.is_none() {
            return content;
        }
    }
}

/// Damages one page after the other of what follows from the events, and reads all. Gives which tables were hit.
fn assert_all_is_read(log: &Log, listed: usize) -> BTreeSet<&'static str> {
    const ANEW: [&str; 6] = ["ids", "records", "by_created", "live", "gone", "output"];
    let whole = content(&Store::open_to_read(&log.path(), OPTIONS).expect("it opens"));
    assert_eq!((whole.listed.len(), whole.damaged), (listed, 0));
    let mut tried = BTreeSet::new();
    for at in (PAGE_BYTES..len(&log.path())).step_by(PAGE_BYTES as usize) {
        // What kind of page it is, how many rows it has, and its first number.
        for byte in [0, 2, 8] {
            let copy = log.copy();
            flip(&copy.path(), (at + byte) * 8 + 3);
            let hit = tables_hit(&copy);
            if hit.is_empty() || !hit.iter().all(|table| ANEW.contains(table)) {
                continue;
            }
            let store = Store::open_to_read(&copy.path(), OPTIONS).expect("it opens");
            assert!(content(&store) == whole, "byte {byte} of {at}: {hit:?}");
            tried.extend(hit);
        }
    }
    tried
}

#[tokio::test]
async fn whatever_page_is_damaged_of_what_follows_from_the_events_all_is_read() {
    let tried = assert_all_is_read(&sessions().await, 90);
    let met = ["by_created", "ids", "output", "records"];
    assert!(met.iter().all(|table| tried.contains(table)), "{tried:?}");
}

#[tokio::test]
async fn beside_what_is_not_folded_all_is_read_too() {
    let log = sessions().await;
    let store = log.open();
    running(&store, "fresh").await;
    append(&store, &name(3), vec![output(500, noise(3, 50))])
        .await
        .expect("it runs");
    let ended = [
        (4, coven_core::Event::Archived),
        (5, coven_core::Event::Deleted),
    ];
    for (number, event) in ended {
        append(&store, &name(number), vec![event])
            .await
            .expect("it ended");
    }
    let killed = log.copy();
    store.close().await;
    let tried = assert_all_is_read(&killed, 89);
    let met = ["by_created", "ids"];
    assert!(met.iter().all(|table| tried.contains(table)), "{tried:?}");
}
