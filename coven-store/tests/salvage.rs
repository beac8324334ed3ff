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
