//! A first page that calls the commit before the last one the last: the write that says so was lost, or a bit turned.

use std::fs;
use std::os::unix::fs::{FileExt, MetadataExt};

use super::*;
use crate::raw::free_pages;
use crate::test_support::noise;

/// Turns the bit of the cold file that says which of its two commits is the last.
fn turn_the_flag(home: &Home) {
    let file = fs::OpenOptions::new();
    let file = file
        .clone()
        .read(true)
        .write(true)
        .open(home.path())
        .expect("a file");
    let mut flags = [0];
    file.read_exact_at(&mut flags, 9).expect("read");
    file.write_all_at(&[flags[0] ^ 1], 9).expect("written");
}

/// A folder that has folded what is long: its commit has pages that were free in the one before it.
async fn folder_that_has_folded(home: &Home) -> Folder {
    let said = (0..8).map(|n| vec![output(n << 18, noise(n + 1, 1 << 18))]);
    let end = vec![output_closed(), exited(0)];
    let mut folder = folder_with(home, said.chain([end])).await;
    folder.compaction = Compaction::new(0);
    folder.take_in(Message::FoldAll { reply: None });
    while folder.due(Instant::now()) == Some(Duration::ZERO) {
        folder.work();
    }
    assert!(folder.tail.look().is_folded());
    folder
}

fn held_blocks(home: &Home) -> u64 {
    fs::metadata(home.path()).expect("a file").blocks()
}

fn assert_all_is_there(home: &Home) {
    let store = home.open();
    assert_eq!(all_output(&store, "a").len(), 8 << 18);
    assert_eq!(store.verify().expect("a read").problems, Vec::new());
}

#[tokio::test]
async fn nothing_is_given_back_that_the_commit_before_the_last_does_not_use() {
    let home = Home::new();
    let mut folder = folder_that_has_folded(&home).await;
    let before = held_blocks(&home);
    turn_the_flag(&home);
    for _ in 0..3 {
        folder.compaction.give_all();
        folder.compact();
    }
    assert_eq!(held_blocks(&home), before);
    let free = free_pages(
        &RawFile::lent(folder.cold.file().expect("it is open")).expect("a file"),
        0,
    );
    assert_eq!(free, None);
    turn_the_flag(&home);
    drop(folder);
    assert_all_is_there(&home);
}

#[tokio::test]
async fn a_first_page_that_calls_an_older_commit_the_last_is_told_and_put_back() {
    let home = Home::new();
    let mut folder = folder_that_has_folded(&home).await;
    turn_the_flag(&home);
    folder.take_in(Message::FoldAll { reply: None });
    folder.work();
    let trouble = folder.state.trouble.as_ref().expect("it is told");
    let told = trouble.reason.to_string();
    assert!(
        told.contains("calls the commit before its last one the last"),
        "{told}"
    );
    // As if it were time.
    folder.state.trouble.as_mut().expect("trouble").next_try = Instant::now();
    folder.work();
    assert!(folder.state.trouble.is_none());
    folder.cold.is_still_itself().expect("it was put back");
    drop(folder);
    assert_all_is_there(&home);
}
