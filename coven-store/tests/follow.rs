//! Following: a wake-up for every commit, none for those it does not concern.

mod support;

use std::time::Duration;

use coven_core::{Envelope, Seq};
use coven_store::{ReadLimit, Store};
use support::*;
use tokio::sync::watch;

async fn woken(channel: &mut watch::Receiver<Seq>) {
    tokio::time::timeout(Duration::from_secs(30), channel.changed())
        .await
        .expect("woken in time")
        .expect("the store is open");
}

#[tokio::test]
async fn a_session_s_followers_wake_for_it_alone_and_the_log_s_for_all() {
    let home = Home::new();
    let store = home.open();
    let (mut of_a, of_b, mut all) = (
        store.watch(&id("a")),
        store.watch(&id("b")),
        store.committed(),
    );
    let appended = running(&store, "a").await;
    woken(&mut of_a).await;
    woken(&mut all).await;
    assert_eq!(*all.borrow_and_update(), appended.last);
    assert_eq!(store.last_seq(), appended.last);
    assert!(!of_b.has_changed().expect("the store is open"));
    running(&store, "b").await;
    assert!(of_b.has_changed().expect("the store is open"));
    assert!(!of_a.has_changed().expect("the store is open"));
}

#[tokio::test]
async fn what_a_wake_up_tells_of_can_be_read() {
    let home = Home::new();
    let store = home.open();
    let mut all = store.committed();
    let writer = store.clone();
    let writing = tokio::spawn(async move {
        running(&writer, "a").await;
        for offset in 0..100 {
            let appended = append(&writer, "a", vec![output(offset, "x")]).await;
            appended.expect("it follows");
        }
    });
    let mut told = Seq::ZERO;
    while told < Seq::new(102) {
        woken(&mut all).await;
        told = *all.borrow_and_update();
        let last = store.read_all(Seq::ZERO, ALL).expect("a read").pop();
        assert!(last.expect("an event").seq >= told);
    }
    writing.await.expect("no panic");
}

/// Follows a session as a slow reader does: a page at each wake-up.
async fn follow(store: Store, session: &'static str, last: Seq) -> Vec<Envelope> {
    let mut channel = store.watch(&id(session));
    let mut seen: Vec<Envelope> = Vec::new();
    loop {
        let after = seen.last().map_or(Seq::ZERO, |it| it.seq);
        let limit = ReadLimit {
            events: 7,
            bytes: 1 << 20,
        };
        let page = store.read(&id(session), after, limit).expect("a read");
        if !page.is_empty() {
            seen.extend(page);
        } else if after >= last {
            return seen;
        } else {
            woken(&mut channel).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn followers_see_every_event_once_however_slow_they_are() {
    let home = Home::new();
    let store = home.open();
    running(&store, "a").await;
    let followers: Vec<_> = (0..100)
        .map(|_| tokio::spawn(follow(store.clone(), "a", Seq::new(302))))
        .collect();
    for offset in 0..300 {
        let appended = append(&store, "a", vec![output(offset, "x")]).await;
        appended.expect("it follows");
    }
    let whole = events_of(&store, "a");
    for follower in followers {
        assert_eq!(follower.await.expect("no panic"), whole);
    }
}
