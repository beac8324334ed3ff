//! Salvage: what is whole in a damaged log is in the new one as it was, and nothing else is.

#[path = "support/damage.rs"]
mod damage;
mod support;

use std::collections::BTreeMap;
use std::fs;

use coven_core::{Envelope, Event, Record, Seq};
use coven_store::{Changed, Findings, SalvageError, Salvaged, inspect, salvage};
use damage::*;
use redb::{ReadableTable, TableDefinition};
use support::*;

/// A log to salvage into.
fn empty() -> Log {
    Log {
        dir: tempfile::tempdir().expect("a temporary folder"),
    }
}

fn salvaged(log: &Log) -> (Log, Salvaged) {
    let new = empty();
    let salvaged = salvage(&log.path(), &new.path(), &mut |_| {}).expect("it is salvaged");
    let findings = inspect(&new.path(), &mut |_| {}).expect("it can be looked at");
    assert_eq!(findings.problems, Vec::new());
    (new, salvaged)
}

async fn content_of(log: &Log) -> Content {
    let store = log.open();
    let content = content(&store).expect("it is whole");
    store.close().await;
    content
}

fn is_stand_in(envelope: &Envelope) -> bool {
    let client = envelope.actor.as_ref().and_then(|it| it.client.as_deref());
    client == Some("coven-salvage")
}

/// Everything in the new log was in the old one or says that it stands for something; what is
/// missing is told. Returns how many events are missing.
async fn compare(old: &Content, new: &Log, salvaged: &Salvaged, what: &str) -> usize {
    let content = content_of(new).await;
    let before: BTreeMap<Seq, &Envelope> = old.events.iter().map(|it| (it.seq, it)).collect();
    let mut kept = 0;
    for envelope in &content.events {
        // A deletion that is lost did not happen, as far as can be told.
        let is_back = salvaged.newest_is_lost && envelope.session == id("session-2");
        let is_here = before.get(&envelope.seq) == Some(&envelope);
        kept += usize::from(is_here);
        assert!(
            is_here || is_stand_in(envelope) || is_back,
            "{what}: {envelope:?}"
        );
    }
    let missing = old.events.len() - kept;
    for record in &old.records {
        let of = |events: &[Envelope]| -> Vec<Envelope> {
            let of = events.iter().filter(|it| it.session == record.session.id);
            of.filter(|it| !is_stand_in(it)).cloned().collect()
        };
        let (was, is) = (of(&old.events), of(&content.events));
        // What was in a commit that is lost is not known of any session.
        let is_traced = salvaged.untraced == 0 || !is.is_empty();
        if was != is && is_traced {
            let mut changed = salvaged.changed.iter();
            let changed = changed.find(|it| it.session == record.session.id);
            let lost = (was.len() - is.len()) as u64;
            match changed {
                Some(changed) => assert!(
                    changed.lost_events.is_none_or(|told| told == lost),
                    "{what} {changed:?} {lost}"
                ),
                // What it lost last may be known of no session.
                None => assert!(salvaged.newest_is_lost, "{what}: {}", record.session.id),
            }
        }
    }
    missing
}

/// Seqs go on where the old log's ended, or later.
async fn goes_on(log: &Log, old: &Content) {
    let store = log.open();
    let last = old.events.last().expect("some").seq;
    let appended = running(&store, "after").await;
    let first = events_of(&store, "after").first().expect("an event").seq;
    assert!(first > last && appended.last >= first, "{first} {last}");
    store.close().await;
}

#[tokio::test]
async fn a_log_that_is_whole_comes_out_the_same_and_goes_on_after_it() {
    let log = story().await;
    let bytes = || [log.path(), log.journal()].map(|path| fs::read(path).expect("a file"));
    let before = bytes();
    let (new, salvaged) = salvaged(&log);
    assert!(before == bytes(), "it is not written to");
    assert_eq!(salvaged.changed, Vec::new());
    // What was trimmed or deleted may be there still. Whoever compares the numbers is to miss nothing.
    let read = inspect(&log.path(), &mut |_| {}).expect("it can be looked at");
    assert_eq!(read.events, salvaged.events + salvaged.let_go);
    assert!(salvaged.let_go > 0, "{salvaged:?}");
    let old = content_of(&log).await;
    assert!(old == content_of(&new).await);
    goes_on(&new, &old).await;
}

