//! A row of the order that goes beyond the end of the log, as one does of an import that came to nothing.

use super::*;
use crate::stored::sealed;

/// Puts a row into the order, of one run, in a page that is right.
fn claim(home: &Home, first: u64, slot: u64, count: u64) {
    let row = sealed::seal(&vec![(slot, count, 100_u64)], &first.to_be_bytes());
    let file = Database::open(home.path()).expect("a file");
    let txn = file.begin_write().expect("a transaction");
    let mut table = txn.open_table(ORDER).expect("a table");
    table.insert(first, row.as_slice()).expect("a row");
    drop(table);
    txn.commit().expect("a commit");
}

/// Follows a log in which a row at `first` claims places that were never given, and has it be told which of those
/// that were are lost.
async fn follow(first: u64, slot: u64, count: u64, told_lost: std::ops::Range<u64>) {
    let home = Home::new();
    let store = home.open();
    running(&store, "one").await;
    store.fold();
    running(&store, "two").await;
    store.fold();
    store.close().await;
    claim(&home, first, slot, count);

    let store = home.open();
    let truth = store.read_all(Seq::ZERO, ALL);
    let end = store.page_of_all(Seq::ZERO, ALL).expect("a page").end;
    assert_eq!(end, Seq::new(4), "{truth:?}");
    append(&store, "one", vec![titled("new"), titled("newer")])
        .await
        .expect("it goes on");
    for past_damage in [false, true] {
        let page = |after| match past_damage {
            false => store.page_of_all(after, ALL),
            true => store.page_of_all_as_past_damage(after, ALL),
        };
        let (given, lost) = told(|after| page(after).expect("a page"));
        assert_eq!(lost, told_lost.clone().collect(), "{past_damage}");
        let given: BTreeSet<u64> = given.iter().map(|event| event.seq.get()).collect();
        let all: BTreeSet<u64> = (1..=6).filter(|seq| !lost.contains(seq)).collect();
        assert_eq!(given, all, "{past_damage}");
        let next = page(end).expect("a page");
        assert_eq!(
            (next.events.len(), next.lost.len()),
            (2, 0),
            "{past_damage}"
        );
    }
    store.close().await;
}

#[tokio::test]
async fn places_that_were_never_given_are_not_passed_over_whoever_claims_them() {
    // Of no session, of one that there is, and of none that there ever was.
    for slot in [0, 1, 9] {
        follow(3, slot, 50, 3..5).await;
        follow(5, slot, 50, 5..5).await;
        follow(30, slot, 1, 5..5).await;
    }
}
