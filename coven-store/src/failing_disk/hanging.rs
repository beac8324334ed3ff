//! A disk that hangs as the journal is folded: nothing fails, and nothing goes on.

use super::*;
use crate::limits::{MAX_ENDING_TAIL_BYTES, MAX_TAIL_BYTES};
use crate::test_support::labels;

/// Bytes of one output: quick to make and to write.
const LEN: usize = 600_000;

fn told() -> Event {
    Event::Labelled {
        labels: labels(&["one"]),
    }
}

#[tokio::test]
async fn while_a_fold_hangs_sessions_are_told_and_read_and_killed_and_output_alone_waits() {
    let home = Home::new();
    let disk = FailingDisk::default();
    let options = Options {
        queue_bytes: 8 << 20,
        ..LEFT
    };
    let store = open(&home, &disk, options);
    running(&store, "a").await;
    running(&store, "b").await;
    let inode = std::fs::metadata(home.path()).expect("a file").ino();
    let (hang, held) = mpsc::channel();
    disk.plan(|plan| plan.hangs = Some((inode, Arc::new(Mutex::new(held)))));
    let said = vec![b'x'; LEN];
    let talking = tokio::spawn({
        let (store, said) = (store.clone(), said.clone());
        async move {
            for turn in 0..100 {
                let said = output((turn * LEN) as u64, said.clone());
                let appended = append(&store, "b", vec![said]).await;
                appended.expect("output is never refused");
            }
        }
    });
    in_time("filling the tail", async {
        while store.tail().look().bytes() < MAX_TAIL_BYTES {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
    let ask = |events| store.append(urgent(batch("a", None, events)));
    let appended = in_time("being told", ask(vec![told()])).await;
    appended.expect("it waits for no fold");
    assert_eq!(events_of(&store, "a").len(), 3, "reads go on");
    // More than there is ever kept for it.
    let mut refused = None;
    for turn in 0..40 {
        let appended = ask(vec![output((turn * LEN) as u64, said.clone())]);
        let appended = in_time("an answer", appended).await;
        if let Err(error) = appended {
            refused = Some(error);
            break;
        }
    }
    let is_suspended = matches!(refused, Some(AppendError::Suspended { .. }));
    assert!(is_suspended, "{refused:?}");
    let bytes = store.tail().look().bytes();
    assert!(bytes < MAX_ENDING_TAIL_BYTES + (1 << 20), "{bytes}");
    let killed = in_time("a kill", ask(vec![Event::KillRequested])).await;
    killed.expect("what ends a session is recorded");
    assert!(!talking.is_finished());
    drop(hang);
    in_time("going on", talking).await.expect("no panic");
    assert_eq!(all_output(&store, "b").len(), 100 * LEN);
    assert_eq!(store.verify().expect("a read").problems, Vec::new());
}

#[tokio::test]
async fn a_journal_that_hangs_as_it_is_trimmed_is_told_by_the_health() {
    let home = Home::new();
    let disk = FailingDisk::default();
    let store = open(&home, &disk, LEFT);
    running(&store, "a").await;
    let journal = std::fs::metadata(home.journal()).expect("a file").ino();
    let (hang, held) = mpsc::channel();
    disk.plan(|plan| plan.hangs = Some((journal, Arc::new(Mutex::new(held)))));
    let folding = store.clone();
    tokio::task::spawn_blocking(move || folding.fold())
        .await
        .expect("no panic");
    // The writer takes what is folded out of the journal, and takes in nobody.
    let waiting = spawn_append(&store, "a", vec![output(0, "said meanwhile")]);
    until_state(&store, WriterState::Pressured).await;
    assert!(store.health().oldest_waiting.is_some());
    drop(hang);
    let appended = in_time("going on", waiting).await.expect("no panic");
    appended.expect("it was only late");
    until_state(&store, WriterState::Healthy).await;
    assert_eq!(store.health().oldest_waiting, None);
}
