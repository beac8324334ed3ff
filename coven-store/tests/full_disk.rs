//! A disk that is really full, and one that is really read-only.

#[path = "support/full.rs"]
mod full;
#[path = "../../tests/shared/not_run.rs"]
mod not_run;
#[path = "../../tests/shared/small_disk.rs"]
mod small_disk;
mod support;
#[path = "support/warnings.rs"]
mod warnings;

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::Duration;

use coven_core::{Event, Seq};
use coven_store::{
    AppendError, Import, NewEvent, OpenError, Options, StorageFault, Store, WriterState, inspect,
};
use full::*;
use support::*;
use tokio::runtime::Runtime;
use warnings::{STILL, WARNINGS, Warnings};

#[test]
fn a_real_full_disk_stops_nothing_but_writing() {
    let name = "a_real_full_disk_stops_nothing_but_writing";
    if let Some(disk) = small_disk::of_its_own(name, 48 << 20) {
        Runtime::new().unwrap().block_on(on_a_full_disk(&disk));
    }
}

async fn on_a_full_disk(dir: &Path) {
    let store = Store::open(&dir.join("coven.redb"), Options::default()).expect("it opens");
    let before = running(&store, "a").await;
    running(&store, "b").await;
    // The reserve is filled when there is nothing else to do.
    let reserve = dir.join("coven.redb.reserve");
    until(|| fs::metadata(&reserve).is_ok_and(|file| file.len() >= 4 << 20)).await;
    fill(&dir.join("filler"));
    let of_a = tokio::spawn({
        let store = store.clone();
        async move { append(&store, "a", vec![output(0, noise(2, 50_000))]).await }
    });
    let of_b = tokio::spawn({
        let store = store.clone();
        async move { append(&store, "b", vec![output(0, noise(3, 50_000))]).await }
    });
    until_state(&store, WriterState::Failed).await;
    let health = store.health();
    assert_eq!(health.fault, Some(StorageFault::Full));
    let launch = store
        .append(urgent(batch("c", Seq::ZERO, vec![created()])))
        .await;
    let full = AppendError::Suspended {
        reason: StorageFault::Full,
    };
    assert_eq!(launch, Err(full));
    assert_eq!(events_of(&store, "a").len(), 2, "reads go on");

    // A kill and all that follows from it go through the reserve.
    let kill = store.append(urgent(batch("a", before.last, vec![Event::KillRequested])));
    in_time(kill).await.expect("the reserve is for this");
    in_time(of_a).await.expect("no panic").expect("it is dying");
    let end = append(&store, "a", vec![output_closed(), exited(137)]);
    let end = in_time(end).await.expect("it is dying");
    assert!(end.record.ended_at.is_some());
    assert!(!of_b.is_finished());

    fs::remove_file(dir.join("filler")).expect("it is there");
    in_time(of_b).await.expect("no panic").expect("only late");
    until_state(&store, WriterState::Healthy).await;
    assert_eq!(
        store.health().opens,
        1,
        "the database never met the full disk"
    );
    assert_eq!(all_output(&store, "a"), noise(2, 50_000));
    assert_eq!(all_output(&store, "b"), noise(3, 50_000));
    assert_eq!(store.verify().expect("a read").problems, Vec::new());
    store.close().await;
}

#[test]
fn a_log_that_fills_the_disk_itself_goes_on_when_there_is_room() {
    let name = "a_log_that_fills_the_disk_itself_goes_on_when_there_is_room";
    if let Some(disk) = small_disk::of_its_own(name, 24 << 20) {
        Runtime::new()
            .unwrap()
            .block_on(on_a_disk_that_the_log_fills(&disk));
    }
}

