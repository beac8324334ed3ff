//! Sessions that were told to end: what they have to say yet waits behind nobody's.

use bytes::Bytes;
use coven_core::FailureCause;

use super::unwritable::full_but_for_the_reserve;
use super::*;

#[tokio::test]
async fn a_kill_that_is_refused_lets_nothing_in_and_one_that_is_not_does_until_the_end_is_on_record()
 {
    let home = Home::new();
    let store = home.open();
    running(&store, "a").await;
    let kill = || urgent(batch("a", None, vec![Event::KillRequested]));
    let late = Batch {
        after: Some(Seq::ZERO),
        ..kill()
    };
    let last = Seq::new(2);
    let refused = store.append(late).await;
    assert_eq!(refused, Err(AppendError::Conflict { last }));
    assert!(!store.is_ending(&id("a")));
    store.append(kill()).await.expect("it runs");
    assert!(store.is_ending(&id("a")));
    let end = append(&store, "a", vec![output_closed(), exited(137)]);
    end.await.expect("it was told to end");
    assert!(!store.is_ending(&id("a")));
}

#[tokio::test]
async fn who_was_told_to_end_before_a_restart_ends_on_a_full_disk_though_others_have_the_queue() {
    let home = Home::new();
    let disk = FailingDisk::default();
    let options = Options {
        reserve_bytes: 4 << 20,
        queue_bytes: 3 << 20,
        ..LEFT
    };
    let store = open(&home, &disk, options);
    running(&store, "a").await;
    running(&store, "b").await;
    append(&store, "c", vec![created()]).await.expect("new");
    for session in ["a", "c"] {
        let kill = append(&store, session, vec![Event::KillRequested]);
        kill.await.expect("it lives");
    }
    store.close().await;
    let store = open(&home, &disk, options);
    let reserve = home.dir().join("coven.redb.reserve");
    until_filled(&reserve).await;
    disk.plan(|plan| plan.left = Left::AllBut(4 << 20, reserve.clone()));
    let of_b = spawn_append(&store, "b", vec![output(0, noise(1, 3 << 20))]);
    until_state(&store, WriterState::Failed).await;
    let said = append(&store, "a", vec![output(0, noise(2, 9000))]);
    in_time("the last words", said).await.expect("they fit");
    let end = append(&store, "a", vec![output_closed(), exited(137)]);
    in_time("the end", end).await.expect("it fits");
    let reason = "called off".to_owned();
    let cause = FailureCause::Launch;
    let end = append(&store, "c", vec![Event::LaunchFailed { reason, cause }]);
    in_time("the other end", end).await.expect("it fits");
    assert!(!of_b.is_finished(), "others wait for room");
}

#[tokio::test]
async fn who_was_told_to_end_and_writes_on_waits_once_so_much_of_it_cannot_be_folded() {
    const LEN: u64 = 3 << 20;
    const TURNS: u64 = 30;
    let home = Home::new();
    let disk = FailingDisk::default();
    let store = full_but_for_the_reserve(&home, &disk).await;
    let of_b = spawn_append(&store, "b", vec![output(0, noise(1, 3 << 20))]);
    until_state(&store, WriterState::Failed).await;
    let kill = store.append(urgent(batch("a", None, vec![Event::KillRequested])));
    in_time("the kill", kill).await.expect("it is small");
    let data = Bytes::from(vec![b'x'; 3 << 20]);
    let writes_on = tokio::spawn({
        let store = store.clone();
        async move {
            for turn in 0..TURNS {
                let said = output(turn * LEN, data.clone());
                let said = append(&store, "a", vec![said]).await;
                said.expect("it was only late");
            }
        }
    });
    let written = || {
        store
            .record(&id("a"))
            .expect("a read")
            .expect("it is there")
    };
    let stands = async {
        loop {
            let before = written().session.output_bytes;
            let both_wait = store.health().queued_events == 2;
            // Answered after the writer has seen what was queued before it, and may write that.
            let launch = store.append(urgent(batch("c", Seq::ZERO, vec![created()])));
            assert_eq!(launch.await, suspended(StorageFault::Full));
            if both_wait && written().session.output_bytes == before {
                return before;
            }
        }
    };
    let stands = in_time("waiting", stands).await;
    assert!((48 << 20..=64 << 20).contains(&stands), "{stands}");
    assert!(!of_b.is_finished() && !writes_on.is_finished());
    disk.plan(|plan| plan.left = Left::TheTruth);
    in_time("resuming", writes_on).await.expect("no panic");
    assert_eq!(written().session.output_bytes, TURNS * LEN);
    let end = append(&store, "a", vec![output_closed(), exited(137)]);
    in_time("the end", end).await.expect("it fits");
}
