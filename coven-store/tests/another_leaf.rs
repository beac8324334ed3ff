//! A leaf of the cold file that is another one, or what it was some commits before, in whole or in part, as a write
//! that was lost, torn or led astray leaves it: nothing of it is taken for what is to be there.

#[path = "support/damage.rs"]
mod damage;
mod support;

use std::collections::BTreeSet;
use std::fs;

use coven_core::{Envelope, Seq};
use coven_store::Store;
use damage::*;
use support::*;

const PAGE: usize = PAGE_BYTES as usize;

fn name(number: u64) -> String {
    format!("one-{number}")
}

/// A log of so many sessions that is closed, what its cold file was each time that something was folded into it, and
/// what each session has. Every `each`-th goes on at a time.
async fn history(sessions: u64, each: u64, rounds: u64) -> (Log, Vec<Vec<u8>>, Vec<Vec<Envelope>>) {
    let log = Log::empty();
    let mut states = Vec::new();
    for round in 0..rounds {
        let store = log.open();
        for number in (0..sessions).filter(|number| round == 0 || number % each == round % each) {
            say(&store, number, round).await;
        }
        assert!(store.verify().expect("a look").is_whole());
        store.close().await;
        states.push(fs::read(log.path()).expect("a file"));
    }
    let store = log.open();
    let events = |number| {
        store
            .read(&id(&name(number)), Seq::ZERO, ALL)
            .expect("a read")
    };
    let truth = (0..sessions).map(events).collect();
    store.close().await;
    (log, states, truth)
}

async fn say(store: &Store, number: u64, round: u64) {
    let titled = coven_core::Event::Titled {
        title: coven_core::Title::parse(&format!("round {round}")).expect("a title"),
    };
    let events = match round {
        0 => vec![created(), started(), output(0, noise(number, 300))],
        _ => vec![titled],
    };
    let _ = store.append(batch(&name(number), None, events)).await;
}

/// What a session has, where no read says that something of it cannot be read.
fn read_to_the_end(store: &Store, name: &str) -> Option<Vec<Envelope>> {
    let mut events: Vec<Envelope> = Vec::new();
    loop {
        let after = events.last().map_or(Seq::ZERO, |it| it.seq);
        let more = store.read(&id(name), after, ALL).ok()?;
        if more.is_empty() {
            return Some(events);
        }
        events.extend(more);
    }
}

/// Nobody is given less than what a session had without being told.
fn assert_nothing_is_hidden(store: &Store, truth: &[Vec<Envelope>], what: &str) {
    for (number, had) in (0..).zip(truth) {
        if store.was_deleted(&id(&name(number))).unwrap_or(true) {
            continue;
        }
        if let Some(events) = read_to_the_end(store, &name(number)) {
            assert!(events.starts_with(had), "{}: {what}", name(number));
        }
        let last = had.last().map(|it| it.seq);
        if let Ok(Some(record)) = store.record(&id(&name(number))) {
            assert!(Some(record.last_seq) >= last, "{}: {what}", name(number));
        }
    }
}

/// Opens it, has more folded into it, deletes some, and opens it again.
async fn assert_goes_on(log: &Log, truth: &[Vec<Envelope>], what: &str) {
    let sessions = truth.len() as u64;
    if let Ok(store) = Store::open_to_read(&log.path(), OPTIONS) {
        assert_nothing_is_hidden(&store, truth, what);
    }
    for round in 16..18 {
        let Ok(store) = Store::open(&log.path(), OPTIONS) else {
            return;
        };
        assert_nothing_is_hidden(&store, truth, what);
        for number in 0..sessions {
            say(&store, number, round).await;
        }
        let _ = store.verify();
        assert_nothing_is_hidden(&store, truth, what);
        let is_deleted = |number: u64| round == 17 && number % 5 == 3;
        for number in (0..sessions).filter(|number| is_deleted(*number)) {
            for events in [
                vec![output_closed(), exited(0)],
                vec![coven_core::Event::Deleted],
            ] {
                let _ = store.append(batch(&name(number), None, events)).await;
            }
        }
        let _ = store.verify();
        let _ = store.verify();
        store.close().await;
    }
    if let Ok(store) = Store::open_to_read(&log.path(), OPTIONS) {
        assert_nothing_is_hidden(&store, truth, what);
    }
}

