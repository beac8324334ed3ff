//! Salvage of one session of which a part is lost: the rest, and what stands for that part.

#[path = "support/damage.rs"]
mod damage;
#[path = "support/salvaged.rs"]
mod salvaged;
mod support;

use std::collections::BTreeMap;

use coven_core::{Event, Record};
use coven_store::{Changed, Findings, Salvaged, inspect};
use damage::*;
use redb::{ReadableTable, TableDefinition};
use salvaged::*;
use support::*;

/// A log with one session, `a`, whose output fills several segments and that has ended, closed; and
/// everything of it.
async fn long() -> (Log, Content) {
    let log = empty();
    let store = log.open();
    running(&store, "a").await;
    for number in 0..30 {
        let data = noise(number + 1, 40_000);
        append(&store, "a", vec![output(number * 40_000, data)])
            .await
            .expect("it goes on");
    }
    let title = coven_core::Title::parse("its last title").expect("a title");
    let end = vec![Event::Titled { title }, output_closed(), exited(7)];
    append(&store, "a", end).await.expect("it ends");
    let content = content(&store).expect("it is whole");
    store.close().await;
    (log, content)
}

/// The same of a session that was trimmed when it had half of its output, and said more once it had it
/// all: what ended it is in a segment of its own.
async fn trimmed_and_long() -> Log {
    const LEN: u64 = 120_000;
    let log = empty();
    let store = log.open();
    running(&store, "a").await;
    for number in 0..20 {
        let data = noise(number + 1, 120_000);
        append(&store, "a", vec![output(number * LEN, data)])
            .await
            .expect("it goes on");
        if number == 10 {
            trim(&store, "a", 0, 4 * LEN).await;
            store.verify().expect("with that it is folded");
        }
    }
    store.verify().expect("with that it is folded");
    let end = vec![resized(), output_closed(), exited(7)];
    append(&store, "a", end).await.expect("it ends");
    store.close().await;
    log
}

/// Damages the segments of slot 1 that `which` picks out of so many.
fn damage_segments(log: &Log, which: impl Fn(usize, usize) -> bool) {
    const SEGMENTS: TableDefinition<(u64, u64), &[u8]> = TableDefinition::new("segments");
    let db = redb::Database::open(log.path()).expect("it is closed");
    let txn = db.begin_write().expect("a transaction");
    {
        let mut segments = txn.open_table(SEGMENTS).expect("a table");
        let rows = segments.iter().expect("rows");
        let keys: Vec<_> = rows.map(|row| row.expect("a row").0.value()).collect();
        assert!(keys.len() > 3, "{keys:?}");
        for (number, key) in keys.iter().enumerate() {
            if which(number, keys.len()) {
                segments.insert(*key, b"damaged".as_slice()).expect("a row");
            }
        }
    }
    txn.commit().expect("a commit");
}

/// What a session is after a part of it was damaged: its record, its output by offset, and what was
/// told.
async fn after_damage(
    which: impl Fn(usize, usize) -> bool,
) -> (Record, BTreeMap<u64, u8>, Content, Salvaged) {
    let (log, old) = long().await;
    damage_segments(&log, which);
    let (new, salvaged) = salvaged(&log);
    compare(&old, &new, &salvaged, "a part").await;
    goes_on(&new, &old).await;
    let content = content_of(&new).await;
    let records = content.records.iter();
    let record = records.clone().find(|it| it.session.id == id("a")).cloned();
    let output = content.output_of(&id("a"));
    (record.expect("it is there"), output, old, salvaged)
}

/// Bytes of output that are what they were, in their places.
fn same(old: &Content, output: &BTreeMap<u64, u8>) -> usize {
    let was = old.output_of(&id("a"));
    let is_same = |(at, byte): &(&u64, &u8)| was.get(at) == Some(*byte);
    output.iter().filter(is_same).count()
}

#[tokio::test]
async fn a_session_that_lost_its_middle_keeps_what_is_before_and_after_it_and_its_end() {
    let (record, output, old, salvaged) =
        after_damage(|number, _| number == 1 || number == 2).await;
    assert_eq!(
        record.session, old.records[0].session,
        "nothing of that was lost"
    );
    assert_eq!(output.len(), 30 * 40_000);
    assert!(same(&old, &output) > 10 * 40_000);
    let changed = &salvaged.changed[0];
    let kinds: Vec<_> = changed.stand_ins.iter().map(|(kind, _)| *kind).collect();
    assert_eq!(kinds, ["output"], "{changed:?}");
    assert_eq!(
        changed.lost_events,
        Some(changed.lost_output_bytes / 40_000)
    );
}

