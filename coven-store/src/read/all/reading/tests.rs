use std::collections::BTreeSet;

use coven_core::{Event, InputData, Seq};
use redb::{Database, ReadableDatabase, ReadableTable};

use crate::layout::SEGMENTS;
use crate::read::ReadLimit;
use crate::test_support::{ALL, Home, append, noise, output, running, trim};

const LONG: u64 = 140_000;

fn long(number: u64) -> Vec<u8> {
    noise(number, LONG as usize)
}

/// A session whose first output was trimmed, with a segment each for what begins it, an output that is left, an
/// input, and what comes behind; closed.
async fn trimmed() -> Home {
    let home = Home::new();
    let store = home.open();
    running(&store, "a").await;
    let typed = Event::Input {
        id: None,
        data: InputData::Plain {
            data: long(2).into(),
        },
    };
    let said = |at| output(at * LONG, long(at));
    for event in [said(0), said(1), typed, said(2)] {
        append(&store, "a", vec![event]).await.expect("it goes on");
    }
    store.fold();
    trim(&store, "a", 0, LONG).await;
    store.fold();
    store.close().await;
    home
}

/// Where the segments begin.
fn segments(home: &Home) -> Vec<u64> {
    let file = Database::open(home.path()).expect("a file");
    let txn = file.begin_read().expect("a transaction");
    let table = txn.open_table(SEGMENTS).expect("a table");
    let rows = table.iter().expect("rows");
    rows.map(|row| row.expect("a row").0.value().1).collect()
}

fn take_out(home: &Home, segment: u64) {
    let file = Database::open(home.path()).expect("a file");
    let txn = file.begin_write().expect("a transaction");
    let mut table = txn.open_table(SEGMENTS).expect("a table");
    table.remove((1, segment)).expect("it can be taken out");
    drop(table);
    txn.commit().expect("a commit");
}

#[tokio::test]
async fn a_segment_that_is_gone_is_told_of_a_session_that_was_trimmed_too() {
    for (segment, lost) in [(1, Seq::new(1)), (5, Seq::new(5))] {
        let home = trimmed().await;
        assert_eq!(segments(&home), [1, 4, 5, 6]);
        take_out(&home, segment);
        let store = home.open();
        for events in [1, 2, 1000] {
            let limit = ReadLimit { events, ..ALL };
            let (mut after, mut told) = (Seq::ZERO, BTreeSet::new());
            loop {
                let page = store.page_of_all(after, limit).expect("a page");
                if page.end == after {
                    break;
                }
                after = page.end;
                told.extend(page.lost.iter().map(|it| it.first));
            }
            assert_eq!(told, BTreeSet::from([lost]), "{events} at once");
        }
        store.close().await;
    }
}

#[tokio::test]
async fn a_page_of_what_was_trimmed_has_nothing_and_ends_behind_it_and_who_asks_for_events_is_given_the_next()
 {
    let home = Home::new();
    let store = home.open();
    for session in ["a", "b"] {
        running(&store, session).await;
    }
    for at in [0, 1] {
        for session in ["a", "b"] {
            let said = append(&store, session, vec![output(at, "x")]);
            said.await.expect("it goes on");
        }
    }
    for session in ["a", "b"] {
        trim(&store, session, 0, 2).await;
    }
    store.fold();
    let one = ReadLimit { events: 1, ..ALL };
    for after in 4..8 {
        let page = store.page_of_all(Seq::new(after), one).expect("a page");
        assert_eq!((page.events, page.lost), (vec![], vec![]), "{after}");
        assert_eq!(page.end, Seq::new(after + 1));
        let next = store.read_all(Seq::new(after), one).expect("a read");
        assert_eq!(next[0].seq, Seq::new(9));
    }
}
