//! A page of the cold file that goes bad under a log that goes on: whatever was read before is read still.

#[path = "support/damage.rs"]
mod damage;
mod support;

use std::collections::{BTreeMap, BTreeSet};

use coven_core::{Envelope, Event, Seq};
use coven_store::{Store, inspect};
use damage::*;
use support::*;

const PAGE_BYTES: u64 = 4096;

/// What the bytes of a page become, from its first one on.
const DAMAGES: [&[u8]; 2] = [
    // It was never written.
    &[0; 4096],
    // It is a leaf that says it has more than it has.
    &[1, 0, 0x7f, 0x7f],
];

/// A log of which everything is folded, closed.
async fn folded_story() -> Log {
    let log = story().await;
    log.open().close().await;
    log
}

/// The events of each session that can be read whole.
fn readable(store: &Store) -> BTreeMap<String, Vec<Envelope>> {
    let names = (0..12).map(|number| format!("session-{number}"));
    let names = names.chain(["outside", "talking", "new"].map(str::to_owned));
    let read = |name: String| {
        let events = store.read(&id(&name), Seq::ZERO, ALL).ok()?;
        (!events.is_empty()).then_some((name, events))
    };
    names.filter_map(read).collect()
}

fn talking() -> Event {
    Event::Created {
        launch: Box::new(launch_in_conversation("another talk")),
        boot_id: None,
    }
}

/// Whatever was read before is read now, and is the same.
fn assert_all_there(
    now: &BTreeMap<String, Vec<Envelope>>,
    before: &BTreeMap<String, Vec<Envelope>>,
) {
    let lost = |(name, events): &(&String, &Vec<Envelope>)| now.get(*name) != Some(*events);
    let lost: Vec<_> = before.iter().filter(lost).map(|(name, _)| name).collect();
    assert!(lost.is_empty(), "{lost:?}, of {}", before.len());
}

/// In which tables of the cold file something is damaged.
fn tables_hit(log: &Log) -> BTreeSet<&'static str> {
    let findings = inspect(&log.path(), &mut |_| {}).expect("it can be looked at");
    let problems = findings.problems.iter();
    problems.filter_map(|problem| problem.table).collect()
}

#[tokio::test]
async fn whichever_page_goes_bad_a_fold_takes_no_session_away() {
    let log = folded_story().await;
    let pages = len(&log.path()) / PAGE_BYTES;
    let mut hit = BTreeSet::new();
    for (page, bytes) in (1..pages).flat_map(|page| DAMAGES.map(|bytes| (page, bytes))) {
        let copy = log.copy();
        put(&copy.path(), page * PAGE_BYTES, bytes);
        let tables = tables_hit(&copy);
        if tables.is_empty() {
            continue;
        }
        // Damage that is met at once lets nobody in.
        let Ok(store) = Store::open(&copy.path(), OPTIONS) else {
            continue;
        };
        println!("page {page}, of {tables:?}, became {:?}…", &bytes[..4]);
        hit.extend(tables);
        let before = readable(&store);
        let appended = append(&store, "fresh", vec![talking(), started()]).await;
        // It folds what there is.
        let _ = store.verify();
        assert_all_there(&readable(&store), &before);
        store.close().await;
        let store = copy.open();
        assert_all_there(&readable(&store), &before);
        if appended.is_ok() {
            assert_eq!(events_of(&store, "fresh").len(), 2);
        }
        store.close().await;
    }
    let met = [
        "by_conversation",
        "by_created",
        "erasing",
        "gone",
        "ids",
        "live",
        "order",
        "output",
        "records",
        "segments",
        "slots",
    ];
    assert!(met.iter().all(|table| hit.contains(table)), "{hit:?}");
}
