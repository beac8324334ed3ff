//! A disk that takes no writes: full, or read-only.

use super::*;
use crate::AtClose;

#[tokio::test]
async fn on_a_full_disk_output_waits_control_is_refused_reads_go_on_and_all_resumes() {
    let home = Home::new();
    let disk = FailingDisk::default();
    let store = open(&home, &disk, LEFT);
    running(&store, "a").await;
    disk.plan(|plan| plan.left = Left::Bytes(4096));
    let data = noise(1, 3000);
    let (waiting_store, waiting_data) = (store.clone(), data.clone());
    let waiting =
        tokio::spawn(
            async move { append(&waiting_store, "a", vec![output(0, waiting_data)]).await },
        );
    until_state(&store, WriterState::Failed).await;
    let refused = store
        .append(urgent(batch("b", Seq::ZERO, vec![created()])))
        .await;
    assert_eq!(refused, suspended(StorageFault::Full));
    let health = store.health();
    assert_eq!(health.fault, Some(StorageFault::Full));
    assert!(
        health.queued_bytes >= 3000 && health.queued_events == 1,
        "{health:?}"
    );
    assert!(health.oldest_waiting.is_some());
    assert_eq!(events_of(&store, "a").len(), 2, "reads go on");
    assert!(!waiting.is_finished());

    disk.plan(|plan| plan.left = Left::TheTruth);
    let appended = in_time("resuming", waiting).await.expect("no panic");
    assert_eq!(appended.expect("it was only late").first, Seq::new(3));
    assert_eq!(all_output(&store, "a"), data);
    until_state(&store, WriterState::Healthy).await;
    assert_eq!(
        store.health().opens,
        1,
        "the database never met the full disk"
    );
}

#[tokio::test]
async fn on_a_full_disk_a_kill_and_its_exit_are_recorded_from_the_reserve() {
    let home = Home::new();
    let disk = FailingDisk::default();
    let store = full_but_for_the_reserve(&home, &disk).await;
    let reserve = home.dir().join("coven.redb.reserve");
    let of_a = spawn_append(&store, "a", vec![output(0, "the last words")]);
    let of_b = spawn_append(&store, "b", vec![output(0, "goes on")]);
    until_state(&store, WriterState::Failed).await;

    // Later there may be room for it: what is folded meanwhile lets go of more of the reserve than it takes.
    let launch = store
        .append(urgent(batch("c", Seq::ZERO, vec![created()])))
        .await;
    assert_eq!(launch, suspended(StorageFault::Full));
    let kill = store.append(urgent(batch("a", None, vec![Event::KillRequested])));
    in_time("the kill", kill)
        .await
        .expect("the reserve is there for it");
    in_time("what a dying session had to say", of_a)
        .await
        .expect("no panic")
        .expect("it fits");
    let end = spawn_append(&store, "a", vec![output_closed(), exited(137)]);
    let end = in_time("the exit", end)
        .await
        .expect("no panic")
        .expect("it fits");
    assert!(end.record.ended_at.is_some());
    assert!(!of_b.is_finished(), "others wait for room");
    assert!(std::fs::metadata(&reserve).expect("it is there").len() < 4 << 20);

    disk.plan(|plan| plan.left = Left::TheTruth);
    in_time("resuming", of_b)
        .await
        .expect("no panic")
        .expect("only late");
    until_filled(&reserve).await;
    assert_eq!(all_output(&store, "a"), b"the last words");
    assert_eq!(store.verify().expect("a read").problems, Vec::new());
}

/// A store whose reserve is filled, on a disk that then becomes full.
pub(super) async fn full_but_for_the_reserve(home: &Home, disk: &FailingDisk) -> Store {
    let options = Options {
        reserve_bytes: 4 << 20,
        queue_bytes: 16 << 20,
        ..LEFT
    };
    let store = open(home, disk, options);
    running(&store, "a").await;
    running(&store, "b").await;
    let reserve = home.dir().join("coven.redb.reserve");
    until_filled(&reserve).await;
    // As on a real disk, what the reserve lets go of is free then.
    disk.plan(|plan| plan.left = Left::AllBut(4 << 20, reserve.clone()));
    store
}

#[tokio::test]
async fn an_end_does_not_overtake_the_output_that_the_reserve_has_no_room_for() {
    let home = Home::new();
    let disk = FailingDisk::default();
    let store = full_but_for_the_reserve(&home, &disk).await;
    let data = noise(1, 6 << 20);
    let said = spawn_append(&store, "a", vec![output(0, data.clone())]);
    until_state(&store, WriterState::Failed).await;
    let kill = store.append(urgent(batch("a", None, vec![Event::KillRequested])));
    in_time("the kill", kill).await.expect("it is small");
    let end = spawn_append(&store, "a", vec![output_closed(), exited(137)]);
    // Answered after the writer has seen all of that.
    while store.health().queued_events < 3 {
        tokio::task::yield_now().await;
    }
    let launch = store.append(urgent(batch("c", Seq::ZERO, vec![created()])));
    assert_eq!(launch.await, suspended(StorageFault::Full));
    assert!(!said.is_finished() && !end.is_finished());

    disk.plan(|plan| plan.left = Left::TheTruth);
    in_time("the output", said)
        .await
        .expect("no panic")
        .expect("only late");
    in_time("the end", end)
        .await
        .expect("no panic")
        .expect("it came after");
    assert!(all_output(&store, "a") == data);
}

