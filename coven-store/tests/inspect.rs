//! Looking at everything in a log that nobody has open: whatever is wrong with it is told.

#[path = "support/damage.rs"]
mod damage;
mod support;

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use coven_core::Seq;
use coven_store::{Findings, LogFile, Loss, OpenError, Store, inspect, salvage};
use damage::*;
use support::*;

fn look(log: &Log) -> Findings {
    inspect(&log.path(), &mut |_| {}).expect("it can be looked at")
}

/// A log, and what a reader gets out of it.
async fn told() -> (Log, Content) {
    let log = story().await;
    let store = log.copy().open();
    let content = content(&store).expect("it is whole");
    store.close().await;
    (log, content)
}

/// Does something to a copy of a log: either it is told, or a reader sees no difference. Says
/// whether it was told.
async fn is_told(log: &Log, content: &Content, what: String, damage: impl FnOnce(&Log)) -> bool {
    let copy = log.copy();
    damage(&copy);
    if !look(&copy).is_whole() {
        return true;
    }
    let store = copy.open();
    let seen = damage::content(&store);
    assert!(seen.as_ref() == Some(content), "{what}");
    store.close().await;
    false
}

#[tokio::test]
async fn a_log_that_is_whole_has_nothing_wrong_however_it_was_left() {
    let log = story().await;
    let bytes = || [log.path(), log.journal()].map(|path| fs::read(path).expect("a file"));
    let before = bytes();
    let findings = look(&log);
    assert_eq!(findings.problems, Vec::new());
    assert!(before == bytes(), "it is not written to");
    let store = log.copy().open();
    let there = content(&store).expect("it is whole").records.len() as u64;
    store.close().await;
    assert_eq!(findings.sessions, there, "those of the journal too");
    assert!(findings.events > 150, "{findings:?}");
    log.open().close().await;
    assert_eq!(look(&log).problems, Vec::new(), "closed in order");
}

#[tokio::test]
async fn a_log_that_is_open_or_not_there_is_not_looked_at() {
    let log = story().await;
    let store = log.open();
    let looked = inspect(&log.path(), &mut |_| {});
    assert!(
        matches!(looked, Err(OpenError::Locked { .. })),
        "{looked:?}"
    );
    store.close().await;
    let nowhere = log.dir.path().join("nothing");
    let looked = inspect(&nowhere, &mut |_| {});
    assert!(
        matches!(&looked, Err(OpenError::Io { source, .. }) if source.kind() == ErrorKind::NotFound),
        "{looked:?}"
    );
}

#[tokio::test]
async fn a_bit_that_turned_anywhere_is_told_if_a_reader_could_see_it() {
    let (log, content) = told().await;
    let mut told = 0;
    for (number, at) in chance(3).take(240).enumerate() {
        let pick = |log: &Log| [log.path(), log.journal()][number % 2].clone();
        let bit = at % (len(&pick(&log)) * 8);
        let flipped = is_told(&log, &content, format!("bit {bit}"), |log| {
            flip(&pick(log), bit);
        });
        told += u32::from(flipped.await);
    }
    assert!(told > 25, "{told}");
}

#[tokio::test]
async fn a_bit_that_turned_in_the_first_page_is_told_if_a_reader_could_see_it() {
    let (log, content) = told().await;
    let mut told = 0;
    for bit in (0..320 * 8).step_by(13) {
        let pick = |log: &Log| [log.path(), log.journal()][usize::from(bit % 2 == 0)].clone();
        let flipped = is_told(&log, &content, format!("bit {bit}"), |log| {
            flip(&pick(log), bit);
        });
        told += u32::from(flipped.await);
    }
    assert!(told > 50, "{told}");
}