#[tokio::test]
async fn nothing_is_written_where_something_is() {
    let log = story().await;
    let new = empty();
    fs::write(new.journal(), "something").expect("a write");
    let refused = salvage(&log.path(), &new.path(), &mut |_| {});
    assert!(
        matches!(refused, Err(SalvageError::Exists { .. })),
        "{refused:?}"
    );
    assert_eq!(fs::read(new.journal()).expect("a file"), b"something");
    assert!(!new.path().exists());
}

#[tokio::test]
async fn what_a_bit_that_turned_does_not_hit_is_brought_back_byte_for_byte() {
    let log = story().await;
    let old = content_of(&log.copy()).await;
    let mut lossy = 0;
    for (number, at) in chance(5).take(120).enumerate() {
        let copy = log.copy();
        let path = [copy.path(), copy.journal()][number % 2].clone();
        let bit = at % (len(&path) * 8);
        flip(&path, bit);
        let (new, salvaged) = salvaged(&copy);
        let missing = compare(&old, &new, &salvaged, &format!("{number}: bit {bit}")).await;
        // One segment, or one commit.
        assert!(
            salvaged.changed.len() <= 2,
            "{number}: bit {bit} {salvaged:?}"
        );
        lossy += usize::from(missing > 0);
        if number % 10 == 0 {
            goes_on(&new, &old).await;
        }
    }
    assert!(lossy > 5, "{lossy}");
}

#[tokio::test]
async fn what_a_torn_page_does_not_hit_is_brought_back_byte_for_byte() {
    let log = story().await;
    let old = content_of(&log.copy()).await;
    let mut lossy = 0;
    for path in [Log::path, Log::journal] {
        let pages = len(&path(&log)) / 4096;
        for page in (0..pages.min(60)).chain((60..pages).step_by(9)) {
            let copy = log.copy();
            let half = if page % 2 == 0 { 0 } else { 2048 };
            put(
                &path(&copy),
                page * 4096 + half as u64,
                &vec![0; 4096 - half],
            );
            let (new, salvaged) = salvaged(&copy);
            let missing = compare(&old, &new, &salvaged, &format!("page {page}")).await;
            assert!(
                missing < old.events.len() / 3,
                "page {page}: {missing} {salvaged:?}"
            );
            lossy += usize::from(missing > 0);
        }
    }
    assert!(lossy > 5, "{lossy}");
}

type Damage = fn(&Log);

#[tokio::test]
async fn what_is_left_of_files_that_were_cut_replaced_or_lost_is_brought_back() {
    let log = story().await;
    let old = content_of(&log.copy()).await;
    let damages: [(&str, Damage); 7] = [
        ("cut", |log| cut(&log.path(), len(&log.path()) * 2 / 3)),
        ("cut short", |log| cut(&log.path(), 10_000)),
        ("journal cut", |log| {
            cut(&log.journal(), len(&log.journal()) / 2);
        }),
        ("no journal", |log| {
            fs::remove_file(log.journal()).expect("it is there");
        }),
        ("no cold file", |log| {
            fs::remove_file(log.path()).expect("it is there");
        }),
        ("junk", |log| {
            fs::write(log.path(), noise(4, 300_000)).expect("a write");
        }),
        ("no header", |log| {
            put(&log.path(), 0, &[0; 4096]);
            put(&log.journal(), 0, &[0; 4096]);
        }),
    ];
    for (what, damage) in damages {
        let copy = log.copy();
        damage(&copy);
        let (new, salvaged) = salvaged(&copy);
        let missing = compare(&old, &new, &salvaged, what).await;
        if what == "no header" {
            assert_eq!(missing, 0, "{salvaged:?}");
        }
        goes_on(&new, &old).await;
    }
}

#[tokio::test]
async fn a_hole_in_the_output_is_as_long_as_what_was_lost_and_says_so() {
    let log = story().await;
    let old = content_of(&log.copy()).await;
    let mut holes = 0;
    for page in 1..len(&log.path()) / 4096 {
        let copy = log.copy();
        flip(&copy.path(), (page * 4096 + 900) * 8);
        let (new, salvaged) = salvaged(&copy);
        let content = content_of(&new).await;
        for changed in salvaged
            .changed
            .iter()
            .filter(|it| it.lost_output_bytes > 0)
        {
            let was = old.output_of(&changed.session);
            let is = content.output_of(&changed.session);
            let differs = |(at, byte): &(&u64, &u8)| was.get(at).is_some_and(|was| was != *byte);
            let lost = is.iter().filter(differs).count() as u64;
            let trimmed = is.keys().next().copied().unwrap_or(0);
            assert!(lost + trimmed <= changed.lost_output_bytes, "{changed:?}");
            if changed.stand_ins.iter().any(|(kind, _)| *kind == "output") {
                let bytes: Vec<u8> = is.into_values().collect();
                let text = String::from_utf8_lossy(&bytes).into_owned();
                assert!(
                    text.contains("bytes of output were lost here"),
                    "{changed:?}"
                );
                holes += 1;
            }
        }
    }
    assert!(holes > 0, "{holes}");
}

