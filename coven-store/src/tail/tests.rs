use std::ops::RangeInclusive;
use std::time::Instant;

use super::*;
use crate::test_support::{id, running};

/// A group with events of the session `a`.
fn group(slot: u64, seqs: RangeInclusive<u64>, standing: Standing) -> NewGroup {
    let row = |seq| Row {
        seq: Seq::new(seq),
        bytes: Bytes::from_static(b"event"),
        output: None,
    };
    NewGroup::of(vec![NewRows {
        slot,
        id: id("a"),
        rows: seqs.map(row).collect(),
        standing,
        lets_go: None,
    }])
}

async fn living() -> Standing {
    let home = crate::test_support::Home::new();
    Standing::Living(Arc::new(running(&home.open(), "a").await.record))
}

#[tokio::test]
async fn who_takes_the_id_of_a_deleted_session_while_that_is_folded_is_known_by_it() {
    let mut tail = Tail::default();
    let [deleted, anew] = [1, 2].map(|position| Mark {
        position,
        last_seq: position,
        last_slot: position,
    });
    let at = Seq::new(1);
    tail.push(deleted, 60, group(1, 1..=1, Standing::Deleted { at }));
    tail.push(anew, 60, group(2, 2..=2, living().await));
    tail.forget(deleted);
    let found = tail.standing(&id("a"));
    assert!(matches!(found, Some((2, Standing::Living(_)))));
}

#[tokio::test]
async fn a_group_takes_what_its_events_and_its_sessions_do_and_a_fold_gives_that_back() {
    let mut tail = Tail::default();
    let mark = Mark {
        position: 1,
        last_seq: 3,
        last_slot: 1,
    };
    let took = tail.push(mark, 60, group(1, 1..=3, living().await));
    assert_eq!(took, 60 + 3 * ROW_BYTES + SLOT_BYTES);
    assert_eq!(took, bytes_of(3, 60));
    assert_eq!(tail.forget(mark), took);
}

#[test]
fn who_waits_for_a_fold_that_came_since_he_looked_is_not_kept_waiting() {
    let tail = SharedTail::new(Tail::default());
    let folds = tail.folds().count;
    tail.forget(Mark::default(), None);
    let patience = Duration::from_secs(10);
    let began = Instant::now();
    tail.wait_for_a_fold(folds, patience);
    assert!(began.elapsed() < patience);
}
