//! What was let go of makes room on a disk that is really full, whatever else waits to be folded.

#[path = "support/full.rs"]
mod full;
#[path = "../../tests/shared/not_run.rs"]
mod not_run;
#[allow(dead_code)] // none is mounted anew
#[path = "../../tests/shared/small_disk.rs"]
mod small_disk;
mod support;

use std::fs;
use std::path::Path;
use std::process::Command;

use coven_store::{Options, Store, WriterState};
use full::*;
use support::*;
use tokio::runtime::Runtime;

/// Bytes of one output, and how many a session that is trimmed has.
const LEN: u64 = 58_000;
const OUTPUTS: u64 = 250;

/// A log whose cold file has the output of one session, and whose journal has next to nothing.
async fn make(path: &Path) {
    let options = Options {
        fold_bytes: 1 << 20,
        spare_bytes: 0,
        ..Options::default()
    };
    let store = Store::open(path, options).expect("it opens");
    running(&store, "a").await;
    write(&store, "a", OUTPUTS).await;
    store.close().await;
}

async fn write(store: &Store, session: &str, outputs: u64) {
    for turn in 0..outputs {
        let said = output(turn * LEN, noise(turn, 58_000));
        let appended = append(store, session, vec![said]).await;
        appended.expect("there is room");
    }
}

#[test]
fn what_is_trimmed_makes_room_though_the_journal_has_more_than_the_reserve() {
    let name = "what_is_trimmed_makes_room_though_the_journal_has_more_than_the_reserve";
    if let Some(disk) = small_disk::of_its_own(name, 64 << 20) {
        Runtime::new()
            .unwrap()
            .block_on(trimmed_beside_a_long_journal(&disk));
    }
}

async fn trimmed_beside_a_long_journal(dir: &Path) {
    /// More than 12 MiB with what a fold takes beside.
    const OF_B: u64 = 190;
    let path = dir.join("coven.redb");
    make(&path).await;
    let store = Store::open(&path, Options::default()).expect("it opens");
    running(&store, "b").await;
    let reserve = dir.join("coven.redb.reserve");
    until(|| fs::metadata(&reserve).is_ok_and(|file| file.len() >= 12 << 20)).await;
    write(&store, "b", OF_B).await;
    fill(&dir.join("filler"));
    let more = tokio::spawn({
        let store = store.clone();
        let said = output(OF_B * LEN, noise(1, 7_000_000));
        async move { append(&store, "b", vec![said]).await }
    });
    let trim = urgent(batch("a", None, vec![trimmed(0, OUTPUTS * LEN)]));
    let appended = in_time(store.append(trim)).await;
    appended.expect("what makes room is let through");
    in_time(more).await.expect("no panic").expect("only late");
    let mut expected: Vec<u8> = (0..OF_B).flat_map(|turn| noise(turn, 58_000)).collect();
    expected.extend(noise(1, 7_000_000));
    assert!(all_output(&store, "b") == expected, "each byte, once");
    assert_eq!(store.verify().expect("a read").problems, Vec::new());
    store.close().await;
}

#[test]
fn a_trim_that_the_journal_alone_has_makes_room_after_a_restart_on_a_full_disk() {
    let name = "a_trim_that_the_journal_alone_has_makes_room_after_a_restart_on_a_full_disk";
    if let Some(disk) = small_disk::of_its_own(name, 48 << 20) {
        Runtime::new()
            .unwrap()
            .block_on(restarted_after_a_trim(&disk));
    }
}

async fn restarted_after_a_trim(dir: &Path) {
    let lived = Home::new();
    make(&lived.path()).await;
    let store = lived.open();
    running(&store, "b").await;
    write(&store, "b", 130).await;
    trim(&store, "a", 0, OUTPUTS * LEN).await;
    // As a process that is killed leaves them, holes and all.
    for name in ["coven.redb", "coven.redb.journal"] {
        let (from, to) = (lived.dir().join(name), dir.join(name));
        let mut copy = Command::new("cp");
        let copied = copy.arg("--sparse=always").args([from, to]).status();
        assert!(copied.expect("cp runs").success(), "{name}");
    }
    fs::write(dir.join("coven.redb.reserve"), noise(1, 12 << 20)).expect("there is room");
    store.close().await;
    let filler = dir.join("filler");
    fill(&filler);
    // What opening it writes has room.
    let filled = fs::metadata(&filler).expect("it is there").len();
    let file = fs::File::options().write(true).open(&filler);
    file.expect("a file")
        .set_len(filled - (768 << 10))
        .expect("it is cut");
    let path = dir.join("coven.redb");
    let store = Store::open(&path, Options::default()).expect("it opens");
    // More than the files have and do not use, and less than was trimmed: the reserve has its own first.
    for turn in 0..2 {
        let said = output(OUTPUTS * LEN + turn * 6_000_000, noise(turn, 6_000_000));
        let more = append(&store, "a", vec![said]);
        in_time(more).await.expect("only late");
    }
    let expected = [noise(0, 6_000_000), noise(1, 6_000_000)].concat();
    assert!(all_output(&store, "a") == expected, "each byte, once");
    assert_eq!(store.verify().expect("a read").problems, Vec::new());
    store.close().await;
}

#[test]
fn a_fold_that_writes_many_last_segments_anew_is_not_begun_where_there_is_no_room_for_them() {
    let name =
        "a_fold_that_writes_many_last_segments_anew_is_not_begun_where_there_is_no_room_for_them";
    if let Some(disk) = small_disk::of_its_own(name, 64 << 20) {
        Runtime::new()
            .unwrap()
            .block_on(many_that_say_little_more(&disk));
    }
}

async fn many_that_say_little_more(dir: &Path) {
    const SESSIONS: u64 = 100;
    /// More than half of a run of pages, and not enough to fill it.
    const HAS: [usize; 3] = [46_000; 3];
    let names: Vec<String> = (0..SESSIONS).map(|number| format!("s{number}")).collect();
    let path = dir.join("coven.redb");
    let options = Options {
        reserve_bytes: 0,
        ..Options::default()
    };
    let store = Store::open(&path, options).expect("it opens");
    for name in &names {
        running(&store, name).await;
        for (turn, len_bytes) in HAS.into_iter().enumerate() {
            let said = output((turn * len_bytes) as u64, noise(turn as u64, len_bytes));
            append(&store, name, vec![said])
                .await
                .expect("there is room");
        }
    }
    store.close().await;
    let store = Store::open(&path, options).expect("it opens");
    let filler = dir.join("filler");
    fill(&filler);
    let filled = fs::metadata(&filler).expect("it is there").len();
    let file = fs::File::options().write(true).open(&filler);
    // Several times what they say, and a fraction of what they said.
    file.expect("a file")
        .set_len(filled - (6 << 20))
        .expect("it is cut");
    for name in &names {
        let said = output(3 * 46_000, "little more");
        append(&store, name, vec![said])
            .await
            .expect("there is room");
    }
    until_state(&store, WriterState::Pressured).await;
    fs::remove_file(&filler).expect("it is there");
    until_state(&store, WriterState::Healthy).await;
    assert_eq!(store.health().opens, 1, "no fold met the full disk");
    for name in &names {
        assert!(all_output(&store, name).ends_with(b"little more"));
    }
    assert_eq!(store.verify().expect("a read").problems, Vec::new());
    store.close().await;
}
