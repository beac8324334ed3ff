//! Salvage of sessions whose output was trimmed: what is missing rightly, and what is lost.

#[path = "support/damage.rs"]
mod damage;
#[path = "support/salvaged.rs"]
mod salvaged;
mod support;

use std::collections::BTreeMap;
use std::fs;

use coven_core::{Event, Title};
use coven_store::{Store, inspect};
use damage::*;
use redb::TableDefinition;
use salvaged::*;
use support::*;

const SEGMENTS: TableDefinition<(u64, u64), &[u8]> = TableDefinition::new("segments");

/// Output, of which two fill a segment, so that what comes after them is in another; and how much there is.
const LEN: u64 = 120_000;
const OUTPUTS: u64 = 4;

/// A session that has ended, of three segments: the first two have output, and the last two have what is none.
async fn with_three_segments(store: &Store, name: &str) {
    running(store, name).await;
    for number in 0..OUTPUTS {
        let data = noise(number + 1, 120_000);
        append(store, name, vec![output(number * LEN, data)])
            .await
            .expect("it goes on");
        if number % 2 == 1 {
            store.verify().expect("with that it is folded");
        }
        if number == 1 {
            let titles = [format!("the title of {name}"), "the last title".to_owned()];
            append(store, name, titles.map(|title| titled(&title)).to_vec())
                .await
                .expect("it goes on");
        }
    }
    append(store, name, vec![output_closed(), exited(0)])
        .await
        .expect("it ends");
    store.verify().expect("with that it is folded");
}

fn titled(title: &str) -> Event {
    let title = Title::parse(title).expect("a title");
    Event::Titled { title }
}

async fn trim_all(store: &Store, name: &str) {
    trim(store, name, 0, OUTPUTS * LEN).await;
    store.verify().expect("with that it is folded");
}

/// The segments of slot 1.
fn segments(log: &Log) -> Vec<((u64, u64), Vec<u8>)> {
    let db = redb::Database::open(log.path()).expect("it is closed");
    let txn = redb::ReadableDatabase::begin_read(&db).expect("a transaction");
    let segments = txn.open_table(SEGMENTS).expect("a table");
    let rows = segments.range((1, 0)..(2, 0)).expect("rows");
    let rows = rows.map(|row| row.expect("a row"));
    let rows: Vec<_> = rows
        .map(|(key, value)| (key.value(), value.value().to_vec()))
        .collect();
    assert_eq!(rows.len(), 3);
    rows
}

/// Damages what has such a text, in every state of it that is in the file.
fn damage_wherever_it_is(log: &Log, text: &[u8]) {
    let bytes = fs::read(log.path()).expect("a file");
    let places = bytes.windows(text.len()).enumerate();
    let found: Vec<_> = places.filter(|(_, it)| *it == text).collect();
    assert!(!found.is_empty());
    for (at, _) in found {
        spoil(&log.path(), at as u64 * 8);
    }
}

/// Who is told to have lost something, by who looks at a log and by who salvages it.
fn lost(log: &Log) -> (BTreeMap<coven_core::SessionId, Option<u64>>, Vec<String>) {
    let findings = inspect(&log.path(), &mut |_| {}).expect("it can be looked at");
    let (_, salvaged) = salvaged(log);
    let changed = salvaged.changed.iter();
    (
        findings.lost,
        changed.map(|it| it.session.to_string()).collect(),
    )
}

#[tokio::test]
async fn what_was_lost_before_its_output_was_trimmed_is_told_of_that_session_alone() {
    let log = empty();
    let store = log.open();
    for name in ["a", "b"] {
        with_three_segments(&store, name).await;
    }
    store.close().await;
    let (key, _) = segments(&log).pop().expect("three");
    let db = redb::Database::open(log.path()).expect("it is closed");
    let txn = db.begin_write().expect("a transaction");
    let mut segments = txn.open_table(SEGMENTS).expect("a table");
    segments.insert(key, b"damaged".as_slice()).expect("a row");
    drop(segments);
    txn.commit().expect("a commit");
    drop(db);
    let store = log.open();
    for name in ["a", "b"] {
        trim_all(&store, name).await;
    }
    store.close().await;
    let (found, changed) = lost(&log);
    assert_eq!(found, BTreeMap::from([(id("a"), None)]));
    assert_eq!(changed, ["a"]);
}

#[tokio::test]
async fn what_is_lost_after_its_output_was_trimmed_is_told_of_that_session_alone() {
    let log = empty();
    let store = log.open();
    for name in ["a", "b"] {
        with_three_segments(&store, name).await;
    }
    store.close().await;
    let store = log.open();
    for name in ["a", "b"] {
        trim_all(&store, name).await;
    }
    store.close().await;
    assert_eq!(segments(&log).len(), 3);
    damage_wherever_it_is(&log, b"the title of a");
    let (found, changed) = lost(&log);
    assert_eq!(found, BTreeMap::from([(id("a"), None)]));
    assert_eq!(changed, ["a"]);
}

#[tokio::test]
async fn whatever_page_is_gone_sessions_that_were_trimmed_are_told_if_they_lost_something_and_only_then()
 {
    let log = empty();
    let store = log.open();
    let names: Vec<String> = (0..8).map(|number| format!("session-{number}")).collect();
    for name in &names {
        with_three_segments(&store, name).await;
    }
    for name in &names {
        trim_all(&store, name).await;
    }
    store.close().await;
    let old = content_of(&log.copy()).await;
    let mut lossy = 0;
    let bytes = fs::read(log.path()).expect("a file");
    let pages = bytes.chunks(4096).enumerate().skip(1);
    // Those of trees.
    let pages = pages.filter(|(_, page)| matches!(page[..2], [1 | 2, 0]));
    for (page, _) in pages {
        let copy = log.copy();
        put(&copy.path(), page as u64 * PAGE_BYTES, &[0; 4096]);
        let (new, salvaged) = salvaged(&copy);
        let missing = compare(&old, &new, &salvaged, &format!("page {page}")).await;
        lossy += usize::from(missing > 0);
        if missing == 0 {
            assert_eq!(salvaged.changed, Vec::new(), "page {page}");
        }
    }
    assert!(lossy > 3, "{lossy}");
}
