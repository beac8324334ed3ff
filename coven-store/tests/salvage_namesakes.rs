//! Salvage of a log in which damage made two sessions of one id.

#[path = "support/damage.rs"]
mod damage;
#[path = "support/salvaged.rs"]
mod salvaged;
mod support;

use coven_core::Event;
use coven_store::{Changed, Loss, inspect};
use damage::*;
use redb::TableDefinition;
use salvaged::*;
use support::*;

const IDS: TableDefinition<&str, u64> = TableDefinition::new("ids");

fn change_ids(log: &Log, change: impl Fn(&mut redb::Table<'_, &str, u64>)) {
    let db = redb::Database::open(log.path()).expect("it is closed");
    let txn = db.begin_write().expect("a transaction");
    change(&mut txn.open_table(IDS).expect("a table"));
    txn.commit().expect("a commit");
}

/// A log with two sessions called `a`: slot 1, which ran and ended, and slot 2, which is told of by another only.
/// `ids` leads to the second.
async fn namesakes() -> Log {
    let log = empty();
    let store = log.open();
    ended(&store, "a").await;
    store.close().await;
    change_ids(&log, |ids| _ = ids.remove("a").expect("a row"));
    let store = log.open();
    append(&store, "a", vec![registered("a")])
        .await
        .expect("nobody is known to have that id");
    store.close().await;
    log
}

/// The sessions by name, and whether each is the one that is told of by another.
fn sessions(content: &Content) -> Vec<(&str, bool)> {
    let sessions = content.by_session.iter().map(|events| {
        let is_registered = matches!(events[0].event, Event::Registered { .. });
        (events[0].session.as_str(), is_registered)
    });
    let mut sessions: Vec<_> = sessions.collect();
    sessions.sort_unstable();
    sessions
}

fn kept(changed: &[Changed]) -> Vec<(&str, u64, Option<u64>)> {
    changed
        .iter()
        .map(|it| (it.session.as_str(), it.kept_events, it.lost_events))
        .collect()
}

#[tokio::test]
async fn of_two_sessions_of_one_id_the_one_that_it_leads_to_keeps_it_and_the_other_is_whole_too() {
    for (leads_to, renamed, count) in [(2, "salvaged-slot-1", 4), (1, "salvaged-slot-2", 1)] {
        let log = namesakes().await;
        change_ids(&log, |ids| _ = ids.insert("a", leads_to).expect("a row"));
        let findings = inspect(&log.path(), &mut |_| {}).expect("it can be looked at");
        let (new, salvaged) = salvaged(&log);
        assert_eq!(kept(&salvaged.changed), [(renamed, count, Some(0))]);
        assert_eq!(salvaged.events, findings.events);
        assert!(findings.lost.is_empty(), "{:?}", findings.lost);
        let expected = [("a", leads_to == 2), (renamed, leads_to == 1)];
        assert_eq!(sessions(&content_of(&new).await), expected);
    }
}

#[tokio::test]
async fn of_two_sessions_of_one_id_that_leads_nowhere_the_one_with_the_newest_events_keeps_it() {
    let log = namesakes().await;
    change_ids(&log, |ids| _ = ids.remove("a").expect("a row"));
    let (new, salvaged) = salvaged(&log);
    assert_eq!(kept(&salvaged.changed), [("salvaged-slot-1", 4, Some(0))]);
    let expected = [("a", true), ("salvaged-slot-1", false)];
    assert_eq!(sessions(&content_of(&new).await), expected);
}

#[tokio::test]
async fn who_looks_at_a_log_is_told_that_two_sessions_have_one_id() {
    let log = namesakes().await;
    let findings = inspect(&log.path(), &mut |_| {}).expect("it can be looked at");
    let problem = findings
        .problems
        .iter()
        .find(|it| it.table == Some("ids"))
        .expect("it is told");
    assert_eq!(problem.session, Some(id("a")));
    assert_eq!(
        (problem.place.as_deref(), problem.loss),
        (Some("slot 1"), Loss::Name)
    );
    assert_eq!(findings.unreadable.get(&id("a")), Some(&None));
}

#[tokio::test]
async fn of_two_sessions_of_one_id_none_is_gone_without_a_word_though_all_its_events_are() {
    const SEGMENTS: TableDefinition<(u64, u64), &[u8]> = TableDefinition::new("segments");
    let log = namesakes().await;
    change_ids(&log, |ids| _ = ids.remove("a").expect("a row"));
    let db = redb::Database::open(log.path()).expect("it is closed");
    let txn = db.begin_write().expect("a transaction");
    let mut segments = txn.open_table(SEGMENTS).expect("a table");
    segments
        .retain(|(slot, _), _| slot != 2)
        .expect("rows that can be read");
    drop(segments);
    txn.commit().expect("a commit");
    drop(db);
    let (new, salvaged) = salvaged(&log);
    assert_eq!(kept(&salvaged.changed), [("salvaged-slot-2", 0, Some(1))]);
    let expected = [("a", false), ("salvaged-slot-2", true)];
    assert_eq!(sessions(&content_of(&new).await), expected);
}

#[tokio::test]
async fn two_sessions_of_one_id_are_deleted_in_a_place_each_where_one_is_said_of_both() {
    const GONE: TableDefinition<&str, u64> = TableDefinition::new("gone");
    let log = namesakes().await;
    change_ids(&log, |ids| _ = ids.remove("a").expect("a row"));
    let db = redb::Database::open(log.path()).expect("it is closed");
    let txn = db.begin_write().expect("a transaction");
    let mut gone = txn.open_table(GONE).expect("a table");
    gone.insert("a", 6).expect("a row");
    drop(gone);
    txn.commit().expect("a commit");
    drop(db);
    let (new, salvaged) = salvaged(&log);
    assert_eq!(salvaged.sessions, 0);
    let each_lost_its_deletion = [("a", 0, Some(1)); 2];
    assert_eq!(kept(&salvaged.changed), each_lost_its_deletion);
    let found = inspect(&new.path(), &mut |_| {}).expect("it can be looked at");
    assert_eq!(found.problems, []);
    let store = new.open();
    assert_eq!(store.was_deleted(&id("a")), Ok(true));
    store.close().await;
}