#[tokio::test]
async fn a_leaf_that_is_what_it_was_some_commits_before_is_not_folded_into() {
    let (log, states, truth) = history(3, 1, 16).await;
    let (now, before) = states.split_last().expect("there are some");
    let mut tried = BTreeSet::new();
    for at in (PAGE..now.len() - PAGE)
        .step_by(PAGE)
        .filter(|&at| now[at] == 1)
    {
        let page = at..at + PAGE;
        let older = before.iter().filter_map(|older| older.get(page.clone()));
        let older: BTreeSet<&[u8]> = older
            .filter(|it| it[0] == 1 && **it != now[page.clone()])
            .collect();
        let sectors = [None, Some(1), Some(2), Some(3)];
        let each = older
            .into_iter()
            .flat_map(|page| sectors.map(|sector| (page, sector)));
        for (page, sector) in each {
            let copy = log.copy();
            put(&copy.path(), at as u64, page);
            // Of a write that was torn one sector came to be there, in the middle of a row.
            if let Some(sector) = sector {
                let sector = at + 512 * sector;
                put(&copy.path(), sector as u64, &now[sector..sector + 512]);
            }
            let hit = tables_hit(&copy);
            if hit.is_empty() {
                break;
            }
            let what = format!("byte {at}, of {hit:?}, {sector:?}");
            assert_goes_on(&copy, &truth, &what).await;
            tried.extend(hit);
        }
    }
    let met = ["order", "records", "segments"];
    assert!(met.iter().all(|table| tried.contains(table)), "{tried:?}");
}

#[tokio::test]
async fn a_leaf_that_is_another_is_not_folded_into() {
    let (log, states, truth) = history(24, 5, 6).await;
    let now = states.last().expect("there are some");
    let leaves = (PAGE..now.len() - PAGE).step_by(PAGE);
    let leaves: Vec<usize> = leaves.filter(|&at| now[at] == 1).collect();
    let mut tried = 0;
    for &at in &leaves {
        for &other in leaves.iter().step_by(2).filter(|other| **other != at) {
            let copy = log.copy();
            put(&copy.path(), at as u64, &now[other..other + PAGE]);
            let hit = tables_hit(&copy);
            if !hit.contains("segments") {
                break;
            }
            let what = format!("byte {at}, of {hit:?}, is as byte {other}");
            assert_goes_on(&copy, &truth, &what).await;
            tried += 1;
        }
    }
    assert!(tried > 20, "{tried}");
}

#[tokio::test]
async fn of_a_log_open_for_reading_no_session_is_unknown_whose_leaf_of_ids_is_another() {
    let (log, states, _) = history(90, 5, 6).await;
    let now = states.last().expect("there are some");
    let starts_as = |at: &usize, what: &[u8]| {
        now[*at] == 1 && now[*at..at + PAGE].windows(what.len()).any(|it| it == what)
    };
    let pages = || (PAGE..now.len() - PAGE).step_by(PAGE);
    let mut tried = 0;
    for at in pages().filter(|at| starts_as(at, b"one-")) {
        let copy = log.copy();
        let other = pages()
            .find(|at| starts_as(at, b"round"))
            .expect("a segment");
        put(&copy.path(), at as u64, &now[other..other + PAGE]);
        if !tables_hit(&copy).contains("ids") {
            continue;
        }
        let store = Store::open_to_read(&copy.path(), OPTIONS).expect("it opens");
        for number in 0..90 {
            let record = store.record(&id(&name(number)));
            assert!(matches!(record, Ok(Some(_))), "{record:?}: byte {at}");
        }
        tried += 1;
    }
    assert!(tried > 0);
}
