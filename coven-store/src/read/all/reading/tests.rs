use std::collections::BTreeSet;
use std::fs;

use coven_core::{Event, InputData, Seq};
use redb::{Database, ReadableDatabase, ReadableTable};

use crate::layout::SEGMENTS;
use crate::raw::{overwrite_leaf, pages, swap_leaves};
use crate::read::ReadLimit;
use crate::read::out_of_order::{ends, told};
use crate::test_support::{ALL, Home, append, noise, output, running, trim};
use crate::{Options, Store};

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

/// Long inputs that follow one another, each in a segment that has a page of its own; closed. Gives how many events there are.
async fn long_inputs() -> (Home, u64) {
    let home = Home::new();
    let store = home.open();
    running(&store, "a").await;
    for number in 0..9 {
        let data = InputData::Plain {
            data: long(number).into(),
        };
        let typed = Event::Input { id: None, data };
        append(&store, "a", vec![typed]).await.expect("it goes on");
    }
    store.fold();
    let events = store.last_seq().get();
    store.close().await;
    (home, events)
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

#[tokio::test]
async fn who_looks_for_what_comes_next_behind_damage_and_finds_what_comes_before_it_goes_forward() {
    let (home, events) = long_inputs().await;
    let begins = segments(&home);
    let leaves = pages(&home.path(), "segments").into_iter();
    let leaves: Vec<_> = leaves.filter(|page| !page.keys.is_empty()).collect();
    assert_eq!(leaves.len(), begins.len(), "each has a page of its own");
    // Behind those that are read comes one that is damaged, then one that belongs before them, and then the one that
    // belongs in its place.
    let [before, damaged, behind, last] = [2, 5, 6, 7];
    swap_leaves(&home.path(), "segments", damaged, last);
    swap_leaves(&home.path(), "segments", before, behind);
    overwrite_leaf(&home.path(), "segments", damaged);
    let store = Store::open_to_read(&home.path(), Options::default()).expect("it opens");
    for after in 0..events {
        for events_at_once in [1, 2, 1000] {
            let limit = ReadLimit {
                events: events_at_once,
                ..ALL
            };
            let reader = store.clone();
            let page = ends(&format!("after {after}"), move || {
                reader.page_of_all(Seq::new(after), limit)
            });
            let page = page.expect("a page");
            assert!(page.end > Seq::new(after), "it goes back");
            assert!(page.events.is_sorted_by_key(|event| event.seq));
        }
    }
}

#[tokio::test]
async fn what_is_out_of_order_below_a_damaged_page_is_given_once_or_told() {
    let (home, events) = long_inputs().await;
    let whole = fs::read(home.path()).expect("a file");
    let branch = pages(&home.path(), "segments")[0].place.start;
    let leaves = segments(&home).len();
    for one in 1..leaves - 2 {
        for (other, damaged) in [(one + 1, one + 2), (one + 2, one + 1)] {
            fs::write(home.path(), &whole).expect("a write");
            swap_leaves(&home.path(), "segments", one, other);
            overwrite_leaf(&home.path(), "segments", damaged);
            let mut file = fs::read(home.path()).expect("a file");
            file[branch + 4] ^= 1;
            fs::write(home.path(), file).expect("a write");
            let store = Store::open_to_read(&home.path(), Options::default()).expect("it opens");
            for at_once in [1, 2, 1000] {
                let limit = ReadLimit {
                    events: at_once,
                    ..ALL
                };
                let what = format!("{one} and {other}, {damaged} damaged, {at_once} at once");
                let reader = store.clone();
                let (given, lost) = ends(&what, move || {
                    told(|after| {
                        let page = reader.page_of_all_as_past_damage(after, limit);
                        page.expect("a page")
                    })
                });
                let known: Vec<u64> = given.iter().map(|seq| seq.get()).collect();
                assert!(known.is_sorted_by(|one, next| one < next), "{what}");
                let known: BTreeSet<u64> = known.into_iter().chain(lost).collect();
                assert_eq!(known, (1..=events).collect(), "{what}");
            }
        }
    }
}