/// A session's beginning and its first output, and the log closed.
async fn begun(log: &Log, session: &str, said: &str) {
    let store = log.open();
    running(&store, session).await;
    append(&store, session, vec![output(0, said.to_owned())])
        .await
        .expect("it goes on");
    store.close().await;
}

/// The journal as it is when more of a session was said, which is not folded.
async fn journal_with(log: &Log, session: &str, offset: u64, said: &str) -> Vec<u8> {
    let store = log.open();
    if offset == 0 {
        running(&store, session).await;
    }
    append(&store, session, vec![output(offset, said.to_owned())])
        .await
        .expect("it goes on");
    let journal = fs::read(log.journal()).expect("a file");
    store.close().await;
    journal
}

#[tokio::test]
async fn nothing_of_another_logs_journal_is_put_into_a_session_of_this_one() {
    let (log, other) = (empty(), empty());
    begun(&log, "a", "0123456789").await;
    let old = content_of(&log).await;
    begun(&other, "b", "9876543210").await;
    let journal = journal_with(&other, "b", 10, "a secret of b").await;
    fs::write(log.journal(), journal).expect("a write");
    let (new, salvaged) = salvaged(&log);
    assert!(salvaged.newest_is_lost, "{salvaged:?}");
    assert_eq!(salvaged.changed, []);
    assert!(old == content_of(&new).await);
}

#[tokio::test]
async fn nothing_of_a_session_that_a_copy_of_the_log_had_is_put_into_another_of_the_same_slot() {
    let log = empty();
    begun(&log, "before", "both have it").await;
    let copy = log.copy();
    begun(&log, "a", "0123456789").await;
    let old = content_of(&log).await;
    let journal = journal_with(&copy, "b", 0, "a secret of b").await;
    fs::write(log.journal(), journal).expect("a write");
    let (new, salvaged) = salvaged(&log);
    assert!(salvaged.newest_is_lost, "{salvaged:?}");
    assert!(old == content_of(&new).await);
}

/// Turns a bit wherever `text` is in the journal, in older states of its pages, too.
fn damage_in_the_journal(log: &Log, text: &[u8]) {
    let bytes = fs::read(log.journal()).expect("a file");
    let windows = bytes.windows(text.len()).enumerate();
    let found: Vec<usize> = windows
        .filter(|(_, window)| *window == text)
        .map(|(at, _)| at)
        .collect();
    assert!(!found.is_empty(), "it is nowhere in the journal");
    for at in found {
        flip(&log.journal(), at as u64 * 8);
    }
}

#[tokio::test]
async fn how_many_events_were_in_a_commit_that_cannot_be_read_is_not_said_of_who_lost_some_there() {
    let log = empty();
    let store = log.open();
    running(&store, "a").await;
    store.close().await;
    // From here on nothing is folded.
    let store = log.open();
    for (offset, said) in [(0, "before it"), (9, "lost with"), (18, "behind it")] {
        append(&store, "a", vec![output(offset, said)])
            .await
            .expect("it goes on");
    }
    let damaged = log.copy();
    store.close().await;
    damage_in_the_journal(&damaged, b"lost with");
    let found = inspect(&damaged.path(), &mut |_| {}).expect("it can be looked at");
    assert_eq!(found.lost, BTreeMap::from([(id("a"), None)]));
    let (_, salvaged) = salvaged(&damaged);
    assert!(salvaged.newest_is_lost);
    let [changed] = &salvaged.changed[..] else {
        panic!("{salvaged:?}");
    };
    assert_eq!((changed.kept_events, changed.lost_events), (4, None));
    assert_eq!(changed.lost_output_bytes, 9);
    assert_eq!(changed.stand_ins, [("output", 1)]);
}

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