#[tokio::test]
async fn when_the_database_itself_meets_a_full_disk_reads_go_on_and_it_resumes() {
    let home = Home::new();
    let disk = FailingDisk::default();
    let store = open(&home, &disk, LEFT);
    running(&store, "a").await;
    let full = fail(Kind::Write, 0, u64::MAX, Errno::NOSPC);
    disk.plan(|plan| plan.fail = Some(full));
    let waiting_store = store.clone();
    let waiting =
        tokio::spawn(async move { append(&waiting_store, "a", vec![output(0, "not lost")]).await });
    until_state(&store, WriterState::Failed).await;
    assert_eq!(store.health().fault, Some(StorageFault::Full));
    assert_eq!(events_of(&store, "a").len(), 2, "reads go on");
    let refused = store
        .append(urgent(batch("b", Seq::ZERO, vec![created()])))
        .await;
    assert_eq!(refused, suspended(StorageFault::Full));
    assert!(!waiting.is_finished());

    disk.plan(|plan| plan.fail = None);
    let appended = in_time("resuming", waiting).await.expect("no panic");
    assert_eq!(appended.expect("it was only late").first, Seq::new(3));
    assert_eq!(events_of(&store, "a").len(), 3);
    until_state(&store, WriterState::Healthy).await;
    assert!(store.health().opens > 1);
    assert!(
        store.health().last_error.is_some(),
        "what was wrong is still told"
    );
}

#[tokio::test]
async fn on_a_file_system_that_became_read_only_reads_go_on_and_the_reason_is_told() {
    let home = Home::new();
    let disk = FailingDisk::default();
    let store = open(&home, &disk, LEFT);
    running(&store, "a").await;
    disk.plan(|plan| {
        plan.open = Some(Errno::ROFS);
        plan.fail = Some(fail(Kind::Write, 0, u64::MAX, Errno::ROFS));
    });
    let refused = store
        .append(urgent(batch("b", Seq::ZERO, vec![created()])))
        .await;
    assert_eq!(refused, suspended(StorageFault::ReadOnly));
    assert_eq!(store.health().fault, Some(StorageFault::ReadOnly));
    assert_eq!(events_of(&store, "a").len(), 2, "reads go on");
    let reader = store.clone();
    let read = tokio::task::spawn_blocking(move || all_output(&reader, "a"));
    in_time("a read", read).await.expect("no panic");

    disk.plan(|plan| *plan = Plan::default());
    let appended = in_time("resuming", append(&store, "a", vec![output(0, "x")])).await;
    assert_eq!(appended.expect("it was only late").first, Seq::new(3));
    until_state(&store, WriterState::Healthy).await;
}

#[tokio::test]
async fn a_mount_that_says_it_is_read_only_is_not_written_to() {
    let home = Home::new();
    let disk = FailingDisk::default();
    let store = open(&home, &disk, LEFT);
    running(&store, "a").await;
    disk.plan(|plan| plan.read_only = true);
    let refused = store
        .append(urgent(batch("b", Seq::ZERO, vec![created()])))
        .await;
    assert_eq!(refused, suspended(StorageFault::ReadOnly));
    assert_eq!(store.health().opens, 1);
    disk.plan(|plan| plan.read_only = false);
    let resumed = append(&store, "a", vec![output(0, "x")]);
    in_time("resuming", resumed)
        .await
        .expect("it was only late");
}

#[tokio::test]
async fn a_log_that_needs_room_to_open_on_a_full_disk_has_as_much_of_the_reserve_as_it_needs() {
    let options = Options {
        reserve_bytes: 4 << 20,
        ..LEFT
    };
    // How often it meets the full disk, and what is left of the reserve.
    for (times, left) in [(1, 3 << 20..4 << 20), (4, 1..4 << 20), (30, 0..1)] {
        let home = Home::new();
        let disk = FailingDisk::default();
        let store = open(&home, &disk, options);
        running(&store, "a").await;
        let reserve = home.dir().join("coven.redb.reserve");
        until_filled(&reserve).await;
        store.close().await;
        disk.plan(|plan| {
            plan.left = Left::Bytes(0);
            plan.fail = Some(fail(Kind::Write, 0, times, Errno::NOSPC));
        });
        let opened = Store::open_on(&disk.shared(), &home.path(), options);
        let is_left = std::fs::metadata(&reserve).expect("a file").len();
        assert!(left.contains(&is_left), "{times}: {is_left}");
        match opened {
            Ok(store) => assert_eq!(events_of(&store, "a").len(), 2),
            Err(error) => assert_eq!((is_left, times), (0, 30), "{error}"),
        }
    }
}

