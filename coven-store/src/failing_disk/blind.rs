//! A cold file that cannot even be opened, and sessions of which nobody knows without it where they stand.

use futures_util::future::join_all;

use super::*;
use crate::limits::MAX_ENDING_TAIL_BYTES;

/// Has a fold fail, after which the cold file cannot be opened.
async fn lose_the_cold_file(disk: &FailingDisk, store: &Store) {
    disk.plan(|plan| {
        plan.fail = Some(fail(Kind::Write, 0, 1, Errno::IO));
        plan.open = Some(Errno::IO);
    });
    let folding = store.clone();
    let folded = tokio::task::spawn_blocking(move || folding.fold());
    in_time("a fold", folded).await.expect("no panic");
    until(store, |health| health.stuck.is_some()).await;
}

/// A log with two sessions in its cold file, which is lost. How one of them stands is known without it.
async fn lost() -> (Home, FailingDisk, Store) {
    let home = Home::new();
    let store = home.open();
    running(&store, "forgotten").await;
    running(&store, "known").await;
    store.close().await;
    let disk = FailingDisk::default();
    let store = open(&home, &disk, LEFT);
    let said = append(&store, "known", vec![output(0, "a")]).await;
    said.expect("it runs");
    lose_the_cold_file(&disk, &store).await;
    (home, disk, store)
}

#[tokio::test]
async fn a_session_that_must_be_looked_up_in_a_lost_cold_file_holds_up_no_other() {
    let (_home, disk, store) = lost().await;
    let first = spawn_append(&store, "forgotten", vec![output(0, "x")]);
    until_state(&store, WriterState::Failed).await;
    let second = spawn_append(&store, "forgotten", vec![output(1, "y")]);
    for offset in 1..20 {
        let said = append(&store, "known", vec![output(offset, "b")]);
        in_time("an append", said).await.expect("it is known");
    }
    let resized = vec![crate::test_support::resized()];
    let told = store.append(urgent(batch("known", None, resized.clone())));
    in_time("an answer", told).await.expect("it is known");
    let told = store.append(urgent(batch("forgotten", None, resized)));
    let told = in_time("an answer", told).await;
    assert!(
        matches!(told, Err(AppendError::Suspended { .. })),
        "{told:?}"
    );
    assert!(!first.is_finished() && !second.is_finished());
    assert!(store.health().oldest_waiting.is_some());
    disk.plan(|plan| plan.open = None);
    let first = in_time("an append", first).await.expect("no panic");
    let second = in_time("an append", second).await.expect("no panic");
    assert!(first.expect("it runs").last < second.expect("it runs").first);
    assert_eq!(all_output(&store, "forgotten"), b"xy");
}

#[tokio::test]
async fn what_ends_sessions_takes_no_more_memory_than_there_is_for_it_but_for_the_ends_themselves()
{
    const LEN: usize = 7 << 20;
    const SESSIONS: u64 = 20;
    let home = Home::new();
    home.open().close().await;
    let disk = FailingDisk::default();
    let options = Options {
        queue_bytes: 256 << 20,
        fold_bytes: 8 << 20,
        ..LEFT
    };
    let store = open(&home, &disk, options);
    for number in 0..SESSIONS {
        running(&store, &format!("s{number}")).await;
    }
    running(&store, "behind").await;
    lose_the_cold_file(&disk, &store).await;
    let ends = (0..SESSIONS).map(|number| {
        let store = store.clone();
        tokio::spawn(async move {
            let said = output(0, noise(number, LEN));
            let end = vec![said, output_closed(), exited(0)];
            append(&store, &format!("s{number}"), end).await
        })
    });
    let ends: Vec<_> = ends.collect();
    until_state(&store, WriterState::Failed).await;
    let bare = append(&store, "behind", vec![output_closed(), exited(0)]);
    in_time("a bare end", bare)
        .await
        .expect("it waits for nothing");
    let held = store.tail().look().bytes();
    assert!(held <= MAX_ENDING_TAIL_BYTES + (1 << 20), "{held}");
    assert!(ends.iter().any(|end| !end.is_finished()), "some wait");
    disk.plan(|plan| plan.open = None);
    for end in in_time("the ends", join_all(ends)).await {
        end.expect("no panic").expect("it ran");
    }
}