async fn on_a_disk_that_the_log_fills(dir: &Path) {
    let store = Store::open(&dir.join("coven.redb"), Options::default()).expect("it opens");
    running(&store, "a").await;
    let writing = tokio::spawn({
        let store = store.clone();
        async move {
            let mut offset = 0;
            for turn in 0..600 {
                let data = noise(turn, 58_000);
                let appended = append(&store, "a", vec![output(offset, data)]).await;
                appended.expect("output is never refused");
                offset += 58_000;
            }
        }
    });
    until_state(&store, WriterState::Failed).await;
    let written = all_output(&store, "a").len();
    assert!(written > 8 << 20, "it filled most of the disk: {written}");
    assert!(!writing.is_finished());
    small_disk::remount(dir, "size=96m");
    in_time(writing).await.expect("no panic");
    let expected: Vec<u8> = (0..600).flat_map(|turn| noise(turn, 58_000)).collect();
    assert!(all_output(&store, "a") == expected, "each byte, once");
    assert_eq!(
        store.health().opens,
        1,
        "the database never met the full disk"
    );
    store.close().await;
}

#[test]
fn a_disk_with_room_for_some_of_what_waits_is_told_to_be_full_once() {
    let name = "a_disk_with_room_for_some_of_what_waits_is_told_to_be_full_once";
    if let Some(disk) = small_disk::of_its_own(name, 48 << 20) {
        tracing::subscriber::set_global_default(Warnings).expect("this process is its own");
        Runtime::new()
            .unwrap()
            .block_on(on_an_almost_full_disk(&disk));
    }
}

async fn on_an_almost_full_disk(dir: &Path) {
    let store = Store::open(&dir.join("coven.redb"), Options::default()).expect("it opens");
    let names = ["a", "b", "c", "d"];
    for name in names {
        running(&store, name).await;
    }
    let reserve = dir.join("coven.redb.reserve");
    until(|| fs::metadata(&reserve).is_ok_and(|file| file.len() >= 12 << 20)).await;
    let filler = dir.join("filler");
    fill(&filler);
    let waiting: Vec<_> = (1..)
        .zip(names)
        .map(|(seed, name)| {
            let store = store.clone();
            tokio::spawn(async move {
                append(&store, name, vec![output(0, noise(seed, 600_000))]).await
            })
        })
        .collect();
    until_state(&store, WriterState::Failed).await;
    until(|| store.health().queued_events == 4).await;
    let filled = fs::metadata(&filler).expect("it is there").len();
    let file = fs::File::options()
        .write(true)
        .open(&filler)
        .expect("a file");
    // Room for each of them, and not for all, which are written at once.
    file.set_len(filled - (1600 << 10)).expect("it is cut");
    drop(file);
    let looks = STILL.load(Ordering::Relaxed);
    // One of them may have begun before that.
    let warnings = || WARNINGS.load(Ordering::Relaxed);
    until(|| STILL.load(Ordering::Relaxed) > looks + 2 || warnings() > 1).await;
    assert_eq!(warnings(), 1, "it is the same disk, full still");
    assert_eq!(store.health().queued_events, 4);
    assert_eq!(store.health().state, WriterState::Failed);
    fs::remove_file(&filler).expect("it is there");
    for appended in waiting {
        let appended = in_time(appended).await.expect("no panic");
        appended.expect("it was only late");
    }
    until_state(&store, WriterState::Healthy).await;
    store.close().await;
}

#[test]
fn a_session_that_is_killed_on_a_full_disk_does_not_wait_for_room_that_others_have() {
    let name = "a_session_that_is_killed_on_a_full_disk_does_not_wait_for_room_that_others_have";
    if let Some(disk) = small_disk::of_its_own(name, 48 << 20) {
        Runtime::new()
            .unwrap()
            .block_on(killed_beside_others(&disk));
    }
}

