//! Salvage of the newest that was said: of a journal that is another log's, of one that is damaged, and of one that
//! is gone.

#[path = "support/damage.rs"]
mod damage;
#[path = "support/salvaged.rs"]
mod salvaged;
mod support;

use std::collections::BTreeMap;
use std::fs;

use coven_store::inspect;
use damage::*;
use salvaged::*;
use support::*;

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
    spoil_wherever(&damaged.journal(), b"lost with");
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

#[tokio::test]
async fn of_a_commit_that_is_lost_between_others_it_is_said_which_events_it_had() {
    let log = empty();
    let store = log.open();
    running(&store, "a").await;
    store.close().await;
    // From here on nothing is folded.
    let store = log.open();
    let mut lost = Vec::new();
    for n in 0..60_u64 {
        let said = format!("{n:03}").into_bytes().repeat(1_000);
        let appended = append(&store, "a", vec![output(n * 3_000, said)]).await;
        let seq = appended.expect("it goes on").last;
        if n == 20 {
            append(&store, "b", vec![registered("b")])
                .await
                .expect("a new session");
            lost.push(seq.next());
        }
    }
    let damaged = log.copy();
    store.close().await;
    spoil_wherever(&damaged.journal(), b"/elsewhere");
    let (_, salvaged) = salvaged(&damaged);
    let told = &salvaged.untied;
    assert_eq!((told.events, told.may_be_void), (1, 1), "{told:?}");
    assert_eq!(told.seqs, [(lost[0], lost[0])]);
    assert!(
        !salvaged.newest_is_lost,
        "it was not the newest: {salvaged:?}"
    );
    let found = inspect(&damaged.path(), &mut |_| {}).expect("it can be looked at");
    assert_eq!(found.untied, salvaged.untied);
}

#[tokio::test]
async fn a_commit_that_the_journals_first_page_hides_is_told_of_and_brought_back() {
    let log = empty();
    let store = log.open();
    running(&store, "a").await;
    store.close().await;
    let store = log.open();
    for n in 0..3 {
        append(&store, "a", vec![output(n * 4, "said")])
            .await
            .expect("it goes on");
    }
    let damaged = log.copy();
    store.close().await;
    let old = content_of(&damaged.copy()).await;
    let is_whole = |log: &Log| {
        let found = inspect(&log.path(), &mut |_| {}).expect("it can be looked at");
        found.is_whole()
    };
    assert!(is_whole(&damaged));
    // Which commit is the last, and that it was made in two phases.
    flip(&damaged.journal(), 9 * 8);
    flip(&damaged.journal(), 9 * 8 + 2);
    assert!(!is_whole(&damaged));
    let (new, _) = salvaged(&damaged);
    assert!(old == content_of(&new).await);
}

/// It is said that what was recorded last may be lost, and none of its places is given again.
async fn tells_that_the_newest_may_be_lost(log: &Log, old: &Content, what: &str) {
    fs::remove_file(log.journal()).expect("it is removed");
    let found = inspect(&log.path(), &mut |_| {}).expect("it can be looked at");
    assert!(found.newest_is_lost && !found.is_whole(), "{what}");
    let (new, salvaged) = salvaged(log);
    assert!(salvaged.newest_is_lost, "{what}: {salvaged:?}");
    goes_on(&new, old).await;
}

#[tokio::test]
async fn of_a_log_whose_journal_is_gone_before_anything_was_folded_it_is_said_that_the_newest_may_be_lost()
 {
    let log = empty();
    log.open().close().await;
    let never_folded = fs::read(log.path()).expect("a file");
    begun(&log, "a", "said before the first fold").await;
    let old = content_of(&log.copy()).await;
    fs::write(log.path(), never_folded).expect("a write");
    tells_that_the_newest_may_be_lost(&log, &old, "nothing is folded").await;
}

/// What is done to a cold file, and what that is.
type Damage = (&'static str, fn(&Log));

#[tokio::test]
async fn of_a_log_without_a_journal_whose_cold_file_does_not_say_how_far_it_is_it_is_said_that_the_newest_may_be_lost()
 {
    let log = story().await;
    let old = content_of(&log.copy()).await;
    let damages: [Damage; 5] = [
        ("nothing", |_| {}),
        ("all of it is zeros", |log| {
            let zeros = vec![0; fs::read(log.path()).expect("a file").len()];
            fs::write(log.path(), zeros).expect("a write");
        }),
        ("it is empty", |log| cut(&log.path(), 0)),
        ("half of it is gone", |log| {
            cut(&log.path(), len(&log.path()) / 2);
        }),
        ("its first page is noise", |log| {
            put(&log.path(), 0, &noise(1, 4096));
        }),
    ];
    for (what, damage) in damages {
        let log = log.copy();
        damage(&log);
        tells_that_the_newest_may_be_lost(&log, &old, what).await;
    }
}
