//! What was let go of, on a disk that is full: it is taken out all the same, which makes room.

use std::path::PathBuf;

use redb::ReadableTableMetadata;

use super::*;
use crate::layout::{OUTPUT, TRIMMING};

/// Bytes of one output of a session that is trimmed: a segment has no more than that.
const LEN: u64 = 200_000;

/// A session with some output in the cold file.
async fn talk(store: &Store, session: &str, outputs: u64) {
    running(store, session).await;
    for n in 0..outputs {
        let said = output(n * LEN, noise(n, 200_000));
        append(store, session, vec![said]).await.expect("it runs");
    }
    store.fold();
}

/// A session whose output, all in the cold file, was just trimmed; gives where the reserve is, filled.
async fn all_trimmed(home: &Home, store: &Store) -> PathBuf {
    talk(store, "a", 5).await;
    let reserve = home.dir().join("coven.redb.reserve");
    until_filled(&reserve).await;
    trim(store, "a", 0, 5 * LEN).await;
    reserve
}

/// Waits until nothing is in the cold file that was trimmed.
async fn until_taken_out(store: &Store) {
    let is_left = || {
        let read = store.run(|txn| {
            let is_to_do = !txn.open_table(TRIMMING)?.is_empty()?;
            Ok(is_to_do || !txn.open_table(OUTPUT)?.is_empty()?)
        });
        read.expect("a read")
    };
    in_time("taking out what was trimmed", async {
        while is_left() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn what_was_trimmed_just_before_the_disk_was_full_is_taken_out_all_the_same() {
    let home = Home::new();
    let disk = FailingDisk::default();
    let options = Options {
        reserve_bytes: 4 << 20,
        queue_bytes: 16 << 20,
        ..LEFT
    };
    let store = open(&home, &disk, options);
    let reserve = all_trimmed(&home, &store).await;
    disk.plan(|plan| plan.left = Left::AllBut(4 << 20, reserve.clone()));
    let waiting = spawn_append(&store, "a", vec![output(5 * LEN, noise(1, 4 << 20))]);
    until_state(&store, WriterState::Failed).await;
    until_taken_out(&store).await;
    assert!(!waiting.is_finished());
    disk.plan(|plan| plan.left = Left::TheTruth);
    let appended = in_time("resuming", waiting).await.expect("no panic");
    appended.expect("it was only late");
}

#[tokio::test]
async fn what_could_not_be_taken_out_on_a_full_disk_is_once_there_is_room() {
    let home = Home::new();
    let disk = FailingDisk::default();
    let store = open(&home, &disk, LEFT);
    talk(&store, "a", 100).await;
    trim(&store, "a", 0, 100 * LEN).await;
    store.close().await;
    disk.plan(|plan| plan.left = Left::Bytes(0));
    let store = open(&home, &disk, LEFT);
    // Nothing can be folded, and so nothing be taken out.
    store.fold();
    let to_do = store.run(|txn| Ok(txn.open_table(TRIMMING)?.len()?));
    assert_eq!(to_do.expect("a read"), 1);
    disk.plan(|plan| plan.left = Left::TheTruth);
    until_taken_out(&store).await;
}

#[tokio::test]
async fn a_commit_that_fails_as_room_is_made_on_a_full_disk_is_told_and_made_again() {
    let home = Home::new();
    let disk = FailingDisk::default();
    let options = Options {
        reserve_bytes: 0,
        ..LEFT
    };
    let store = open(&home, &disk, options);
    talk(&store, "a", 100).await;
    trim(&store, "a", 0, 100 * LEN).await;
    store.close().await;
    disk.plan(|plan| plan.left = Left::Bytes(0));
    let store = open(&home, &disk, options);
    store.fold();
    // Enough to take out what was trimmed, and not to fold.
    disk.plan(|plan| {
        plan.left = Left::Bytes((1 << 20) + (256 << 10));
        plan.fail = Some(fail(Kind::Sync, 0, 1, Errno::IO));
    });
    until(&store, |health| health.opens > 1).await;
    until_taken_out(&store).await;
    assert_eq!(store.health().state, WriterState::Pressured);
    disk.plan(|plan| plan.left = Left::TheTruth);
    until_state(&store, WriterState::Healthy).await;
}

#[tokio::test]
async fn what_was_trimmed_is_taken_out_on_a_full_disk_though_nobody_writes() {
    let home = Home::new();
    let disk = FailingDisk::default();
    let options = Options {
        reserve_bytes: 4 << 20,
        ..LEFT
    };
    let store = open(&home, &disk, options);
    let reserve = all_trimmed(&home, &store).await;
    // The writer, who has nothing to write, does not see that.
    disk.plan(|plan| plan.left = Left::AllBut(4 << 20, reserve.clone()));
    store.fold();
    assert_eq!(store.tail().look().folded().seq(), store.last_seq());
    until_taken_out(&store).await;
}