async fn killed_beside_others(dir: &Path) {
    let store = Store::open(&dir.join("coven.redb"), Options::default()).expect("it opens");
    for name in ["a", "b", "c"] {
        running(&store, name).await;
    }
    let reserve = dir.join("coven.redb.reserve");
    until(|| fs::metadata(&reserve).is_ok_and(|file| file.len() >= 12 << 20)).await;
    fill(&dir.join("filler"));
    let flood = |name: &'static str, len_bytes| {
        let store = store.clone();
        let events = vec![output(0, noise(1, len_bytes))];
        tokio::spawn(async move { append(&store, name, events).await })
    };
    // They take all the room that there is for output that waits.
    let others = [flood("b", 4_100_000), flood("c", 4_100_000)];
    until_state(&store, WriterState::Failed).await;
    until(|| store.health().queued_bytes > 8_000_000).await;
    let said = flood("a", 4_000_000);
    let kill = store.append(urgent(batch("a", None, vec![Event::KillRequested])));
    in_time(kill).await.expect("the reserve is for this");
    in_time(said).await.expect("no panic").expect("it is dying");
    let end = append(&store, "a", vec![output_closed(), exited(137)]);
    let end = in_time(end).await.expect("it is dying");
    assert!(end.record.ended_at.is_some());
    fs::remove_file(dir.join("filler")).expect("it is there");
    for other in others {
        in_time(other).await.expect("no panic").expect("only late");
    }
    store.close().await;
}

#[test]
fn a_log_that_filled_the_disk_goes_on_in_what_is_trimmed() {
    let name = "a_log_that_filled_the_disk_goes_on_in_what_is_trimmed";
    if let Some(disk) = small_disk::of_its_own(name, 24 << 20) {
        Runtime::new()
            .unwrap()
            .block_on(trimmed_on_a_full_disk(&disk));
    }
}

/// How many times as much as fits is written.
async fn trimmed_on_a_full_disk(dir: &Path) {
    const LEN: u64 = 58_000;
    let store = Store::open(&dir.join("coven.redb"), Options::default()).expect("it opens");
    running(&store, "a").await;
    let reserve = dir.join("coven.redb.reserve");
    until(|| fs::metadata(&reserve).is_ok_and(|file| file.len() >= 12 << 20)).await;
    let writing = tokio::spawn({
        let store = store.clone();
        async move {
            for turn in 0..1200 {
                let said = output(turn * LEN, noise(turn, 58_000));
                let appended = append(&store, "a", vec![said]).await;
                appended.expect("output is never refused");
            }
        }
    });
    let (mut from, mut trims) = (0, 0);
    while !writing.is_finished() {
        until(|| writing.is_finished() || store.health().state == WriterState::Failed).await;
        let record = store
            .record(&id("a"))
            .expect("a read")
            .expect("it is there");
        let end = record.session.output_bytes;
        if end == from || writing.is_finished() {
            tokio::time::sleep(Duration::from_millis(2)).await;
            continue;
        }
        let trim = urgent(batch("a", None, vec![trimmed(from, end)]));
        let appended = in_time(store.append(trim)).await;
        appended.expect("what makes room is let through");
        (from, trims) = (end, trims + 1);
    }
    in_time(writing).await.expect("no panic");
    assert!(trims > 1, "the disk was full {trims} times");
    let expected: Vec<u8> = (from / LEN..1200)
        .flat_map(|turn| noise(turn, 58_000))
        .collect();
    assert!(all_output(&store, "a") == expected, "each byte, once");
    assert_eq!(store.verify().expect("a read").problems, Vec::new());
    eprintln!("trims {trims} opens {}", store.health().opens);
    store.close().await;
}

#[test]
fn what_the_journal_does_not_use_any_more_is_given_back_to_a_full_disk() {
    let name = "what_the_journal_does_not_use_any_more_is_given_back_to_a_full_disk";
    if let Some(disk) = small_disk::of_its_own(name, 48 << 20) {
        Runtime::new()
            .unwrap()
            .block_on(given_back_by_the_journal(&disk));
    }
}