#[tokio::test]
async fn what_the_reserve_let_go_of_it_has_again_before_output_takes_any() {
    let home = Home::new();
    let disk = FailingDisk::default();
    let store = full_but_for_the_reserve(&home, &disk).await;
    let reserve = home.dir().join("coven.redb.reserve");
    let kill = store.append(urgent(batch("a", None, vec![Event::KillRequested])));
    in_time("the kill", kill).await.expect("it is small");
    let held_bytes = std::fs::metadata(&reserve).expect("a file").len();
    assert!((3 << 20..4 << 20).contains(&held_bytes), "{held_bytes}");
    // That is enough for an output, and not for the reserve beside it.
    disk.plan(|plan| plan.left = Left::AllBut((4 << 20) + (600 << 10), reserve.clone()));
    let said = spawn_append(&store, "b", vec![output(0, "it waits")]);
    until_state(&store, WriterState::Failed).await;
    let launch = store.append(urgent(batch("c", Seq::ZERO, vec![created()])));
    assert_eq!(launch.await, suspended(StorageFault::Full));
    assert!(!said.is_finished());

    disk.plan(|plan| plan.left = Left::AllBut(6 << 20, reserve.clone()));
    in_time("resuming", said)
        .await
        .expect("no panic")
        .expect("only late");
    let held_bytes = std::fs::metadata(&reserve).expect("a file").len();
    assert_eq!(held_bytes, 4 << 20);
}

#[tokio::test]
async fn output_that_others_have_takes_nothing_of_the_reserve_when_the_log_is_closed() {
    for at_close in [AtClose::Write, AtClose::Leave] {
        let home = Home::new();
        let disk = FailingDisk::default();
        let options = Options {
            reserve_bytes: 4 << 20,
            at_close,
            ..LEFT
        };
        let store = open(&home, &disk, options);
        running(&store, "a").await;
        let reserve = home.dir().join("coven.redb.reserve");
        until_filled(&reserve).await;
        disk.plan(|plan| plan.left = Left::AllBut(4 << 20, reserve.clone()));
        let said = spawn_append(&store, "a", vec![output(0, noise(1, 1 << 20))]);
        until_state(&store, WriterState::Failed).await;
        in_time("closing", store.close()).await;
        let said = in_time("an answer", said).await.expect("no panic");
        let held_bytes = std::fs::metadata(&reserve).expect("a file").len();
        match at_close {
            AtClose::Write => assert!(said.is_ok() && held_bytes < 3 << 20, "{held_bytes}"),
            AtClose::Leave => {
                assert_eq!(said, Err(AppendError::Closed));
                assert!(held_bytes > 3 << 20, "{held_bytes}");
            }
        }
    }
}

#[tokio::test]
async fn a_suspended_store_can_be_closed_and_says_so_to_those_who_wait() {
    let home = Home::new();
    let disk = FailingDisk::default();
    let store = open(&home, &disk, LEFT);
    running(&store, "a").await;
    disk.plan(|plan| plan.left = Left::Bytes(0));
    let waiting_store = store.clone();
    let waiting =
        tokio::spawn(async move { append(&waiting_store, "a", vec![output(0, "too late")]).await });
    until_state(&store, WriterState::Failed).await;
    in_time("closing", store.close()).await;
    let answer = in_time("the answer", waiting).await.expect("no panic");
    assert_eq!(answer, Err(AppendError::Closed));
    assert_eq!(events_of(&home.open(), "a").len(), 2);
}

#[tokio::test]
async fn output_over_the_queue_waits_outside_while_the_disk_is_full() {
    let home = Home::new();
    let disk = FailingDisk::default();
    let store = open(
        &home,
        &disk,
        Options {
            queue_bytes: 10_000,
            ..LEFT
        },
    );
    for n in 0..8 {
        running(&store, &format!("s{n}")).await;
    }
    disk.plan(|plan| plan.left = Left::Bytes(0));
    let waiting: Vec<_> = (0..8)
        .map(|n| {
            let store = store.clone();
            tokio::spawn(async move {
                append(&store, &format!("s{n}"), vec![output(0, noise(n, 4000))]).await
            })
        })
        .collect();
    until_state(&store, WriterState::Failed).await;
    let health = store.health();
    assert!(health.queued_bytes <= health.capacity_bytes, "{health:?}");
    disk.plan(|plan| plan.left = Left::TheTruth);
    for append in waiting {
        let appended = in_time("resuming", append).await.expect("no panic");
        appended.expect("it was only late");
    }
}
