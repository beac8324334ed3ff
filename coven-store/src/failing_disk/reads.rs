//! Reads that fail.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use super::*;
use crate::fault::{Fault, storage_fault};

/// A log with a running session, all of it in the cold file: what is in the tail is read without
/// the disk, and so would be what is in a cache.
pub(super) async fn folded() -> (Home, FailingDisk, Store) {
    let home = Home::new();
    let disk = FailingDisk::default();
    let options = Options {
        cache_bytes: 0,
        journal_cache_bytes: 0,
        ..LEFT
    };
    let store = open(&home, &disk, options);
    running(&store, "a").await;
    store.verify().expect("a read");
    (home, disk, store)
}

#[tokio::test]
async fn a_read_that_fails_is_read_again_from_a_reopened_database() {
    let home = Home::new();
    let disk = FailingDisk::default();
    // Hardly a cache, so that reads reach the disk.
    let store = open(
        &home,
        &disk,
        Options {
            cache_bytes: 0,
            journal_cache_bytes: 0,
            ..LEFT
        },
    );
    running(&store, "a").await;
    let data = noise(4, 200_000);
    append(&store, "a", vec![output(0, data.clone())])
        .await
        .expect("it follows");
    // With that it is folded: what is in the tail is read without the disk.
    store.verify().expect("a read");
    in_time("a read that fails", async {
        while store.health().opens == 1 {
            // It fails when it is tried again, and so do looks at half of the other places.
            disk.plan(|plan| plan.fail = Some(fail(Kind::Read, 1, 4, Errno::IO)));
            let reader = store.clone();
            let read = tokio::task::spawn_blocking(move || reader.output(&id("a"), 0, usize::MAX));
            match read.await.expect("no panic") {
                Ok(read) => {
                    let read: Vec<u8> = read.iter().flat_map(|it| it.data.to_vec()).collect();
                    assert_eq!(read, data);
                }
                // Some of those that failed were others', and this one was taken for a dead sector; or what the file
                // was to be opened with again was.
                Err(ReadError::Damaged(_) | ReadError::Unavailable { .. }) => {
                    disk.plan(|plan| plan.fail = None);
                    until_state(&store, WriterState::Healthy).await;
                }
                Err(error) => panic!("{error}"),
            }
        }
    })
    .await;
    disk.plan(|plan| plan.fail = None);
    until_state(&store, WriterState::Healthy).await;
    let read = store.output(&id("a"), 0, usize::MAX).expect("a read");
    let read: Vec<u8> = read.iter().flat_map(|it| it.data.to_vec()).collect();
    assert_eq!(read, data);
    let next = append(&store, "a", vec![output(200_000, "x")]);
    in_time("an append", next).await.expect("it writes again");
}

#[tokio::test]
async fn a_read_that_always_fails_says_so_and_what_can_be_read_is_read() {
    let (_home, disk, store) = folded().await;
    disk.plan(|plan| plan.fail = Some(fail(Kind::Read, 0, u64::MAX, Errno::IO)));
    let reader = store.clone();
    let read = tokio::task::spawn_blocking(move || reader.record(&id("a")));
    let read = in_time("the answer", read).await.expect("no panic");
    assert!(
        matches!(read, Err(ReadError::Unavailable { .. })),
        "{read:?}"
    );
    assert_ne!(store.health().state, WriterState::Healthy);
    disk.plan(|plan| plan.fail = None);
    until_state(&store, WriterState::Healthy).await;
    assert!(store.record(&id("a")).expect("a read").is_some());
}

#[tokio::test]
async fn a_place_past_the_end_of_the_file_is_damage_and_the_log_goes_on() {
    let (_home, disk, store) = folded().await;
    disk.plan(|plan| plan.fail = Some(fail(Kind::Read, 0, u64::MAX, With::EndOfFile)));
    let reader = store.clone();
    let read = tokio::task::spawn_blocking(move || reader.record(&id("a")));
    let read = in_time("the answer", read).await.expect("no panic");
    let Err(ReadError::Damaged(damage)) = read else {
        panic!("{read:?}");
    };
    assert_eq!(damage.problem, "its file ends before what it refers to");
    disk.plan(|plan| plan.fail = None);
    let next = append(&store, "a", vec![output(0, "x")]);
    in_time("an append", next).await.expect("it writes again");
}

#[tokio::test]
async fn a_log_that_may_not_be_written_to_is_looked_at_like_any_other() {
    let (home, disk, store) = folded().await;
    store.close().await;
    for errno in [Errno::ROFS, Errno::ACCESS] {
        disk.plan(|plan| plan.open = Some(errno));
        let findings = crate::inspect::closed(&disk, &home.path(), &mut |_| {});
        assert_eq!(findings.expect("it can be looked at").problems, Vec::new());
    }
}

#[tokio::test]
async fn a_log_is_not_opened_without_a_look_at_its_last_commit() {
    let (home, disk, store) = folded().await;
    store.close().await;
    disk.plan(|plan| plan.fail = Some(fail(Kind::Read, 0, 2, Errno::IO)));
    let opened = Store::open_on(&disk.shared(), &home.path(), LEFT);
    assert!(matches!(opened, Err(OpenError::Io { .. })), "{opened:?}");
    let store = open(&home, &disk, LEFT);
    assert_eq!(events_of(&store, "a").len(), 2);
}

#[tokio::test]
async fn whoever_asks_for_what_cannot_be_read_keeps_nothing_from_being_folded() {
    let home = Home::new();
    let store = open(&home, &FailingDisk::default(), LEFT);
    running(&store, "a").await;
    let opens = store.health().opens;
    let (asking, asked) = (store.clone(), Arc::new(AtomicU64::new(0)));
    let (stop, stopped) = mpsc::channel::<()>();
    let count = Arc::clone(&asked);
    let reader = std::thread::spawn(move || {
        let fault = storage_fault(&Errno::IO.into());
        while stopped.try_recv() == Err(mpsc::TryRecvError::Empty) {
            let read: Result<(), _> = asking.run(|_| Err(Fault::Disk(fault.clone())));
            let reason = fault.clone();
            assert_eq!(read, Err(ReadError::Unavailable { reason }));
            count.fetch_add(1, Ordering::Relaxed);
            std::thread::yield_now();
        }
    });
    let began = Instant::now();
    for offset in 0..3 {
        let said = append(&store, "a", vec![output(offset, "x")]);
        in_time("the append", said).await.expect("it runs");
        in_time("the fold", async {
            while !store.tail().look().is_folded() {
                store.fold();
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        })
        .await;
    }
    in_time("the answers", async {
        while asked.load(Ordering::Relaxed) < 50 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
    drop(stop);
    reader.join().expect("it is told why each time");
    let opened = store.health().opens - opens;
    let most = 4 + 2 * began.elapsed().as_secs();
    assert!(opened <= most, "{opened} times in {:?}", began.elapsed());
}
