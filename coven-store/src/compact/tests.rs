//! Compaction of real files on the real disk.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use coven_core::{Envelope, Event};
use redb::ReadableTableMetadata;

use crate::layout::{ERASING, SEGMENTS};
use crate::test_support::*;
use crate::{Options, Store, inspect};

const MIB: u64 = 1 << 20;

/// Bytes of one output.
const LEN: usize = 256 << 10;

const OPTIONS: Options = Options {
    journal_cache_bytes: 8 << 20,
    segment_cache_bytes: 1 << 20,
    cache_bytes: 8 << 20,
    fold_bytes: 8 << 20,
    fold_after: NEVER,
    reserve_bytes: 0,
    at_close: crate::AtClose::Write,
    queue_bytes: 8 << 20,
    spare_bytes: 4 << 20,
    at_rest: None,
};

fn open(home: &Home) -> Store {
    Store::open(&home.path(), OPTIONS).expect("the store opens")
}

/// Bytes of the blocks behind the cold file.
fn held_bytes(home: &Home) -> u64 {
    fs::metadata(home.path()).expect("a file").blocks() * 512
}

/// Appends output to a session up to so many bytes in all, from a beginning that is there.
async fn say(store: &Store, session: &str, from: u64, to: u64) {
    for n in from / LEN as u64..to / LEN as u64 {
        let said = output(n * LEN as u64, noise(n + 1, LEN));
        let appended = append(store, session, vec![said]).await;
        appended.expect("it runs");
    }
}

/// A session that has ended and has so many bytes of output.
async fn long(store: &Store, session: &str, bytes: u64) {
    running(store, session).await;
    say(store, session, 0, bytes).await;
    let end = append(store, session, vec![output_closed(), exited(0)]).await;
    end.expect("it runs");
}

async fn delete(store: &Store, session: &str) {
    let deleted = append(store, session, vec![Event::Deleted]).await;
    deleted.expect("it has ended");
    // The rest goes on in the background.
    store.fold();
}

fn verify(store: &Store) {
    let findings = store.verify().expect("a look");
    assert_eq!(findings.problems, Vec::new());
}

/// Waits until the cold file has so many bytes of blocks at most.
async fn wait_for_blocks(home: &Home, at_most: u64) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while held_bytes(home) > at_most {
        let held = held_bytes(home);
        assert!(Instant::now() < deadline, "it has {held}, not {at_most}");
        tokio::task::yield_now().await;
    }
}

fn assert_whole(home: &Home) {
    let findings = inspect(&home.path(), &mut |_| ()).expect("a look");
    assert!(findings.is_whole(), "{:?}", findings.problems);
}

/// The files as a process that is killed leaves them.
fn killed(home: &Home) -> Home {
    let copy = Home::new();
    for name in ["coven.redb", "coven.redb.journal"] {
        fs::copy(home.dir().join(name), copy.dir().join(name)).expect("a copy");
    }
    copy
}