#[tokio::test]
async fn a_page_that_was_never_written_or_only_by_half_is_told_if_a_reader_could_see_it() {
    let (log, content) = told().await;
    let mut told = 0;
    for path in [Log::path, Log::journal] {
        let pages = len(&path(&log)) / 4096;
        for page in (0..pages.min(80)).chain((80..pages).step_by(5)) {
            let torn = is_told(&log, &content, format!("page {page}"), |log| {
                let half = if page % 2 == 0 { 0 } else { 2048 };
                let zeros = vec![0; 4096 - half];
                put(&path(log), page * 4096 + half as u64, &zeros);
            });
            told += u32::from(torn.await);
        }
    }
    assert!(told > 20, "{told}");
}

#[tokio::test]
async fn a_file_that_was_cut_or_made_longer_is_told_if_a_reader_could_see_it() {
    let (log, content) = told().await;
    for path in [Log::path, Log::journal] {
        let whole = len(&path(&log));
        for part in 0..16 {
            let to = whole * part / 16 + part * 100;
            let what = format!("{to} of {whole}");
            is_told(&log, &content, what, |log| cut(&path(log), to)).await;
        }
        is_told(&log, &content, "longer".to_owned(), |log| {
            put(&path(log), whole, &[7; 5000]);
        })
        .await;
    }
    let shorter = |log: &Log| cut(&log.path(), len(&log.path()) / 2);
    assert!(is_told(&log, &content, "half".to_owned(), shorter).await);
}

#[tokio::test]
async fn a_file_that_is_missing_or_is_something_else_is_told() {
    let (log, content) = told().await;
    let remove = |path: &Path| fs::remove_file(path).expect("it is there");
    assert!(
        is_told(&log, &content, "no journal".to_owned(), |log| remove(
            &log.journal()
        ))
        .await
    );
    assert!(
        is_told(&log, &content, "no cold file".to_owned(), |log| remove(
            &log.path()
        ))
        .await
    );
    for what in [b"".as_slice(), b"junk", &noise(4, 300_000)] {
        let replace = |path: &Path| fs::write(path, what).expect("a write");
        assert!(
            is_told(&log, &content, "junk".to_owned(), |log| replace(
                &log.path()
            ))
            .await
        );
        assert!(
            is_told(&log, &content, "junk".to_owned(), |log| replace(
                &log.journal()
            ))
            .await
        );
    }
    let other = story().await;
    let swap = |log: &Log| {
        fs::copy(other.journal(), log.journal()).expect("a copy");
    };
    assert!(is_told(&log, &content, "another log's journal".to_owned(), swap).await);
}

#[tokio::test]
async fn what_is_damaged_in_a_segment_is_told_with_its_session_and_what_is_lost() {
    let (log, _) = told().await;
    let mut sessions = 0;
    for page in 0..len(&log.path()) / 4096 {
        let copy = log.copy();
        flip(&copy.path(), (page * 4096 + 700) * 8);
        let findings = look(&copy);
        let lost = findings.problems.iter().find(|it| {
            it.table == Some("segments") && it.session.is_some() && it.loss == Loss::Events
        });
        if let Some(lost) = lost {
            let session = lost.session.clone().expect("it was looked for");
            assert_eq!(lost.file, LogFile::Cold);
            assert!(
                lost.seqs.is_some_and(|(first, _)| first > Seq::ZERO),
                "{lost}"
            );
            assert!(findings.unreadable.contains_key(&session), "{lost}");
            sessions += 1;
        }
    }
    assert!(sessions > 10, "{sessions}");
}

/// Where the first page of a file has what says which its last commit is.
fn last_commit(path: &Path) -> u64 {
    let is_second = fs::read(path).expect("a file")[9] & 1 == 1;
    64 + 128 * u64::from(is_second)
}

/// Whether a log is refused for its damage, by whoever opens it.
fn is_refused(log: &Log) -> bool {
    let is_damage = |error| matches!(error, Some(OpenError::Damaged { .. }));
    is_damage(Store::open_to_read(&log.path(), OPTIONS).err())
        && is_damage(Store::open(&log.path(), OPTIONS).err())
}

