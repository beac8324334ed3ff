//! A first page that is not what was written there, in a log that is open and has a damaged page as well.

use std::fs;
use std::os::unix::fs::FileExt;
use std::slice;

use coven_core::Seq;

use crate::test_support::{ALL, Home, append, events_of, id, resized, running};

/// Bytes of the first page: what says which of the two commits is the last, and what says how long pages are.
const FLAGS_AT: u64 = 9;
const GEOMETRY_AT: u64 = 12;

/// Has the bits of a byte of the first page turn in an open log, and reads a session as who met damage elsewhere.
async fn read_past_damage_once(at: u64, bits: u8) {
    let home = Home::new();
    let store = home.open();
    running(&store, "a").await;
    store.fold();
    for _ in 0..2 {
        let more = append(&store, "a", vec![resized(); 3]).await;
        more.expect("it goes on");
        store.fold();
    }
    let events = events_of(&store, "a");
    let mut file = fs::OpenOptions::new();
    let file = file.read(true).write(true).open(home.path());
    let file = file.expect("a file");
    let mut byte = 0;
    let found = file.read_exact_at(slice::from_mut(&mut byte), at);
    found.expect("a read");
    file.write_all_at(&[byte ^ bits], at).expect("a write");
    let read = store.read_as_past_damage(&id("a"), Seq::ZERO, ALL);
    assert_eq!(read, Ok(events));
    file.write_all_at(&[byte], at).expect("a write");
    store.close().await;
}

#[tokio::test]
async fn who_meets_damage_reads_the_last_commit_though_the_first_page_calls_the_one_before_it_the_last()
 {
    read_past_damage_once(FLAGS_AT, 1).await;
}

#[tokio::test]
async fn who_meets_damage_reads_by_what_was_written_to_the_first_page() {
    read_past_damage_once(GEOMETRY_AT, 0xff).await;
}
