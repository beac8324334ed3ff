//! Importing: a session comes in whole and identical, or not at all.

mod support;

use std::fs;

use coven_core::{Envelope, Event, OrphanReason, Seq};
use coven_store::{AppendError, Import, ImportError, NewEvent, OpenError, Options, inspect};
use support::*;

fn begin(home: &Home, session: &str) -> Result<Import, ImportError> {
    Import::begin(&home.path(), Options::default(), id(session))
}

fn new(envelope: &Envelope) -> NewEvent {
    NewEvent {
        at: envelope.at,
        actor: envelope.actor.clone(),
        event: envelope.event.clone(),
    }
}

fn import(home: &Home, session: &str, events: &[Envelope]) -> Result<(), ImportError> {
    let mut import = begin(home, session)?;
    for envelope in events {
        import.push(&new(envelope))?;
    }
    import.commit().map(drop)
}

/// Some events of every kind, with more output than is put into the log at once.
async fn history(store: &coven_store::Store, session: &str) -> Vec<Envelope> {
    running(store, session).await;
    for n in 0..40 {
        let data = noise(n, 60_000);
        let append = append(store, session, vec![output(n * 60_000, data)]);
        append.await.expect("it follows");
    }
    let end = vec![output_closed(), exited(3), Event::Archived];
    append(store, session, end).await.expect("it follows");
    events_of(store, session)
}

/// Events without their places in the log.
fn placeless(events: &[Envelope]) -> Vec<NewEvent> {
    events.iter().map(new).collect()
}

fn assert_whole(home: &Home) {
    let findings = inspect(&home.path(), &mut |_| ()).expect("it can be looked at");
    assert!(findings.is_whole(), "{:?}", findings.problems);
}

#[tokio::test]
async fn what_is_imported_is_what_it_was_and_the_log_goes_on_behind_it() {
    let from = Home::new();
    let store = from.open();
    let events = history(&store, "a").await;
    let record = store.record(&id("a")).expect("a read").expect("a record");
    store.close().await;
    let to = Home::new();
    let store = to.open();
    ended(&store, "before").await;
    let last = store.last_seq();
    store.close().await;
    import(&to, "a", &events).expect("it is imported");
    assert_whole(&to);
    let store = to.open();
    assert_eq!(placeless(&events_of(&store, "a")), placeless(&events));
    assert_eq!(all_output(&store, "a").len(), 40 * 60_000);
    let mut found = store.record(&id("a")).expect("a read").expect("a record");
    assert!(found.first_seq == last.next() && store.last_seq() == found.last_seq);
    (found.first_seq, found.last_seq) = (record.first_seq, record.last_seq);
    assert_eq!(found, record);
    let next = ended(&store, "after").await;
    assert_eq!(next.first.get(), last.get() + events.len() as u64 + 1);
    let all = store.read_all(Seq::ZERO, ALL).expect("a read");
    assert!(
        all.iter()
            .map(|event| event.seq.get())
            .eq(1..=all.len() as u64)
    );
    store.close().await;
    assert_whole(&to);
}

#[tokio::test]
async fn an_import_that_is_dropped_or_fails_leaves_nothing_behind() {
    let from = Home::new();
    let store = from.open();
    let events = history(&store, "a").await;
    store.close().await;
    let to = Home::new();
    let mut dropped = begin(&to, "a").expect("it begins");
    for envelope in &events {
        dropped.push(&new(envelope)).expect("it follows");
    }
    drop(dropped);
    let mut illegal = events.clone();
    illegal.swap(3, 4);
    let error = import(&to, "a", &illegal).expect_err("it cannot follow");
    assert!(matches!(error, ImportError::Illegal(_)), "{error}");
    let error = import(&to, "a", &[]).expect_err("there is none");
    assert!(matches!(error, ImportError::Empty), "{error}");
    assert_whole(&to);
    let store = to.open();
    assert_eq!(store.record(&id("a")), Ok(None));
    assert_eq!(store.last_seq(), Seq::ZERO);
    ended(&store, "a").await;
    store.close().await;
    assert_whole(&to);
}

