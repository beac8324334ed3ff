//! Reading what was read before, whatever the disk does.

use coven_core::{Envelope, Seq};

use super::*;
use crate::ReadLimit;
use crate::test_support::{ALL, resized};

/// A log with two sessions in its cold file, which were read.
async fn read_once(disk: &FailingDisk) -> (Home, Store, Vec<Envelope>) {
    let home = Home::new();
    let options = Options {
        cache_bytes: 0,
        journal_cache_bytes: 0,
        ..LEFT
    };
    let store = open(&home, disk, options);
    for session in ["a", "b"] {
        running(&store, session).await;
        let said = vec![output(0, noise(1, 200_000))];
        append(&store, session, said).await.expect("it follows");
    }
    store.fold();
    let events = events_of(&store, "a");
    events_of(&store, "b");
    (home, store, events)
}

#[tokio::test]
async fn what_was_read_is_read_again_without_the_disk() {
    let disk = FailingDisk::default();
    let (_home, store, events) = read_once(&disk).await;
    disk.plan(|plan| plan.fail = Some(fail(Kind::Read, 0, u64::MAX, Errno::IO)));
    assert_eq!(events_of(&store, "a"), events);
    let middle = store.output(&id("a"), 70_000, 1000).expect("a read");
    assert_eq!(middle[0].data, noise(1, 200_000)[70_000..71_000]);
    let after = store.read(&id("a"), events[1].seq, ALL).expect("a read");
    assert_eq!(after, events[2..]);
}

#[tokio::test]
async fn wherever_a_fold_fails_what_is_read_meanwhile_and_after_it_is_all_there_is() {
    // A fold has no more syncs, with what is taken out of the journal after it.
    for (kind, operations) in [(Kind::Write, 8), (Kind::Sync, 3)] {
        for after in 0..operations {
            let disk = FailingDisk::default();
            let (home, store, mut events) = read_once(&disk).await;
            let said = vec![output(200_000, noise(2, 90_000)), resized()];
            append(&store, "a", said).await.expect("it follows");
            disk.plan(|plan| plan.fail = Some(fail(kind, after, 1, Errno::IO)));
            let reader = store.clone();
            let read = tokio::task::spawn_blocking(move || {
                let mut read = Vec::new();
                while reader.health().state != WriterState::Healthy || read.len() < 20 {
                    read.push(events_of(&reader, "a"));
                }
                read
            });
            store.fold();
            until_state(&store, WriterState::Healthy).await;
            store.fold();
            let is_met = || disk.now().fail.is_some_and(|fail| fail.times == 0);
            in_time("the fault", async {
                while !is_met() {
                    tokio::task::yield_now().await;
                }
            })
            .await;
            let last = events_of(&store, "a");
            assert_eq!(last.len(), 5);
            events.extend_from_slice(&last[3..]);
            assert_eq!(last, events, "{kind:?} {after}");
            for read in in_time("the reads", read).await.expect("no panic") {
                assert_eq!(read, events, "{kind:?} {after}");
            }
            assert_eq!(events_of(&store, "b").len(), 3);
            store.close().await;
            assert_eq!(events_of(&home.open(), "a"), events);
        }
    }
}

#[tokio::test]
async fn what_was_read_by_who_wants_little_is_read_on_the_disk_again() {
    let (_home, disk, store) = super::reads::folded().await;
    let said = vec![output(0, noise(1, 200_000))];
    append(&store, "a", said).await.expect("it follows");
    store.fold();
    let few = ReadLimit {
        events: 2,
        bytes: 1000,
    };
    let read = || store.read(&id("a"), Seq::ZERO, few);
    assert_eq!(read().expect("a read").len(), 2);
    disk.plan(|plan| plan.fail = Some(fail(Kind::Read, 0, u64::MAX, Errno::IO)));
    read().expect_err("the disk is asked");
}