#[tokio::test]
async fn a_bit_that_turned_in_the_last_commit_is_told_and_loses_nothing_and_it_is_not_opened() {
    let (log, _) = told().await;
    let whole = look(&log);
    for path in [Log::path, Log::journal] {
        for bit in (0..128 * 8).step_by(29) {
            let copy = log.copy();
            flip(&path(&copy), last_commit(&path(&copy)) * 8 + bit);
            let findings = look(&copy);
            assert!(!findings.is_whole() && is_refused(&copy), "{bit}");
            assert_eq!(
                (findings.sessions, findings.events),
                (whole.sessions, whole.events),
                "{bit}"
            );
            assert!(!findings.newest_is_lost && findings.lost.is_empty());
        }
    }
}

#[tokio::test]
async fn of_a_last_commit_that_cannot_be_told_is_not_said_that_nothing_is_lost() {
    let (log, _) = told().await;
    let whole = look(&log);
    let copy = log.copy();
    put(&copy.journal(), last_commit(&copy.journal()) + 16, &[0; 16]);
    let findings = look(&copy);
    assert!(is_refused(&copy) && findings.newest_is_lost);
    assert!(
        findings.problems.iter().any(|it| it.loss == Loss::Newest),
        "{findings:?}"
    );
    let missing: u64 = findings.unreadable.values().flatten().sum();
    assert_eq!(findings.events + missing, whole.events);
}

#[tokio::test]
async fn an_older_commit_is_told_with_the_events_it_lacks_and_whose_they_are() {
    let log = story().await;
    let store = log.open();
    // What an opening finds in the journal is folded beside all else: here, before it.
    assert!(store.verify().expect("a read").is_whole());
    append(&store, "session-7", vec![output(0, b"lost".to_vec())])
        .await
        .expect_err("its output does not begin there");
    running(&store, "newest").await;
    let crashed = log.copy();
    store.close().await;
    let whole = look(&crashed);
    put(
        &crashed.journal(),
        last_commit(&crashed.journal()) + 16,
        &[0; 16],
    );
    let findings = look(&crashed);
    let missing = findings.unreadable.get(&id("newest")).copied();
    assert_eq!(missing, Some(Some(whole.events - findings.events)));
    assert!(whole.events > findings.events);
}

#[tokio::test]
async fn who_cannot_be_read_is_named_and_what_is_lost_is_what_a_salvage_lacks() {
    let (log, content) = told().await;
    let (mut named, mut lossy) = (0, 0);
    for page in 0..len(&log.path()) / 4096 {
        for byte in [4, 9, 20, 28, 700] {
            let copy = log.copy();
            spoil(&copy.path(), (page * 4096 + byte) * 8 + 1);
            let findings = look(&copy);
            let of_segments = |it: &coven_store::Finding| it.table == Some("segments");
            if findings.is_whole() || !findings.problems.iter().all(of_segments) {
                continue;
            }
            let new = tempfile::tempdir().expect("a temporary folder");
            let into = new.path().join("coven.redb");
            let salvaged = salvage(&copy.path(), &into, &mut |_| {}).expect("it is salvaged");
            let lacking = salvaged.changed.iter();
            let lacking = lacking.map(|it| (it.session.clone(), it.lost_events));
            assert_eq!(findings.lost, lacking.collect(), "page {page} byte {byte}");
            lossy += findings.lost.len();
            let Ok(store) = Store::open(&copy.path(), OPTIONS) else {
                continue;
            };
            for (record, events) in content.records.iter().zip(&content.by_session) {
                let id = &record.session.id;
                let is_whole = store.read(id, Seq::ZERO, ALL).is_ok_and(|it| it == *events);
                let is_named = findings.unreadable.contains_key(id);
                assert!(is_whole || is_named, "page {page} byte {byte}: {id}");
                named += usize::from(is_named);
            }
            store.close().await;
        }
    }
    assert!(named > 20 && lossy > 5, "{named} {lossy}");
}
