//! Trimming: from the moment it is on record nothing of the output before it is read, and
//! everything else is.

mod support;

use coven_core::{Event, EventKind, Seq};
use coven_store::{AppendError, Options, ReadLimit, Store};
use support::*;

/// A session that wrote three times, and is on record for more than that.
async fn told(store: &Store, session: &str) {
    let events = vec![
        output(0, "one\n"),
        resized(),
        output(4, "two\n"),
        Event::KillRequested,
        output(8, "three\n"),
    ];
    running(store, session).await;
    append(store, session, events).await.expect("it runs");
}

fn kinds(store: &Store, session: &str) -> Vec<EventKind> {
    let events = events_of(store, session);
    events.iter().map(|it| it.event.kind()).collect()
}

const LEFT: [EventKind; 6] = [
    EventKind::Created,
    EventKind::Started,
    EventKind::Resized,
    EventKind::KillRequested,
    EventKind::Output,
    EventKind::Trimmed,
];

/// Where what is read then is.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Folded {
    Nothing,
    BeforeTheTrim,
    Everything,
}

#[tokio::test]
async fn nothing_of_what_was_trimmed_is_read_and_all_else_is_wherever_it_is() {
    for folded in [Folded::Nothing, Folded::BeforeTheTrim, Folded::Everything] {
        let home = Home::new();
        let store = home.open();
        told(&store, "a").await;
        if folded == Folded::BeforeTheTrim {
            store.verify().expect("a read");
        }
        let record = trim(&store, "a", 0, 8).await.record;
        if folded == Folded::Everything {
            store.verify().expect("a read");
        }
        assert_eq!(
            (record.session.trimmed_bytes, record.session.output_bytes),
            (8, 14)
        );
        assert_eq!(store.record(&id("a")), Ok(Some(record)), "{folded:?}");
        assert_eq!(kinds(&store, "a"), LEFT, "{folded:?}");
        let all = store.read_all(Seq::ZERO, ALL).expect("a read");
        assert_eq!(all, events_of(&store, "a"), "{folded:?}");
        for from in [0, 3, 4, 8] {
            let chunks = store.output(&id("a"), from, 3).expect("a read");
            let read: Vec<_> = chunks.iter().map(|it| (it.offset, &it.data[..])).collect();
            assert_eq!(read, [(8, b"thr".as_slice())], "from {from}, {folded:?}");
        }
        let chunks = store.output(&id("a"), 10, 100).expect("a read");
        assert_eq!(chunks[0].data, "ree\n", "{folded:?}");
        assert_eq!(chunks[0].offset, 10, "{folded:?}");
    }
}

#[tokio::test]
async fn output_that_says_who_made_it_is_trimmed_as_all_other_is() {
    let home = Home::new();
    let store = home.open();
    running(&store, "a").await;
    let said = [output(0, "one\n"), output(4, "two\n"), output(8, "three\n")];
    let mut said = batch("a", None, said.to_vec());
    // As what stands for output that was lost does.
    said.events[1].actor = Some(actor());
    store.append(said).await.expect("it runs");
    store.verify().expect("with that it is folded");
    trim(&store, "a", 0, 8).await;
    let left = [EventKind::Created, EventKind::Started, EventKind::Output];
    let left = [&left[..], &[EventKind::Trimmed]].concat();
    assert_eq!(kinds(&store, "a"), left);
    assert_eq!(store.read_all(Seq::ZERO, ALL), Ok(events_of(&store, "a")));
}

#[tokio::test]
async fn a_session_of_which_all_output_was_trimmed_goes_on() {
    let home = Home::new();
    let store = home.open();
    told(&store, "a").await;
    store.verify().expect("a read");
    trim(&store, "a", 0, 14).await;
    assert_eq!(all_output(&store, "a"), b"");
    append(&store, "a", vec![output(14, "four\n")])
        .await
        .expect("it runs");
    assert_eq!(all_output(&store, "a"), b"four\n");
    trim(&store, "a", 14, 19).await;
    store.close().await;
    let store = home.open();
    assert_eq!(all_output(&store, "a"), b"");
    assert_eq!(store.verify().expect("a read").problems, Vec::new());
}