fn every_event(store: &Store, sessions: &[&str]) -> Vec<Vec<Envelope>> {
    let events = sessions.iter().map(|session| events_of(store, session));
    events.collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_deleted_or_trimmed_is_given_back_though_somebody_goes_on_writing_a_little() {
    let home = Home::new();
    let options = Options {
        // What is written here is not enough for a fold: one comes after a while.
        fold_bytes: u64::MAX,
        fold_after: Options::default().fold_after,
        ..OPTIONS
    };
    let store = Store::open(&home.path(), options).expect("the store opens");
    long(&store, "deleted", 12 * MIB).await;
    long(&store, "trimmed", 12 * MIB).await;
    running(&store, "slow").await;
    store.fold();
    let is_over = Arc::new(AtomicBool::new(false));
    let (slow, stop) = (store.clone(), Arc::clone(&is_over));
    let writer = tokio::spawn(async move {
        let mut lines = 0;
        while !stop.load(Ordering::Relaxed) {
            let line = output(2 * lines, "|\n");
            append(&slow, "slow", vec![line]).await.expect("it runs");
            lines += 1;
        }
        lines
    });
    for (session, len) in [("deleted", 11 * MIB), ("trimmed", 10 * MIB)] {
        let full = held_bytes(&home);
        match session {
            "deleted" => {
                let deleted = append(&store, session, vec![Event::Deleted]).await;
                deleted.expect("it has ended");
            }
            _ => drop(trim(&store, session, 0, len).await),
        }
        // Half of what may be free stays.
        wait_for_blocks(&home, full + OPTIONS.spare_bytes - len).await;
    }
    is_over.store(true, Ordering::Relaxed);
    let lines = writer.await.expect("no panic");
    assert_eq!(all_output(&store, "slow").len() as u64, 2 * lines);
    verify(&store);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_deleted_is_given_back_while_others_write_and_all_else_is_as_it_was() {
    /// How much each of three says in turn with what is given back, together much less than that.
    const SAID: u64 = 2 * MIB;
    let home = Home::new();
    let options = Options {
        // What they say is folded meanwhile, into what is free.
        fold_bytes: MIB,
        ..OPTIONS
    };
    let store = Store::open(&home.path(), options).expect("the store opens");
    long(&store, "before", 6 * MIB).await;
    long(&store, "large", 64 * MIB).await;
    long(&store, "behind", 6 * MIB).await;
    store.fold();
    let full = held_bytes(&home);
    let len = fs::metadata(home.path()).expect("a file").len();
    assert!(full > 76 * MIB, "{full}");

    for session in ["w1", "w2", "w3"] {
        running(&store, session).await;
    }
    delete(&store, "large").await;
    for (turn, from) in (1..).zip((0..SAID).step_by(LEN)) {
        let say = |session| say(&store, session, from, from + LEN as u64);
        tokio::join!(say("w1"), say("w2"), say("w3"));
        wait_for_blocks(&home, full - turn * 5 * MIB).await;
    }
    assert!(held_bytes(&home) <= full - 40 * MIB);
    let there = fs::metadata(home.path()).expect("a file").len();
    assert!(there >= len, "it has holes, and is as long as it was");

    let sessions = ["before", "behind", "w1", "w2", "w3"];
    let check = |store: &Store| {
        for (session, bytes) in sessions.iter().zip([6 * MIB, 6 * MIB, SAID, SAID, SAID]) {
            let all: Vec<u8> = (0..bytes / LEN as u64)
                .flat_map(|n| noise(n + 1, LEN))
                .collect();
            assert!(all_output(store, session) == all, "{session}");
        }
        verify(store);
    };
    check(&store);
    let events = every_event(&store, &sessions);
    let killed = killed(&home);
    assert_whole(&killed);
    let again = open(&killed);
    check(&again);
    assert_eq!(every_event(&again, &sessions), events);
    again.close().await;
    assert_whole(&killed);
    store.close().await;
    assert_whole(&home);
    let again = open(&home);
    check(&again);
    long(&again, "new", 20 * MIB).await;
    check(&again);
    again.close().await;
    assert_whole(&home);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_trimmed_is_given_back() {
    let home = Home::new();
    let store = open(&home);
    long(&store, "a", 40 * MIB).await;
    store.fold();
    let full = held_bytes(&home);
    trim(&store, "a", 0, 36 * MIB).await;
    store.fold();
    wait_for_blocks(&home, full - 30 * MIB).await;
    let left = store.output(&id("a"), 0, usize::MAX).expect("a read");
    let left: Vec<u8> = left.iter().flat_map(|it| it.data.to_vec()).collect();
    let said: Vec<u8> = (144..160).flat_map(|n| noise(n + 1, LEN)).collect();
    assert!(left == said);
    store.close().await;
    assert_whole(&home);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_reads_from_an_older_snapshot_reads_on_and_gives_its_pages_free_at_the_end() {
    let home = Home::new();
    let options = Options {
        cache_bytes: 0,
        ..OPTIONS
    };
    let store = Store::open(&home.path(), options).expect("the store opens");
    long(&store, "kept", 2 * MIB).await;
    // What is erased before the reader begins is given back while it reads.
    long(&store, "first", 24 * MIB).await;
    long(&store, "second", 24 * MIB).await;
    store.fold();
    let full = held_bytes(&home);

    let (began, has_begun) = mpsc::channel();
    let (end, may_end) = mpsc::channel::<()>();
    let may_end = std::sync::Mutex::new(may_end);
    let reader = store.clone();
    let reading = std::thread::spawn(move || {
        let read = reader.run(|txn| {
            let table = txn.open_table(SEGMENTS)?;
            let all = || -> Result<Vec<Vec<u8>>, crate::fault::Fault> {
                let rows = table.range((0, 0)..)?;
                rows.map(|row| Ok(row?.1.value().to_vec())).collect()
            };
            let before = all()?;
            let _ = began.send(());
            let _ = may_end.lock().expect("nobody panics").recv();
            assert!(all()? == before, "it sees what it saw");
            Ok(before.len())
        });
        read.expect("a read")
    });
    has_begun.recv().expect("it reads");
    delete(&store, "second").await;
    // The pages of the second are seen by the reader: nothing of them goes, whatever is committed.
    delete(&store, "first").await;
    long(&store, "more", 2 * MIB).await;
    store.fold();
    wait_until_nothing_is_due(&store).await;
    let held = held_bytes(&home);
    assert!(held + 4 * MIB > full, "{held} of {full}");
    end.send(()).expect("it waits");
    assert!(reading.join().expect("no panic") > 50 * 4);
    // With the next commit they are free.
    long(&store, "after", MIB).await;
    store.fold();
    wait_for_blocks(&home, full - 36 * MIB).await;
    for session in ["kept", "more"] {
        let all: Vec<u8> = (0..8).flat_map(|n| noise(n + 1, LEN)).collect();
        assert!(all_output(&store, session) == all, "{session}");
    }
    store.close().await;
    assert_whole(&home);
}

/// Waits until what there is to erase is erased, and given back if it can be.
async fn wait_until_nothing_is_due(store: &Store) {
    let is_erased = || store.run(|txn| Ok(txn.open_table(ERASING)?.is_empty()?));
    while !is_erased().expect("a read") {
        tokio::task::yield_now().await;
    }
    for _ in 0..100 {
        store.fold();
    }
}