#[tokio::test]
async fn a_session_that_lost_its_beginning_is_what_its_record_says_and_keeps_the_rest() {
    let (record, output, old, salvaged) = after_damage(|number, _| number == 0).await;
    let was = &old.records[0];
    assert_eq!(record.session.phase, was.session.phase);
    assert_eq!(record.session.title, was.session.title);
    assert_eq!(record.session.harness, was.session.harness);
    assert_eq!(record.created_at, was.created_at);
    assert_eq!(
        output.len(),
        same(&old, &output),
        "nothing stands in for output"
    );
    assert!(output.len() > 20 * 40_000 && output.len() < 30 * 40_000);
    assert_eq!(
        record.session.trimmed_bytes,
        *output.keys().next().expect("some")
    );
    let kinds: Vec<_> = salvaged.changed[0]
        .stand_ins
        .iter()
        .map(|it| it.0)
        .collect();
    assert_eq!(kinds, ["created", "started", "trimmed"]);
}

#[tokio::test]
async fn a_session_that_lost_its_end_has_ended_as_its_record_says() {
    let (record, output, old, _) = after_damage(|number, count| number + 1 == count).await;
    let was = &old.records[0];
    assert_eq!(record.session.phase, was.session.phase);
    assert_eq!(record.session.output_bytes, 30 * 40_000);
    assert!(same(&old, &output) > 20 * 40_000);
}

/// What is told of a session that was trimmed and whose last output is damaged, by who salvages it and by
/// who looks at it.
async fn after_damage_of_the_last_output(
    damage: impl Fn(&redb::WriteTransaction),
) -> (Changed, Findings) {
    let log = trimmed_and_long().await;
    damage_segments(&log, |number, count| number + 2 == count);
    let db = redb::Database::open(log.path()).expect("it is closed");
    let txn = db.begin_write().expect("a transaction");
    damage(&txn);
    txn.commit().expect("a commit");
    drop(db);
    let findings = inspect(&log.path(), &mut |_| {}).expect("it can be looked at");
    let (new, mut salvaged) = salvaged(&log);
    let content = content_of(&new).await;
    assert!(content.records[0].session.phase.has_ended());
    let changed = salvaged.changed.pop().expect("it lost something");
    assert_eq!((&changed.session, salvaged.changed.len()), (&id("a"), 0));
    assert_eq!(changed.stand_ins, [], "what comes after it follows without");
    (changed, findings)
}

#[tokio::test]
async fn of_a_trimmed_session_it_is_told_how_much_of_its_last_output_is_lost() {
    let (changed, findings) = after_damage_of_the_last_output(|_| ()).await;
    assert_eq!(changed.lost_output_bytes % 120_000, 0);
    assert!(changed.lost_output_bytes > 0);
    assert_eq!(findings.lost, BTreeMap::from([(id("a"), None)]));
}

#[tokio::test]
async fn of_a_trimmed_session_it_is_told_that_events_are_lost_though_its_record_is_too() {
    const RECORDS: TableDefinition<u64, &[u8]> = TableDefinition::new("records");
    let (changed, findings) = after_damage_of_the_last_output(|txn| {
        let mut records = txn.open_table(RECORDS).expect("a table");
        records.insert(1, b"damaged".as_slice()).expect("a row");
    })
    .await;
    assert_eq!(changed.lost_output_bytes, 0, "nobody knows");
    assert_eq!(changed.lost_events, None);
    assert_eq!(findings.lost, BTreeMap::from([(id("a"), None)]));
}

#[tokio::test]
async fn a_session_whose_beginning_record_and_name_are_lost_keeps_the_rest_under_another() {
    const SLOTS: TableDefinition<u64, &[u8]> = TableDefinition::new("slots");
    const RECORDS: TableDefinition<u64, &[u8]> = TableDefinition::new("records");
    const IDS: TableDefinition<&str, u64> = TableDefinition::new("ids");
    const BY_CREATED: TableDefinition<(i64, &str), (u64, bool)> =
        TableDefinition::new("by_created");
    let (log, old) = long().await;
    damage_segments(&log, |number, _| number == 0);
    let db = redb::Database::open(log.path()).expect("it is closed");
    let txn = db.begin_write().expect("a transaction");
    for table in [SLOTS, RECORDS] {
        let mut table = txn.open_table(table).expect("a table");
        table.insert(1, b"damaged".as_slice()).expect("a row");
    }
    txn.delete_table(IDS).expect("it is there");
    txn.delete_table(BY_CREATED).expect("it is there");
    txn.commit().expect("a commit");
    drop(db);
    let (new, salvaged) = salvaged(&log);
    let content = content_of(&new).await;
    let record = &content.records[0];
    assert_eq!(record.session.id, id("salvaged-slot-1"));
    assert_eq!(record.session.phase, old.records[0].session.phase);
    assert_eq!(record.session.harness.as_str(), "unknown");
    let output = content.output_of(&record.session.id);
    let was = old.output_of(&id("a"));
    assert!(output.len() > 20 * 40_000 && output.iter().all(|(at, byte)| was[at] == *byte));
    assert_eq!(salvaged.changed[0].session, record.session.id);
}

#[tokio::test]
async fn a_session_of_which_no_event_is_left_is_still_there_and_has_ended() {
    let (record, _, old, salvaged) = after_damage(|_, _| true).await;
    let was = &old.records[0];
    assert_eq!(record.session.phase, was.session.phase);
    assert_eq!(record.session.title, was.session.title);
    assert_eq!(salvaged.changed[0].kept_events, 0);
}
