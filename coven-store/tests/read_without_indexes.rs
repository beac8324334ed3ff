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

#[tokio::test]
async fn whatever_page_is_damaged_of_what_follows_from_the_events_all_is_read() {
    const ANEW: [&str; 6] = ["ids", "records", "by_created", "live", "gone", "output"];
    let log = sessions().await;
    let whole = content(&Store::open_to_read(&log.path(), OPTIONS).expect("it opens"));
    assert_eq!((whole.listed.len(), whole.damaged), (90, 0));
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
            let what = format!("byte {byte} of {at}: {hit:?}");
            let found = content(&store);
            assert!(found.sessions == whole.sessions, "{what}");
            // A page of the list does without those whose records are damaged, and tells how many.
            let mut rest = whole.listed.iter();
            assert!(
                found.listed.iter().all(|it| rest.any(|was| was == it)),
                "{what}"
            );
            let is_told = found.listed.len() + found.damaged >= whole.listed.len();
            assert!(
                is_told && (found == whole || hit.contains("records")),
                "{what}"
            );
            tried.extend(hit);
        }
    }
    let met = ["by_created", "ids", "output", "records"];
    assert!(met.iter().all(|table| tried.contains(table)), "{tried:?}");
}
