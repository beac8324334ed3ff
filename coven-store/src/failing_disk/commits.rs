//! Commits of which a write or a sync fails.

use super::*;

#[tokio::test]
async fn who_asked_is_told_the_truth_when_a_commit_fails() {
    for done in [true, false] {
        let home = Home::new();
        let disk = FailingDisk::default();
        let store = open(&home, &disk, LEFT);
        running(&store, "a").await;
        let lost = fail(Kind::Write, 0, u64::MAX, Errno::IO);
        let had = Fail {
            done,
            ..fail(Kind::Sync, 0, 1, Errno::IO)
        };
        disk.plan(|plan| plan.fail = Some(if done { had } else { lost }));
        let asked = store.append(urgent(batch("b", Seq::ZERO, vec![created()])));
        let answer = in_time("the answer", asked).await;
        disk.plan(|plan| plan.fail = None);
        until_state(&store, WriterState::Healthy).await;
        let there = events_of(&store, "b").len();
        match answer {
            Ok(appended) => assert_eq!((there, appended.last), (1, Seq::new(3))),
            Err(AppendError::Suspended { .. }) => assert_eq!(there, 0),
            Err(error) => panic!("{error}"),
        }
        assert_eq!(done, there == 1);
    }
}

#[tokio::test]
async fn who_asked_is_not_told_that_nothing_is_on_record_where_the_log_was_closed_before_that_was_known()
 {
    let home = Home::new();
    let disk = FailingDisk::default();
    let store = open(&home, &disk, LEFT);
    running(&store, "a").await;
    let had = Fail {
        done: true,
        ..fail(Kind::Sync, 0, u64::MAX, Errno::IO)
    };
    disk.plan(|plan| plan.fail = Some(had));
    let asking = store.clone();
    let asked = tokio::spawn(async move { append(&asking, "a", vec![output(0, "perhaps")]).await });
    until_state(&store, WriterState::Failed).await;
    in_time("closing", store.close()).await;
    let answer = in_time("the answer", asked).await.expect("no panic");
    assert_eq!(answer, Err(AppendError::Unsettled));
    // All of it or nothing: the disk had it, and may have been told that it is not the last.
    assert!([2, 3].contains(&events_of(&home.open(), "a").len()));
}

/// Appends to a session while operation after operation of the disk fails, and looks whether all
/// of it is there once, in memory and after a restart.
async fn append_through(fail: Fail) {
    let home = Home::new();
    let disk = FailingDisk::default();
    let store = open(&home, &disk, LEFT);
    let mut last = running(&store, "a").await.last;
    disk.plan(|plan| plan.fail = Some(fail));
    let mut written = Vec::new();
    let mut acked = Vec::new();
    for turn in 0..6 {
        // Large enough that the file grows.
        let data = noise(turn, 300_000);
        let events = vec![output(written.len() as u64, data.clone())];
        let append = store.append(batch("a", last, events));
        let appended = in_time(&format!("append {turn} at {fail:?}"), append).await;
        let appended = appended.unwrap_or_else(|error| panic!("{error} at {fail:?}"));
        assert_eq!(appended.first, last.next(), "at {fail:?}");
        last = appended.last;
        written.extend(data);
        acked.push(last);
    }
    let check = |store: &Store| {
        let events = events_of(store, "a");
        let seqs: Vec<Seq> = events.iter().skip(2).map(|it| it.seq).collect();
        assert_eq!(seqs, acked, "each once, at {fail:?}");
        assert_eq!(all_output(store, "a"), written, "at {fail:?}");
    };
    now_and_after_a_restart(&home, store, fail, check).await;
}

/// Looks whether it is so, in a log that is whole and goes on by itself, and that another opens then.
async fn now_and_after_a_restart(home: &Home, store: Store, fail: Fail, is_so: impl Fn(&Store)) {
    let check = |store: &Store| {
        is_so(store);
        let findings = store.verify().expect("a read");
        assert_eq!(findings.problems, Vec::new(), "at {fail:?}");
    };
    check(&store);
    until_state(&store, WriterState::Healthy).await;
    store.close().await;
    check(&home.open());
}

#[tokio::test]
async fn a_write_that_fails_anywhere_loses_nothing_and_doubles_nothing() {
    let errors = [Errno::NOSPC, Errno::IO].into_iter().cycle();
    for (after, with) in [0, 1, 2, 3, 5, 8, 13, 21, 34].into_iter().zip(errors) {
        append_through(fail(Kind::Write, after, 1, with)).await;
    }
}

#[tokio::test]
async fn a_sync_that_fails_anywhere_loses_nothing_and_doubles_nothing() {
    for after in 0..6 {
        append_through(fail(Kind::Sync, after, 1, Errno::IO)).await;
    }
}

#[tokio::test]
async fn a_commit_that_the_disk_has_although_it_said_no_is_not_repeated() {
    for after in 0..6 {
        let fail = fail(Kind::Sync, after, 1, Errno::IO);
        append_through(Fail { done: true, ..fail }).await;
    }
}

#[tokio::test]
async fn a_disk_that_fails_for_a_while_is_tried_until_it_works() {
    for kind in [Kind::Write, Kind::Sync, Kind::SetLen] {
        append_through(fail(kind, 2, 5, Errno::IO)).await;
    }
}

/// Trims a session whose output is in segments, while an operation of the disk fails, and looks
/// whether that is gone, and nothing else.
async fn trim_through(fail: Fail) {
    const LEN: u64 = 200_000;
    let home = Home::new();
    let disk = FailingDisk::default();
    let store = open(&home, &disk, LEFT);
    running(&store, "a").await;
    for n in 0..6 {
        let said = vec![output(n * LEN, noise(n, 200_000))];
        append(&store, "a", said).await.expect("it runs");
    }
    store.verify().expect("a read");
    disk.plan(|plan| plan.fail = Some(fail));
    for (from, end) in [(0, 2), (2, 5)] {
        let trim = append(&store, "a", vec![trimmed(from * LEN, end * LEN)]);
        let done = in_time(&format!("the trim at {fail:?}"), trim).await;
        done.expect("there is so much");
        // With that it is folded, and taken out of segments.
        store.verify().expect("a read");
    }
    let check = |store: &Store| {
        assert!(all_output(store, "a") == noise(5, 200_000), "at {fail:?}");
        let events = events_of(store, "a");
        let trims = events
            .iter()
            .filter(|it| matches!(it.event, Event::Trimmed { .. }));
        assert_eq!((events.len(), trims.count()), (2 + 1 + 2, 2), "at {fail:?}");
    };
    now_and_after_a_restart(&home, store, fail, check).await;
}

#[tokio::test]
async fn a_trim_of_which_an_operation_fails_is_made_once_and_takes_nothing_else() {
    for with in [Errno::NOSPC, Errno::IO] {
        for after in [0, 1, 2, 3, 5, 8, 13, 21, 34, 55] {
            trim_through(fail(Kind::Write, after, 1, with)).await;
        }
        for after in 0..8 {
            trim_through(fail(Kind::Sync, after, 1, with)).await;
        }
    }
}
