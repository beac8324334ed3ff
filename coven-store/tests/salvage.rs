//! Salvage: what is whole in a damaged log is in the new one as it was, and nothing else is.

#[path = "support/damage.rs"]
mod damage;
#[path = "support/salvaged.rs"]
mod salvaged;
mod support;

use std::fs;

use coven_store::{SalvageError, inspect, salvage};
use damage::*;
use salvaged::*;
use support::*;

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
async fn what_two_bits_that_turned_do_not_hit_is_brought_back_byte_for_byte() {
    let log = story().await;
    let old = content_of(&log.copy()).await;
    let mut lossy = 0;
    for (number, at) in chance(5).take(120).enumerate() {
        let copy = log.copy();
        let path = [copy.path(), copy.journal()][number % 2].clone();
        let bit = at % (len(&path) * 8);
        spoil(&path, bit);
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
async fn of_every_event_that_a_copy_which_broke_off_lacks_it_is_told_whose_it_was_or_that_it_is_lost()
 {
    let log = story().await;
    let old = content_of(&log.copy()).await;
    let last = old.events.last().expect("some").seq.get();
    let (mut untied, mut tied) = (0, 0);
    for part in 1..12 {
        let copy = log.copy();
        cut(&copy.path(), len(&copy.path()) * part / 12);
        let (new, salvaged) = salvaged(&copy);
        let what = format!("{part} of 12");
        let missing = compare(&old, &new, &salvaged, &what).await as u64;
        // The journal is whole.
        assert!(!salvaged.newest_is_lost, "{what}: {salvaged:?}");
        let told = &salvaged.untied;
        assert!(told.may_be_void <= told.events, "{what}: {told:?}");
        assert!(told.events <= last, "{what}: {told:?}");
        untied += u64::from(told.events > 0);
        tied += u64::from(missing > 0 && !salvaged.changed.is_empty());
        let read = inspect(&copy.path(), &mut |_| {}).expect("it can be looked at");
        assert_eq!(read.untied, salvaged.untied, "{what}");
    }
    assert!(untied > 2 && tied > 2, "{untied} {tied}");
}

#[tokio::test]
async fn nothing_is_said_to_be_lost_of_a_log_of_which_nothing_is() {
    let log = story().await;
    put(&log.path(), 0, &[0; 4096]);
    let (_, salvaged) = salvaged(&log);
    assert_eq!(salvaged.untied.events, salvaged.untied.may_be_void);
    assert!(salvaged.changed.is_empty(), "{salvaged:?}");
}

#[tokio::test]
async fn a_session_whose_name_is_lost_gets_one_that_nobody_has() {
    let log = empty();
    let store = log.open();
    ended(&store, "its-name-is-lost").await;
    for name in ["salvaged-slot-1", "salvaged-slot-1-2"] {
        append(&store, name, vec![registered(name)])
            .await
            .expect("a new session");
    }
    store.close().await;
    let damaged = |path: &std::path::Path| {
        let mut bytes = fs::read(path).expect("a file");
        let name = b"its-name-is-lost";
        for at in 0..bytes.len() - name.len() {
            if bytes[at..].starts_with(name) {
                bytes[at..at + name.len()].fill(b'?');
            }
        }
        fs::write(path, bytes).expect("a write");
    };
    damaged(&log.path());
    damaged(&log.journal());
    let (new, salvaged) = salvaged(&log);
    assert_eq!(salvaged.sessions, 3, "{salvaged:?}");
    let store = new.open();
    assert_eq!(events_of(&store, "salvaged-slot-1-3").len(), 4);
    assert_eq!(events_of(&store, "salvaged-slot-1").len(), 1);
    store.close().await;
}

#[tokio::test]
async fn a_hole_in_the_output_is_as_long_as_what_was_lost_and_says_so() {
    let log = story().await;
    let old = content_of(&log.copy()).await;
    let mut holes = 0;
    for page in 1..len(&log.path()) / 4096 {
        let copy = log.copy();
        spoil(&copy.path(), (page * 4096 + 900) * 8);
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

#[tokio::test]
async fn a_log_that_was_salvaged_without_its_journal_misses_nothing_when_it_is_salvaged_again() {
    let log = empty();
    let store = log.open();
    ended(&store, "a").await;
    ended(&store, "b").await;
    store.close().await;
    fs::remove_file(log.journal()).expect("it is there");
    let (once, first) = salvaged(&log);
    let (_, second) = salvaged(&once);
    for salvaged in [first, second] {
        assert_eq!((salvaged.sessions, salvaged.untraced), (2, 0));
    }
}
