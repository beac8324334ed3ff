//! Lists: newest first, keyset pages, archived ones hidden or not.

mod support;

use coven_core::Event;
use coven_store::{Archived, Page, Position, Store};
use support::*;

fn page(before: Option<Position>, limit: usize, archived: Archived) -> Page {
    Page {
        before,
        limit,
        archived,
    }
}

/// All ids, read in pages of `limit`.
fn walk(store: &Store, limit: usize, archived: Archived) -> Vec<String> {
    let mut ids = Vec::new();
    let mut before = None;
    loop {
        let listing = store.list(&page(before, limit, archived)).expect("a read");
        assert!(listing.records.len() <= limit);
        ids.extend(listing.records.iter().map(|it| it.session.id.to_string()));
        before = listing.next;
        if before.is_none() {
            return ids;
        }
        assert_eq!(listing.records.len(), limit, "only the last page is short");
    }
}

async fn create_at(store: &Store, session: &str, nanos: i64) {
    let appended = store
        .append(batch_at(session, nanos, vec![created()]))
        .await;
    appended.expect("a new session");
}

#[tokio::test]
async fn sessions_are_listed_by_creation_then_id_the_greatest_first() {
    let home = Home::new();
    let store = home.open();
    for (session, nanos) in [("m", 5), ("z", -3), ("a", 5), ("b", 90), ("Z", 5)] {
        create_at(&store, session, nanos).await;
    }
    // What happens later does not move a session.
    append(&store, "z", vec![started()])
        .await
        .expect("it follows");
    for limit in 1..7 {
        let listed = walk(&store, limit, Archived::Hidden);
        assert_eq!(listed, ["b", "m", "a", "Z", "z"]);
    }
}

#[tokio::test]
async fn a_page_is_stable_while_sessions_come_and_go() {
    let home = Home::new();
    let store = home.open();
    for (session, nanos) in [("a", 1), ("b", 2), ("c", 3), ("d", 4)] {
        let events = vec![created(), started(), output_closed(), exited(0)];
        let appended = store.append(batch_at(session, nanos, events)).await;
        appended.expect("a new session");
    }
    let first = store
        .list(&page(None, 2, Archived::Hidden))
        .expect("a read");
    // The position itself goes away, and newer ones come.
    append(&store, "c", vec![Event::Deleted])
        .await
        .expect("it follows");
    create_at(&store, "e", 5).await;
    let second = store
        .list(&page(first.next, 2, Archived::Hidden))
        .expect("a read");
    let ids: Vec<_> = second
        .records
        .iter()
        .map(|it| it.session.id.as_str())
        .collect();
    assert_eq!(ids, ["b", "a"]);
    assert_eq!(second.next, None);
}

#[tokio::test]
async fn archived_sessions_are_listed_only_on_request_and_summoned_ones_again() {
    let home = Home::new();
    let store = home.open();
    for session in ["a", "b", "c"] {
        ended(&store, session).await;
    }
    append(&store, "b", vec![Event::Archived])
        .await
        .expect("it follows");
    assert_eq!(walk(&store, 1, Archived::Hidden), ["c", "a"]);
    assert_eq!(walk(&store, 1, Archived::Included), ["c", "b", "a"]);
    let record = store.record(&id("b")).expect("a read").expect("a record");
    assert!(record.session.archived && record.archived_at.is_some());
    append(&store, "b", vec![Event::Summoned])
        .await
        .expect("it follows");
    assert_eq!(walk(&store, 2, Archived::Hidden), ["c", "b", "a"]);
}

#[tokio::test]
async fn the_last_page_has_no_next_even_when_it_is_full() {
    let home = Home::new();
    let store = home.open();
    for session in ["a", "b"] {
        ended(&store, session).await;
    }
    let listing = store
        .list(&page(None, 2, Archived::Hidden))
        .expect("a read");
    assert_eq!((listing.records.len(), listing.next), (2, None));
}
