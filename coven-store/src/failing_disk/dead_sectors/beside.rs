//! What is read beside a leaf that the disk does not give.

use std::ops::Range;

use super::*;
use crate::raw::pages;
use crate::test_support::{ALL, noise};

/// What of all events is given and what is told to be lost, and how much of the first session's is given.
fn given(store: &Store) -> (Vec<Seq>, Vec<(Seq, Seq)>, Option<usize>) {
    let page = store.page_of_all(Seq::ZERO, ALL).expect("a page");
    let events = page.events.iter().map(|it| it.seq).collect();
    let lost = page.lost.iter().map(|it| (it.first, it.last)).collect();
    let first = SessionId::parse(&name(0)).expect("an id");
    let read = store.read(&first, Seq::ZERO, ALL);
    (events, lost, read.ok().map(|it| it.len()))
}

/// The leaves of one page of a table.
fn leaves(home: &Home, table: &str) -> Vec<Range<usize>> {
    let leaves = pages(&home.path(), table).into_iter();
    let leaves = leaves.filter(|it| !it.keys.is_empty() && it.place.len() == PAGE as usize);
    leaves.map(|it| it.place).collect()
}

#[tokio::test]
async fn a_leaf_that_the_disk_does_not_give_costs_no_more_than_one_whose_bytes_are_others() {
    let home = Home::new();
    let store = home.open();
    for number in 0..SESSIONS {
        running(&store, &name(number)).await;
        if number % 2 == 0 {
            store.fold();
        }
    }
    for number in 0..4 {
        let said = output(9000 * number, noise(number, 9000));
        append(&store, &name(0), vec![said]).await.expect("it runs");
        store.fold();
    }
    let last = store.last_seq().get();
    store.close().await;
    let whole = std::fs::read(home.path()).expect("a file");
    let disk = FailingDisk::default();
    for table in ["order", "slots", "segments"] {
        let leaves = leaves(&home, table);
        assert!(!leaves.is_empty(), "{table}");
        for leaf in leaves.into_iter().step_by(3) {
            let store = open(&home, &disk, UNCACHED);
            kill(&home, &disk, leaf.start as u64);
            let dead = given(&store);
            revive(&disk);
            store.close().await;
            let mut file = whole.clone();
            file[leaf.clone()].fill(0x77);
            std::fs::write(home.path(), file).expect("a write");
            let store = open(&home, &disk, UNCACHED);
            let what = format!("{table}, the leaf at byte {}", leaf.start);
            assert_eq!(dead, given(&store), "{what}");
            let (events, lost, _) = dead;
            let lost = lost
                .iter()
                .flat_map(|(first, last)| first.get()..=last.get());
            let told: BTreeSet<u64> = events.iter().map(|it| it.get()).chain(lost).collect();
            assert_eq!(told, (1..=last).collect(), "{what}");
            store.close().await;
            std::fs::write(home.path(), &whole).expect("a write");
        }
    }
}