async fn given_back_by_the_journal(dir: &Path) {
    const LEN: u64 = 58_000;
    /// More than half of what is in the journal before it is folded.
    const OUTPUTS: u64 = 230;
    let store = Store::open(&dir.join("coven.redb"), Options::default()).expect("it opens");
    running(&store, "a").await;
    let reserve = dir.join("coven.redb.reserve");
    until(|| fs::metadata(&reserve).is_ok_and(|file| file.len() >= 12 << 20)).await;
    for turn in 0..OUTPUTS {
        let said = output(turn * LEN, noise(turn, 58_000));
        append(&store, "a", vec![said])
            .await
            .expect("there is room");
    }
    fill(&dir.join("filler"));
    let more = tokio::spawn({
        let store = store.clone();
        // More than the reserve lets go of for a fold.
        let said = output(OUTPUTS * LEN, noise(1, 4_000_000));
        async move { append(&store, "a", vec![said]).await }
    });
    let trim = urgent(batch("a", None, vec![trimmed(0, OUTPUTS * LEN)]));
    let appended = in_time(store.append(trim)).await;
    appended.expect("what makes room is let through");
    in_time(more).await.expect("no panic").expect("only late");
    let journal = fs::metadata(dir.join("coven.redb.journal")).expect("a file");
    let held_bytes = journal.blocks() * 512;
    assert!(held_bytes < 9 << 20, "it has {held_bytes} bytes still");
    assert_eq!(
        store.health().opens,
        1,
        "the database never met the full disk"
    );
    assert!(all_output(&store, "a") == noise(1, 4_000_000));
    assert_eq!(store.verify().expect("a read").problems, Vec::new());
    store.close().await;
}

#[test]
fn a_log_that_there_is_no_room_to_open_is_left_whole() {
    let name = "a_log_that_there_is_no_room_to_open_is_left_whole";
    if let Some(disk) = small_disk::of_its_own(name, 24 << 20) {
        Runtime::new().unwrap().block_on(imported_and_full(&disk));
    }
}

/// An import leaves the journal to whoever opens the log, and no reserve.
async fn imported_and_full(dir: &Path) {
    let path = dir.join("coven.redb");
    let mut import = Import::begin(&path, Options::default(), id("a")).expect("there is room");
    for event in [created(), started(), output_closed(), exited(0)] {
        let (at, actor) = (at(1), None);
        import
            .push(&NewEvent { at, actor, event })
            .expect("it follows");
    }
    import.commit().expect("there is room");
    fill(&dir.join("filler"));
    // It may have what it needs all the same.
    match Store::open(&path, Options::default()) {
        Ok(store) => store.close().await,
        Err(OpenError::Io { .. }) => {}
        Err(other) => panic!("{other}"),
    }
    let findings = inspect(&path, &mut |_| ()).expect("it can be looked at");
    assert_eq!(findings.problems, []);
    assert_eq!(findings.events, 4);
}

#[test]
fn on_a_read_only_disk_a_log_is_not_opened_and_not_made() {
    let name = "on_a_read_only_disk_a_log_is_not_opened_and_not_made";
    if let Some(disk) = small_disk::of_its_own(name, 24 << 20) {
        Runtime::new().unwrap().block_on(on_a_read_only_disk(&disk));
    }
}

async fn on_a_read_only_disk(dir: &Path) {
    let path = dir.join("coven.redb");
    let store = Store::open(&path, Options::default()).expect("it opens");
    running(&store, "a").await;
    store.close().await;
    small_disk::remount(dir, "ro");
    for path in [&path, &dir.join("another.redb")] {
        let refused = Store::open(path, Options::default());
        assert!(
            matches!(refused, Err(OpenError::ReadOnly { .. })),
            "{refused:?}"
        );
    }
    small_disk::remount(dir, "rw");
    let store = Store::open(&path, Options::default()).expect("it opens");
    assert_eq!(events_of(&store, "a").len(), 2);
    store.close().await;
}
