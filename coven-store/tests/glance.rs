//! A glance at a log: it says that the log cannot be opened where that is so, and as opening it does.

#[path = "support/damage.rs"]
mod damage;
mod support;

use std::fs;

use coven_store::{OpenError, Store, glance};
use damage::*;
use support::*;

/// Bytes of a page.
const PAGE: usize = 4096;

/// What a glance says of damage: what opening says, which may take it for another program's file as well.
#[track_caller]
fn glanced(log: &Log, what: &str) -> Option<String> {
    let said = match glance(&log.path()) {
        Ok(()) => return None,
        Err(error @ OpenError::Damaged { .. }) => error.to_string(),
        Err(error) => panic!("{what}: {error}"),
    };
    match Store::open_to_read(&log.path(), OPTIONS).map(drop) {
        Err(OpenError::Foreign { .. }) => {}
        Err(error) => assert_eq!(error.to_string(), said, "{what}"),
        Ok(()) => panic!("{what}: it is opened, and {said}"),
    }
    Some(said)
}

#[tokio::test]
async fn where_a_byte_of_any_page_is_another_a_glance_tells_of_no_damage_but_what_opening_meets() {
    let log = story().await;
    log.open().close().await;
    for file in [log.path(), log.journal()] {
        let whole = fs::read(&file).expect("a file");
        let mut refused = 0;
        for page in (PAGE..whole.len()).step_by(PAGE) {
            if whole[page..].iter().take(PAGE).all(|&byte| byte == 0) {
                continue;
            }
            for at in [page, page + 1, page + 2, page + 5, page + 40] {
                let mut bytes = whole.clone();
                bytes[at] ^= 3;
                fs::write(&file, bytes).expect("a file");
                let what = format!("byte {at} of {}", file.display());
                refused += usize::from(glanced(&log, &what).is_some());
            }
        }
        fs::write(&file, whole).expect("a file");
        assert!(refused > 0, "{}", file.display());
    }
    assert_eq!(glanced(&log, "whole"), None);
}

#[tokio::test]
async fn a_journal_of_which_nothing_is_left_but_its_first_page_is_not_taken_for_another_logs() {
    let log = story().await;
    let mut bytes = fs::read(log.journal()).expect("a journal");
    bytes[PAGE..].fill(0);
    fs::write(log.journal(), bytes).expect("a journal");
    let said = glanced(&log, "zeroed").expect("it cannot be opened");
    assert!(!said.contains("another log"), "{said}");
}

#[tokio::test]
async fn a_bit_of_what_a_file_says_that_it_is_is_damage_and_no_other_format_nor_another_log() {
    let log = story().await;
    log.open().close().await;
    for file in [log.path(), log.journal()] {
        let whole = fs::read(&file).expect("a file");
        // The keys of what it says, and its values behind them.
        let told = (0..whole.len()).filter(|&at| whole[at..].starts_with(b"formatlogmagic"));
        let mut damaged = 0;
        let places: Vec<usize> = told.flat_map(|at| at..at + 80).collect();
        for &at in &places {
            let mut bytes = whole.clone();
            // One bit of the cold file would be put right.
            bytes[at] ^= 0x81;
            fs::write(&file, bytes).expect("a file");
            match Store::open_to_read(&log.path(), OPTIONS).map(drop) {
                Ok(()) => {}
                Err(OpenError::Damaged { problem, .. }) => {
                    assert!(!problem.contains("another log"), "{problem}");
                    damaged += 1;
                }
                Err(error) => panic!("byte {at} of {}: {error}", file.display()),
            }
        }
        fs::write(&file, whole).expect("a file");
        assert!(damaged >= 50, "{damaged} of {}", file.display());
    }
}

#[tokio::test]
async fn a_bit_of_what_the_cold_file_says_that_it_is_is_put_right_as_it_is_opened() {
    let log = story().await;
    log.open().close().await;
    let whole = fs::read(log.path()).expect("a file");
    let found = content(&log.copy().open()).expect("it is whole");
    let told = (0..whole.len()).filter(|&at| whole[at..].starts_with(b"formatlogmagic"));
    for at in told.flat_map(|at| (at..at + 80).step_by(5)) {
        let copy = log.copy();
        flip(&copy.path(), at as u64 * 8 + 7);
        assert_eq!(glanced(&copy, "a bit"), None, "byte {at}");
        let store = Store::open_to_read(&copy.path(), OPTIONS).expect("it is put right");
        assert_eq!(content(&store).as_ref(), Some(&found), "byte {at}");
        drop(store);
        let store = copy.open();
        assert_eq!(content(&store).as_ref(), Some(&found), "byte {at}");
        store.close().await;
        assert!(
            tables_hit(&copy).is_empty(),
            "byte {at}: it is put right in the file"
        );
    }
}