#[tokio::test]
async fn only_the_oldest_output_that_is_left_can_be_trimmed() {
    let home = Home::new();
    let store = home.open();
    told(&store, "a").await;
    trim(&store, "a", 0, 4).await;
    for (from, to) in [(0, 4), (0, 8), (8, 14), (4, 4), (4, 15)] {
        let refused = append(&store, "a", vec![trimmed(from, to)]).await;
        assert!(
            matches!(refused, Err(AppendError::Illegal(_))),
            "{from} to {to}"
        );
    }
    trim(&store, "a", 4, 14).await;
}

#[tokio::test]
async fn a_page_of_all_sessions_passes_over_however_much_was_trimmed() {
    let home = Home::new();
    let store = home.open();
    running(&store, "a").await;
    for n in 0..300 {
        append(&store, "a", vec![output(n * 10, noise(n, 10))])
            .await
            .expect("it runs");
        // Whose events follow one another changes all the time.
        let title = vec![Event::KillRequested];
        if n == 150 {
            append(&store, "a", title).await.expect("it runs");
        }
        if n.is_multiple_of(50) {
            running(&store, &format!("b{n}")).await;
            store.verify().expect("a read");
        }
    }
    trim(&store, "a", 0, 2990).await;
    store.verify().expect("a read");
    let whole = store.read_all(Seq::ZERO, ALL).expect("a read");
    // Two of each session, the kill, the output that is left, the trim.
    assert_eq!(whole.len(), 2 * 7 + 3);
    for events in [1, 2, 5] {
        let limit = ReadLimit {
            events,
            bytes: usize::MAX,
        };
        let mut joined = Vec::new();
        loop {
            let after = joined
                .last()
                .map_or(Seq::ZERO, |it: &coven_core::Envelope| it.seq);
            let page = store.read_all(after, limit).expect("a read");
            if page.is_empty() {
                break;
            }
            joined.extend(page);
        }
        assert_eq!(joined, whole, "{events} at a time");
    }
}

#[tokio::test]
async fn the_projections_of_a_trimmed_session_are_made_again_whatever_is_gone_already() {
    for outputs in [3, 60] {
        let home = Home::new();
        // All in one fold, so that taking out has not begun.
        let options = Options {
            fold_bytes: 32 << 20,
            fold_after: NEVER,
            ..Options::default()
        };
        let store = Store::open(&home.path(), options).expect("the store opens");
        running(&store, "a").await;
        for n in 0..outputs {
            let output = output(n * 100_000, noise(n, 100_000));
            append(&store, "a", vec![output, resized()])
                .await
                .expect("it runs");
        }
        store.verify().expect("a read");
        trim(&store, "a", 0, 100_000).await;
        let record = trim(&store, "a", 100_000, (outputs - 1) * 100_000)
            .await
            .record;
        for _ in 0..8 {
            store
                .rebuild_projections()
                .await
                .expect("it can be rebuilt");
            assert_eq!(store.verify().expect("a read").problems, Vec::new());
        }
        store.close().await;
        let store = home.open();
        assert_eq!(store.record(&id("a")), Ok(Some(record)));
    }
}

#[tokio::test]
async fn a_trimmed_session_can_be_deleted_and_nothing_is_left() {
    let home = Home::new();
    let store = home.open();
    told(&store, "a").await;
    store.verify().expect("a read");
    trim(&store, "a", 0, 8).await;
    let end = vec![output_closed(), exited(0), Event::Deleted];
    append(&store, "a", end).await.expect("it ends");
    store.close().await;
    let store = home.open();
    assert_eq!(store.read_all(Seq::ZERO, ALL).expect("a read").len(), 1);
    assert_eq!(store.verify().expect("a read").problems, Vec::new());
}
