//! Deleting: the session is gone at once, its Seqs are never used again.

mod support;

use std::time::Duration;

use coven_core::{Event, HarnessId, Seq};
use coven_store::{AppendError, Archived, Page};
use support::*;

const EVERYTHING: Page = Page {
    before: None,
    limit: 100,
    archived: Archived::Included,
};

#[tokio::test]
async fn a_deleted_session_is_found_nowhere_but_its_end_is_told() {
    let home = Home::new();
    let store = home.open();
    let launch = Event::Created {
        launch: Box::new(launch_in_conversation("talk")),
        boot_id: None,
    };
    let events = vec![
        launch,
        started(),
        output(0, "secret"),
        output_closed(),
        exited(0),
    ];
    append(&store, "a", events).await.expect("new");
    ended(&store, "b").await;
    let deleted = append(&store, "a", vec![Event::Deleted])
        .await
        .expect("it follows");

    assert_eq!(store.record(&id("a")), Ok(None));
    assert_eq!(store.read(&id("a"), Seq::ZERO, ALL), Ok(Vec::new()));
    assert_eq!(store.output(&id("a"), 0, 100), Ok(Vec::new()));
    let codex = HarnessId::parse("codex").expect("an id");
    assert_eq!(store.by_conversation(&codex, "talk"), Ok(None));
    let listed = store.list(&EVERYTHING).expect("a read").records;
    assert_eq!(listed.len(), 1);
    let all = store.read_all(Seq::ZERO, ALL).expect("a read");
    let of_a: Vec<_> = all.iter().filter(|it| it.session == id("a")).collect();
    assert_eq!(of_a.len(), 1);
    assert_eq!(
        (of_a[0].seq, &of_a[0].event),
        (deleted.last, &Event::Deleted)
    );
    assert_eq!(all.len(), 5);
    assert_eq!(store.verify().expect("a read").problems, Vec::new());
}

#[tokio::test]
async fn seqs_go_on_after_a_deletion_and_a_restart() {
    let home = Home::new();
    let store = home.open();
    ended(&store, "a").await;
    let deleted = append(&store, "a", vec![Event::Deleted])
        .await
        .expect("it follows");
    assert_eq!(deleted.last, Seq::new(5));
    store.close().await;
    let store = home.open();
    assert_eq!(store.last_seq(), Seq::new(5));
    let next = append(&store, "b", vec![created()]).await.expect("new");
    assert_eq!(next.first, Seq::new(6));
}

#[tokio::test]
async fn a_deleted_id_is_not_launched_again_but_may_be_registered_again() {
    let home = Home::new();
    let store = home.open();
    ended(&store, "a").await;
    let deleted = append(&store, "a", vec![Event::Deleted])
        .await
        .expect("it follows");
    let again = append(&store, "a", vec![created()]).await;
    assert_eq!(again, Err(AppendError::Conflict { last: deleted.last }));
    let again = store.append(batch("a", Seq::ZERO, vec![created()])).await;
    assert_eq!(again, Err(AppendError::Conflict { last: deleted.last }));

    let complete = Event::Completed { exit_code: None };
    append(&store, "x", vec![registered("x"), complete, Event::Deleted])
        .await
        .expect("new");
    let again = store
        .append(batch("x", Seq::ZERO, vec![registered("x")]))
        .await
        .expect("its owner may");
    let record = store.record(&id("x")).expect("a read").expect("a record");
    assert_eq!(record.first_seq, again.first);
    assert_eq!(events_of(&store, "x").len(), 1);
    let all = store.read_all(deleted.last, ALL).expect("a read");
    assert_eq!(
        all.len(),
        2,
        "the first life's end and the second's beginning"
    );
}

#[tokio::test]
async fn deletion_wakes_those_who_follow_the_session() {
    let home = Home::new();
    let store = home.open();
    ended(&store, "a").await;
    let mut woken = store.watch(&id("a"));
    let mut other = store.watch(&id("b"));
    append(&store, "a", vec![Event::Deleted])
        .await
        .expect("it follows");
    tokio::time::timeout(Duration::from_secs(20), woken.changed())
        .await
        .expect("woken in time")
        .expect("the store is open");
    assert!(!other.has_changed().expect("the store is open"));
    other.mark_unchanged();
}
