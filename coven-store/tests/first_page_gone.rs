//! Another program writes over the cold file, in place, under a log that goes on: nothing is folded into what is
//! not that log's any more, and nothing of the journal is let go of for it.

#[path = "support/damage.rs"]
mod damage;
mod support;

use std::fs;
use std::time::Duration;

use coven_store::{StorageFault, Store};
use damage::{Log, PAGE_BYTES, flip, put};
use support::*;

const SAID: &[u8] = b"acknowledged";

/// A log with something folded and something in its journal alone, and its cold file as it is then.
async fn going_on(log: &Log) -> (Store, Vec<u8>) {
    let store = log.open();
    running(&store, "a").await;
    assert_eq!(store.verify().expect("a read").problems, Vec::new());
    let own = fs::read(log.path()).expect("a file");
    append(&store, "a", vec![output(0, SAID)])
        .await
        .expect("it runs");
    (store, own)
}

/// Has all folded that can be.
fn fold(store: &Store) {
    let _ = store.verify();
}

/// Why nothing is folded.
fn why_stuck(store: &Store) -> Option<String> {
    match store.health().stuck {
        Some(StorageFault::Damaged { message }) => Some(message),
        other => other.map(|it| it.to_string()),
    }
}

#[tokio::test]
async fn nothing_is_folded_into_a_file_that_was_written_over() {
    for len_bytes in [Some(PAGE_BYTES), None] {
        let log = Log::empty();
        let (store, own) = going_on(&log).await;
        let len_bytes = len_bytes.unwrap_or(own.len() as u64);
        put(&log.path(), 0, &vec![0; len_bytes as usize]);
        fold(&store);
        let reason = why_stuck(&store).expect("it is told");
        let says = "is not what was written to it: its beginning is not that of a database";
        assert!(reason.ends_with(says), "{reason}");
        store.close().await;
        fs::write(log.path(), own).expect("a write");
        assert_eq!(all_output(&log.open(), "a"), SAID, "{len_bytes} bytes");
    }
}

#[tokio::test]
async fn a_log_that_is_put_over_another_in_place_is_left_as_it_is() {
    let log = Log::empty();
    let other = Log::empty();
    let of_other = other.open();
    for name in ["b", "c", "d"] {
        running(&of_other, name).await;
    }
    assert_eq!(of_other.verify().expect("a read").problems, Vec::new());
    let other = fs::read(other.path()).expect("a file");
    let (store, own) = going_on(&log).await;
    assert_eq!(own.len(), other.len());
    put(&log.path(), 0, &other);
    fold(&store);
    let reason = why_stuck(&store).expect("it is told");
    let says = "its last commit is not the one that was made last, and may be another log's";
    assert!(reason.ends_with(says), "{reason}");
    store.close().await;
    assert!(fs::read(log.path()).expect("a file") == other);
    fs::write(log.path(), own).expect("a write");
    assert_eq!(all_output(&log.open(), "a"), SAID);
}

#[tokio::test]
async fn what_is_put_back_is_folded_into_again() {
    let log = Log::empty();
    let (store, own) = going_on(&log).await;
    put(&log.path(), 0, &vec![0; own.len()]);
    fold(&store);
    assert!(why_stuck(&store).is_some());
    put(&log.path(), 0, &own);
    let folded = tokio::time::timeout(Duration::from_secs(60), async {
        while why_stuck(&store).is_some() {
            fold(&store);
            tokio::task::yield_now().await;
        }
    });
    folded.await.expect("it goes on by itself");
    assert_eq!(store.verify().expect("a read").problems, Vec::new());
    store.close().await;
    assert_eq!(all_output(&log.open(), "a"), SAID);
}

#[tokio::test]
async fn a_bit_of_the_first_page_keeps_nothing_from_being_folded_and_is_mended_by_it() {
    for byte in [3, 9, 14, 64 + 40, 64 + 128 + 40] {
        let log = Log::empty();
        let (store, _) = going_on(&log).await;
        flip(&log.path(), byte * 8 + 1);
        assert_eq!(store.verify().expect("a read").problems, Vec::new());
        assert_eq!(why_stuck(&store), None, "byte {byte}");
        // As a process that is killed leaves it.
        let left = fs::read(log.path()).expect("a file");
        store.close().await;
        fs::write(log.path(), left).expect("a write");
        assert_eq!(all_output(&log.open(), "a"), SAID, "byte {byte}");
    }
}