#[tokio::test]
async fn an_id_that_is_there_is_refused_and_one_that_was_deleted_comes_back() {
    let home = Home::new();
    let store = home.open();
    let events = history(&store, "a").await;
    store.close().await;
    let error = import(&home, "a", &events).expect_err("it is there");
    assert!(matches!(error, ImportError::Exists { .. }), "{error}");
    let store = home.open();
    append(&store, "a", vec![Event::Deleted])
        .await
        .expect("gone");
    // Only an import may use the id of a launch again.
    let again = store.append(batch("a", Seq::ZERO, vec![created()])).await;
    assert!(
        matches!(again, Err(AppendError::Conflict { .. })),
        "{again:?}"
    );
    let locked = begin(&home, "a").expect_err("it is open");
    assert!(
        matches!(locked, ImportError::Open(OpenError::Locked { .. })),
        "{locked}"
    );
    store.close().await;
    import(&home, "a", &events).expect("it comes back");
    assert_whole(&home);
    let store = home.open();
    assert_eq!(placeless(&events_of(&store, "a")), placeless(&events));
    store.close().await;
    assert_whole(&home);
}

#[tokio::test]
async fn a_journal_that_an_import_left_behind_is_made_level_by_who_opens_the_log() {
    let from = Home::new();
    let store = from.open();
    let events = history(&store, "a").await;
    store.close().await;
    let to = Home::new();
    let store = to.open();
    ended(&store, "before").await;
    store.close().await;
    let journal = to.dir().join("coven.redb.journal");
    let before = fs::read(&journal).expect("the journal");
    import(&to, "a", &events).expect("it is imported");
    fs::write(&journal, before).expect("the journal as it was");
    let store = to.open();
    assert_eq!(placeless(&events_of(&store, "a")), placeless(&events));
    let last = store.last_seq();
    store.close().await;
    assert_whole(&to);
    let store = to.open();
    assert_eq!(store.last_seq(), last);
    ended(&store, "after").await;
    store.close().await;
    assert_whole(&to);
}

#[tokio::test]
async fn a_trimmed_session_is_imported_as_what_is_left_of_it() {
    let from = Home::new();
    let store = from.open();
    let mut events = history(&store, "a").await;
    store.close().await;
    // What a log has left after a trim: no output before it, and a word on that.
    events.retain(
        |envelope| !matches!(envelope.event, Event::Output { offset, .. } if offset < 120_000),
    );
    let mut trimmed = events.last().expect("an event").clone();
    trimmed.event = Event::Trimmed {
        offset: 0,
        len_bytes: 120_000,
        sha256: [7; 32],
    };
    let to = Home::new();
    let error = import(&to, "a", &events).expect_err("nothing says that it was trimmed");
    assert!(matches!(error, ImportError::Illegal(_)), "{error}");
    events.push(trimmed);
    import(&to, "a", &events).expect("it is imported");
    assert_whole(&to);
    let store = to.open();
    assert_eq!(placeless(&events_of(&store, "a")), placeless(&events));
    let record = store.record(&id("a")).expect("a read").expect("a record");
    assert_eq!(record.session.trimmed_bytes, 120_000);
    assert_eq!(record.session.output_bytes, 40 * 60_000);
    store.close().await;
    assert_whole(&to);
}

#[tokio::test]
async fn output_that_is_imported_and_trimmed_later_in_the_same_breath_is_not_read() {
    let events = [
        created(),
        started(),
        output(0, noise(1, 1_000)),
        output(1_000, noise(2, 1_000)),
        trimmed(0, 1_000),
        output_closed(),
        exited(0),
    ];
    let home = Home::new();
    let mut import = begin(&home, "a").expect("it begins");
    for event in events {
        let (at, actor) = (at(1), None);
        import
            .push(&NewEvent { at, actor, event })
            .expect("it follows");
    }
    import.commit().expect("it is imported");
    assert_whole(&home);
    let store = home.open();
    let all = store.read_all(Seq::ZERO, ALL).expect("a read");
    for events in [events_of(&store, "a"), all] {
        let offsets = events.iter().filter_map(|envelope| match envelope.event {
            Event::Output { offset, .. } => Some(offset),
            _ => None,
        });
        assert_eq!(offsets.collect::<Vec<_>>(), [1_000]);
        assert_eq!(events.len(), 6);
    }
    assert_eq!(all_output(&store, "a"), noise(2, 1_000));
    store.close().await;
    assert_whole(&home);
}

#[tokio::test]
async fn a_session_that_is_imported_as_lost_is_not_live() {
    let home = Home::new();
    let mut import = begin(&home, "a").expect("it begins");
    for event in [created(), started()] {
        let at = at(1);
        let actor = None;
        import
            .push(&NewEvent { at, actor, event })
            .expect("it follows");
    }
    let event = Event::Orphaned {
        reason: OrphanReason::Imported,
    };
    let (at, actor) = (at(2), Some(actor()));
    import
        .push(&NewEvent { at, actor, event })
        .expect("it follows");
    import.commit().expect("it is imported");
    let store = home.open();
    assert_eq!(store.live(), Ok(Vec::new()));
    store.close().await;
    assert_whole(&home);
}
