//! Looking at everything in a log that nobody has open: whatever is wrong with it is told.

#[path = "support/damage.rs"]
mod damage;
mod support;

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use coven_core::Seq;
use coven_store::{Findings, LogFile, Loss, OpenError, inspect};
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
    assert!(
        findings.sessions >= 12 && findings.events > 150,
        "{findings:?}"
    );
    assert!(before == bytes(), "it is not written to");
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
            assert!(findings.lost.contains_key(&session), "{lost}");
            sessions += 1;
        }
    }
    assert!(sessions > 10, "{sessions}");
}
