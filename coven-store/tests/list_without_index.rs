//! The list where its index and what else of the log is damaged: who is left out is counted, each once.

#[path = "support/damage.rs"]
mod damage;
mod support;

use std::fs;

use coven_store::{Archived, Page, Store};
use damage::*;
use support::*;

const SESSIONS: usize = 300;

async fn log() -> Log {
    let log = Log::empty();
    let store = log.open();
    for number in 0..SESSIONS {
        let began = vec![created(), started()];
        let began = batch_at(&format!("one-{number}"), 1 + number as i64, began);
        store.append(began).await.expect("a new session");
    }
    let _ = store.verify();
    store.close().await;
    log
}

/// How many are listed, in pages, and how many told to be damaged.
fn listed(store: &Store, limit: usize) -> (usize, usize) {
    let mut page = Page {
        before: None,
        limit,
        archived: Archived::Included,
    };
    let (mut records, mut damaged) = (0, 0);
    loop {
        let listing = store.list(&page).expect("a list");
        records += listing.records.len();
        damaged += listing.damaged;
        page.before = listing.next;
        if page.before.is_none() {
            return (records, damaged);
        }
    }
}

/// The pages of a table that have more than a few rows: its leaves or its branches.
fn pages_of(log: &Log, table: &str, kind: u8) -> Vec<u64> {
    let bytes = fs::read(log.path()).expect("a file");
    let pages = (PAGE_BYTES..len(&log.path())).step_by(PAGE_BYTES as usize);
    let is_of_table = |at: &u64| {
        let page = &bytes[*at as usize..];
        page[0] == kind && page[2] > 1 && page[3] == 0 && {
            let copy = log.copy();
            flip(&copy.path(), (at + 2) * 8);
            tables_hit(&copy).contains(table)
        }
    };
    pages.filter(is_of_table).collect()
}

#[tokio::test]
async fn each_session_that_is_left_out_is_counted_once_however_many_pages_are_read() {
    const LEAF: u8 = 1;
    const BRANCH: u8 = 2;
    let log = log().await;
    let list = pages_of(&log, "by_created", BRANCH);
    let slots = pages_of(&log, "slots", LEAF);
    assert!(slots.len() > 1, "{slots:?}");
    for leaf in slots {
        let copy = log.copy();
        for at in [list[0], leaf] {
            put(&copy.path(), at + 2, &[0x7f, 0x7f]);
        }
        let store = Store::open_to_read(&copy.path(), OPTIONS).expect("it opens");
        let told = [1000, 100, 7].map(|limit| listed(&store, limit));
        let (records, damaged) = told[0];
        assert!(damaged > 0, "the leaf at byte {leaf}");
        assert_eq!(records + damaged, SESSIONS, "the leaf at byte {leaf}");
        assert_eq!(told, [told[0]; 3], "the leaf at byte {leaf}");
    }
}
