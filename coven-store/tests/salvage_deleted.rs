//! Salvage of sessions that were deleted: each stays so, and it is told whose deletion is lost.

#[path = "support/damage.rs"]
mod damage;
#[path = "support/salvaged.rs"]
mod salvaged;
mod support;

use std::collections::BTreeMap;
use std::fs;

use coven_core::{Envelope, Event, Seq, SessionId};
use coven_store::{Store, inspect};
use damage::*;
use redb::TableDefinition;
use salvaged::*;
use support::*;

const SEGMENTS: TableDefinition<(u64, u64), &[u8]> = TableDefinition::new("segments");

async fn deleted(store: &Store, session: &str) {
    append(store, session, vec![Event::Deleted])
        .await
        .expect("it is deleted");
}

/// A log, closed, with a session that lives and so many that were deleted long ago, of each of which its deletion
/// alone is left.
async fn with_deleted(count: usize) -> Log {
    let log = empty();
    let store = log.open();
    ended(&store, "alive").await;
    for number in 0..count {
        let name = format!("deleted-{number}");
        ended(&store, &name).await;
        deleted(&store, &name).await;
    }
    assert!(store.verify().expect("with that it is folded").is_whole());
    store.close().await;
    log
}

async fn events(log: &Log) -> Vec<Envelope> {
    let store = log.open();
    let events = store.read_all(Seq::ZERO, ALL).expect("a read");
    store.close().await;
    events
}

/// What a salvage tells of sessions: how many events each kept and lost, and what stands for those.
type Told = Vec<(String, u64, Option<u64>, Vec<(&'static str, u64)>)>;

/// What is told of a log by who salvages it and by who looks at it, and what comes out of it.
async fn told(log: &Log) -> (Told, BTreeMap<SessionId, Option<u64>>, Vec<Envelope>) {
    let findings = inspect(&log.path(), &mut |_| {}).expect("it can be looked at");
    let (new, salvaged) = salvaged(log);
    assert!(!salvaged.newest_is_lost, "{salvaged:?}");
    let changed = salvaged.changed.into_iter();
    let told = changed.map(|it| {
        let name = it.session.to_string();
        (name, it.kept_events, it.lost_events, it.stand_ins)
    });
    (told.collect(), findings.lost, events(&new).await)
}

#[tokio::test]
async fn whatever_page_is_gone_those_are_told_whose_deletion_is_lost_and_only_they() {
    let log = with_deleted(40).await;
    let of_deleted = |events: &[Envelope]| -> Vec<Envelope> {
        let events = events.iter().filter(|it| it.session != id("alive"));
        events.cloned().collect()
    };
    let old = of_deleted(&events(&log).await);
    assert_eq!(old.len(), 40);
    let bytes = fs::read(log.path()).expect("a file");
    let pages = bytes.chunks(4096).enumerate().skip(1);
    // Those of trees.
    let pages = pages.filter(|(_, page)| matches!(page[..2], [1 | 2, 0]));
    let (mut lossy, mut lossless) = (0, 0);
    for (page, _) in pages {
        let copy = log.copy();
        put(&copy.path(), page as u64 * PAGE_BYTES, &[0; 4096]);
        let (mut told, mut found, now) = told(&copy).await;
        told.retain(|(session, ..)| session != "alive");
        found.remove(&id("alive"));
        let now = of_deleted(&now);
        let places = |events: &[Envelope]| -> Vec<(Seq, SessionId)> {
            let events = events.iter();
            events.map(|it| (it.seq, it.session.clone())).collect()
        };
        assert_eq!(places(&now), places(&old), "page {page}");
        let lost = old.iter().filter(|it| !now.contains(it));
        let lost: Vec<_> = lost.map(|it| it.session.clone()).collect();
        let stood_for = |id: &SessionId| (id.to_string(), 0, Some(1), vec![("deleted", 1)]);
        assert_eq!(told, lost.iter().map(stood_for).collect::<Vec<_>>());
        let lost: BTreeMap<_, _> = lost.into_iter().map(|id| (id, Some(1))).collect();
        lossy += usize::from(!lost.is_empty());
        lossless += usize::from(lost.is_empty());
        assert_eq!(found, lost, "page {page}");
    }
    assert!(lossy > 0 && lossless > 0, "{lossy} {lossless}");
}

/// Damages the segments of some slots.
fn damage_segments(log: &Log, slots: &[u64]) {
    let db = redb::Database::open(log.path()).expect("it is closed");
    let txn = db.begin_write().expect("a transaction");
    let mut segments = txn.open_table(SEGMENTS).expect("a table");
    let rows = redb::ReadableTable::iter(&segments).expect("rows");
    let keys: Vec<_> = rows.map(|row| row.expect("a row").0.value()).collect();
    for key in keys.into_iter().filter(|(slot, _)| slots.contains(slot)) {
        segments.insert(key, b"damaged".as_slice()).expect("a row");
    }
    drop(segments);
    txn.commit().expect("a commit");
}

#[tokio::test]
async fn of_an_id_whose_sessions_were_deleted_one_after_the_other_all_deletions_that_are_lost_are_told()
 {
    let log = empty();
    let store = log.open();
    for _ in 0..3 {
        let complete = Event::Completed { exit_code: None };
        append(&store, "a", vec![registered("a"), complete])
            .await
            .expect("its id is free");
        deleted(&store, "a").await;
    }
    store.close().await;
    damage_segments(&log, &[1, 3]);
    let (told, found, now) = told(&log).await;
    let lost = || ("a".to_owned(), 0, Some(1), vec![("deleted", 1)]);
    assert_eq!(told, [lost(), lost()]);
    assert_eq!(found, BTreeMap::from([(id("a"), Some(2))]));
    assert!(now.iter().all(|it| it.event == Event::Deleted));
    assert_eq!(now.iter().filter(|it| is_stand_in(it)).count(), 2);
}

#[tokio::test]
async fn a_session_that_was_deleted_and_whose_name_is_lost_is_told_under_its_new_one() {
    const SLOTS: TableDefinition<u64, &[u8]> = TableDefinition::new("slots");
    const GONE: TableDefinition<&str, u64> = TableDefinition::new("gone");
    let log = with_deleted(1).await;
    let db = redb::Database::open(log.path()).expect("it is closed");
    let txn = db.begin_write().expect("a transaction");
    let mut slots = txn.open_table(SLOTS).expect("a table");
    slots.insert(2, b"damaged".as_slice()).expect("a row");
    drop(slots);
    txn.delete_table(GONE).expect("it is there");
    txn.commit().expect("a commit");
    drop(db);
    let (told, found, now) = told(&log).await;
    assert_eq!(told, [("salvaged-slot-2".to_owned(), 1, Some(0), vec![])]);
    assert_eq!(found, BTreeMap::new());
    let newest = now.last().expect("some");
    assert_eq!(
        (newest.session.as_str(), &newest.event),
        ("salvaged-slot-2", &Event::Deleted)
    );
    assert!(!is_stand_in(newest));
}
