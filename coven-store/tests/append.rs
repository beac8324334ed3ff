//! Appending: durable, all or nothing, in order, one Seq over all sessions.

mod support;

use coven_core::{Event, PhaseName, Seq, Timestamp};
use coven_store::limits::{MAX_BATCH_BYTES, MAX_BATCH_EVENTS};
use coven_store::{AppendError, Batch, NewEvent, Urgency};
use support::*;

#[tokio::test]
async fn what_was_appended_is_read_back_the_same() {
    let home = Home::new();
    let store = home.open();
    let new = |nanos, event| NewEvent {
        at: Timestamp::from_nanos(nanos),
        actor: Some(actor()),
        event,
    };
    let data = noise(1, 5000);
    let appended = store
        .append(Batch {
            session: id("a"),
            events: vec![
                new(-5, created()),
                new(10, started()),
                new(11, output(0, data.clone())),
            ],
            after: Some(Seq::ZERO),
            urgency: Urgency::Control,
        })
        .await
        .expect("a new session");
    assert_eq!((appended.first, appended.last), (Seq::new(1), Seq::new(3)));
    let check = |store: &coven_store::Store| {
        let events = events_of(store, "a");
        assert_eq!(events.len(), 3);
        assert_eq!(events[0].event, created());
        assert_eq!(events[0].at, Timestamp::from_nanos(-5));
        assert_eq!(events[0].actor, Some(actor()));
        assert_eq!(events[1].event, started());
        assert_eq!(events[2].event, output(0, data.clone()));
        assert_eq!(events[2].seq, Seq::new(3));
        let record = store.record(&id("a")).expect("a read");
        assert_eq!(record.as_ref(), Some(&appended.record));
    };
    check(&store);
    store.close().await;
    check(&home.open());
}

#[tokio::test]
async fn a_batch_that_the_session_cannot_follow_leaves_nothing_behind() {
    let home = Home::new();
    let store = home.open();
    running(&store, "a").await;
    let before = events_of(&store, "a");
    let refused = append(&store, "a", vec![output(0, "x"), output(7, "y")]).await;
    let Err(AppendError::Illegal(illegal)) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(illegal.from, PhaseName::Running);
    assert_eq!(events_of(&store, "a"), before);
    let next = append(&store, "a", vec![output(0, "x")]).await;
    assert_eq!(next.expect("it follows").first, Seq::new(3));
}

#[tokio::test]
async fn a_caller_that_missed_an_event_is_told_which_was_last() {
    let home = Home::new();
    let store = home.open();
    let last = running(&store, "a").await.last;
    let behind = store
        .append(batch("a", Seq::new(1), vec![output(0, "x")]))
        .await;
    assert_eq!(behind, Err(AppendError::Conflict { last }));
    let again = store.append(batch("a", Seq::ZERO, vec![created()])).await;
    assert_eq!(again, Err(AppendError::Conflict { last }));
    let absent = store.append(batch("b", Seq::new(2), vec![created()])).await;
    assert_eq!(absent, Err(AppendError::Conflict { last: Seq::ZERO }));
    let current = store.append(batch("a", last, vec![output(0, "x")])).await;
    assert!(current.is_ok(), "{current:?}");
}

#[tokio::test]
async fn batches_over_a_limit_or_empty_are_refused() {
    let home = Home::new();
    let store = home.open();
    let empty = append(&store, "a", Vec::new()).await;
    assert!(matches!(
        empty,
        Err(AppendError::TooLarge { events: 0, .. })
    ));
    let many = append(&store, "a", vec![created(); MAX_BATCH_EVENTS + 1]).await;
    assert!(matches!(many, Err(AppendError::TooLarge { .. })));
    let large = vec![output(0, vec![0x1b; MAX_BATCH_BYTES])];
    let large = append(&store, "a", large).await;
    assert!(matches!(large, Err(AppendError::TooLarge { .. })));
    running(&store, "a").await;
    let largest = vec![output(0, noise(3, MAX_BATCH_BYTES - 64))];
    append(&store, "a", largest).await.expect("it just fits");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn seqs_are_one_counter_over_sessions_that_write_at_once() {
    let home = Home::new();
    let store = home.open();
    let writers: Vec<_> = (0..8)
        .map(|n| {
            let store = store.clone();
            tokio::spawn(async move {
                let session = format!("s{n}");
                let mut last = running(&store, &session).await.last;
                for offset in 0..50 {
                    let events = vec![output(offset, "x")];
                    let appended = store.append(batch(&session, last, events)).await;
                    last = appended.expect("nobody else writes to it").last;
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.expect("no panic");
    }
    let all = store.read_all(Seq::ZERO, ALL).expect("a read");
    let seqs: Vec<u64> = all.iter().map(|envelope| envelope.seq.get()).collect();
    assert_eq!(seqs, (1..=8 * 52).collect::<Vec<_>>());
    let health = store.health();
    assert!(
        health.transactions < health.committed_events / 2,
        "syncs are shared: {health:?}"
    );
    let findings = store.verify().expect("a read");
    assert_eq!((findings.sessions, findings.problems), (8, Vec::new()));
}

#[tokio::test]
async fn an_appended_record_is_what_its_events_fold_to() {
    let home = Home::new();
    let store = home.open();
    let mut folded = None;
    let events = [created(), started(), output(0, "x"), Event::KillRequested];
    for event in events {
        let appended = append(&store, "a", vec![event]).await.expect("it follows");
        let newest = events_of(&store, "a").pop().expect("an event");
        folded = Some(coven_core::Record::fold(folded, &newest).expect("it follows"));
        assert_eq!(Some(appended.record), folded);
    }
}

#[tokio::test]
async fn a_batch_queued_before_the_last_clone_is_dropped_is_written() {
    let home = Home::new();
    let store = home.open();
    let mut waiting = Box::pin(append(&store, "a", vec![created()]));
    // Polled once, so that it is queued; then the caller goes away.
    tokio::select! {
        biased;
        done = &mut waiting => drop(done),
        () = std::future::ready(()) => {}
    }
    drop(waiting);
    store.close().await;
    let store = home.open();
    assert_eq!(events_of(&store, "a").len(), 1);
}

#[tokio::test]
async fn a_closed_store_says_so_to_its_other_clones() {
    let home = Home::new();
    let store = home.open();
    let other = store.clone();
    append(&store, "a", vec![created()]).await.expect("new");
    let mut woken = other.committed();
    store.close().await;
    let late = append(&other, "b", vec![created()]).await;
    assert_eq!(late, Err(AppendError::Closed));
    let read = other.record(&id("a"));
    assert_eq!(read, Err(coven_store::ReadError::Closed));
    assert!(woken.changed().await.is_err(), "followers are told");
    assert_eq!(other.last_seq(), Seq::ZERO.next());
}

#[tokio::test]
async fn no_file_of_a_closed_store_is_open() {
    let home = Home::new();
    let open_files = || {
        let all = std::fs::read_dir("/proc/self/fd").expect("a proc file system");
        all.filter_map(|file| std::fs::read_link(file.ok()?.path()).ok())
            .filter(|path| path.starts_with(home.dir()))
            .count()
    };
    // What is closed a moment too late is so only now and then.
    for round in 0..50 {
        let store = home.open();
        let session = round.to_string();
        append(&store, &session, vec![created()])
            .await
            .expect("new");
        assert!(open_files() > 0);
        store.close().await;
        assert_eq!(open_files(), 0, "round {round}");
    }
}
