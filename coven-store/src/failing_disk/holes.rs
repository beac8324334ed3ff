//! Giving back what is not used, on a disk that does not do it.

use std::os::unix::fs::MetadataExt;

use redb::ReadableTableMetadata;

use super::*;
use crate::layout::ERASING;

/// A log with much that it does not use, on a disk that fails to take it back so many times, once
/// everything was tried.
async fn give_back(times: u64, with: Errno) -> (Home, FailingDisk, Store) {
    const LEN: usize = 200_000;
    let home = Home::new();
    let disk = FailingDisk::default();
    let options = Options {
        spare_bytes: 1 << 20,
        ..LEFT
    };
    disk.plan(|plan| plan.fail = Some(fail(Kind::Punch, 0, times, with)));
    let store = open(&home, &disk, options);
    running(&store, "kept").await;
    append(&store, "kept", vec![output(0, noise(7, LEN))])
        .await
        .expect("it follows");
    running(&store, "a").await;
    for n in 0..60 {
        let said = output(n * LEN as u64, noise(n, LEN));
        append(&store, "a", vec![said]).await.expect("it follows");
    }
    let end = vec![output_closed(), exited(0)];
    append(&store, "a", end).await.expect("it follows");
    append(&store, "a", vec![Event::Deleted])
        .await
        .expect("it has ended");
    let is_erased = || store.run(|txn| Ok(txn.open_table(ERASING)?.is_empty()?));
    store.fold();
    while !is_erased().expect("a read") {
        tokio::task::yield_now().await;
    }
    for _ in 0..100 {
        store.fold();
    }
    // Some of it redb gives up itself, at the end of the file.
    assert_eq!(held_bytes(&home) < 3 << 20, times == 0, "{with}");
    (home, disk, store)
}

/// It is healthy, goes on, and has what it has.
async fn assert_goes_on(home: &Home, store: Store) {
    let health = store.health();
    assert_eq!(health.state, WriterState::Healthy);
    assert_eq!((health.opens, health.last_error), (1, None));
    append(&store, "kept", vec![output(200_000, "more")])
        .await
        .expect("it follows");
    assert_eq!(store.verify().expect("a read").problems, Vec::new());
    store.close().await;
    assert!(all_output(&home.open(), "kept").starts_with(&noise(7, 200_000)));
}

#[tokio::test]
async fn what_is_deleted_is_given_back_by_a_disk_that_can() {
    let (home, _, store) = give_back(0, Errno::IO).await;
    assert_goes_on(&home, store).await;
}

#[tokio::test]
async fn a_disk_that_cannot_or_fails_to_give_back_keeps_it_and_nothing_else_is_wrong() {
    for with in [Errno::OPNOTSUPP, Errno::IO] {
        let (home, _, store) = give_back(u64::MAX, with).await;
        assert_goes_on(&home, store).await;
    }
}

#[tokio::test]
async fn a_disk_that_is_too_full_for_a_hole_is_asked_again_after_the_next_commit() {
    let (home, disk, store) = give_back(u64::MAX, Errno::NOSPC).await;
    disk.plan(|plan| plan.fail = None);
    append(&store, "kept", vec![output(200_000, "more")])
        .await
        .expect("it follows");
    in_time("giving back", async {
        while held_bytes(&home) > 3 << 20 {
            store.fold();
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(store.health().state, WriterState::Healthy);
    assert_eq!(store.verify().expect("a read").problems, Vec::new());
}

/// Bytes of the blocks behind the cold file.
fn held_bytes(home: &Home) -> u64 {
    std::fs::metadata(home.path()).expect("a file").blocks() * 512
}
