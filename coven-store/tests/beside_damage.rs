//! What is read beside damage: all that is in other pages, and of a session that is damaged what comes before.

#[path = "support/damage.rs"]
mod damage;
#[path = "support/full.rs"]
mod full;
mod support;

use std::collections::BTreeMap;
use std::fs;

use coven_core::{Envelope, Seq};
use coven_store::{Findings, ReadError, ReadLimit, Store, WriterState, inspect};
use damage::*;
use full::until_state;
use support::*;

const PAGE_BYTES: usize = 4096;

/// Bytes of one event of [`long`], which fill most of a segment.
const LONG: u64 = 200_000;

/// Sessions of which some share pages and some have several for themselves, all folded, closed.
async fn neighbours() -> Log {
    let log = Log::empty();
    let store = log.open();
    for round in 0..4 {
        for number in 0..NEIGHBOURS {
            let name = name(number);
            if round == 0 {
                running(&store, &name).await;
            }
            let len = [40, 700, 9_000, 3_000, 90_000][usize::try_from(number % 5).expect("small")];
            let said = output(round * len, noise(number * 7 + round, len as usize));
            append(&store, &name, vec![said, resized()])
                .await
                .expect("it goes on");
        }
        let _ = store.verify();
    }
    store.close().await;
    log
}

const NEIGHBOURS: u64 = 30;

fn name(number: u64) -> String {
    format!("neighbour-{number:02}")
}

/// A running session of eight long events, folded one by one, so that each has a segment of its own, closed.
async fn long() -> Log {
    let log = Log::empty();
    let store = log.open();
    running(&store, "long").await;
    for number in 0..8 {
        let said = output(number * LONG, noise(number, LONG as usize));
        append(&store, "long", vec![said])
            .await
            .expect("it goes on");
        let _ = store.verify();
    }
    store.close().await;
    log
}

/// Turns two bits in the middle of one of the long events: noise is not compressed.
fn damage_event(log: &Log, number: u64) {
    let said = &noise(number, LONG as usize)[100_000..100_064];
    spoil_wherever(&log.path(), said);
}

/// The output of [`long`] from the beginning of one of its events on.
fn read_event(store: &Store, number: u64) -> Result<Vec<u8>, ReadError> {
    let chunks = store.output(&id("long"), number * LONG, 1000)?;
    Ok(chunks.iter().flat_map(|it| it.data.to_vec()).collect())
}

fn said(number: u64) -> Vec<u8> {
    noise(number, LONG as usize)[..1000].to_vec()
}

/// The places of pages that look like leaves.
fn leaves(log: &Log) -> Vec<u64> {
    let bytes = fs::read(log.path()).expect("a file");
    let pages = (PAGE_BYTES..bytes.len()).step_by(PAGE_BYTES);
    let is_leaf = |at: &usize| bytes[*at..].starts_with(&[1, 0]);
    pages.filter(is_leaf).map(|at| at as u64).collect()
}

fn findings(log: &Log) -> Findings {
    inspect(&log.path(), &mut |_| {}).expect("it can be looked at")
}

/// Whether there is damage, and all of it is in one table.
fn is_damaged_in(found: &Findings, table: &str) -> bool {
    let mut problems = found.problems.iter();
    !found.problems.is_empty() && problems.all(|it| it.table == Some(table))
}

/// Turns a bit in every page of the index of output, so that redb takes none of them for a page.
fn damage_index_of_output(log: &Log) {
    let mut damaged = 0;
    for at in leaves(log) {
        let copy = log.copy();
        flip(&copy.path(), at * 8 + 1);
        if is_damaged_in(&findings(&copy), "output") {
            flip(&log.path(), at * 8 + 1);
            damaged += 1;
        }
    }
    assert!(damaged > 0, "the index is somewhere");
}

/// The events of all sessions, page by page past what is damaged, by session.
fn events_of_all(store: &Store) -> BTreeMap<String, Vec<Envelope>> {
    let mut events: BTreeMap<String, Vec<Envelope>> = BTreeMap::new();
    let mut after = Seq::ZERO;
    loop {
        let page = store
            .page_of_all(after, ReadLimit::default())
            .expect("a page");
        if page.end == after {
            return events;
        }
        after = page.end;
        for event in page.events {
            events
                .entry(event.session.to_string())
                .or_default()
                .push(event);
        }
    }
}

/// The events of a session as far as they can be read, page by page, and what ends them.
fn events(store: &Store, session: &str, limit: ReadLimit) -> (Vec<Envelope>, Option<ReadError>) {
    let mut events: Vec<Envelope> = Vec::new();
    loop {
        let after = events.last().map_or(Seq::ZERO, |last| last.seq);
        match store.read(&id(session), after, limit) {
            Ok(page) if page.is_empty() => return (events, None),
            Ok(page) => events.extend(page),
            Err(error) => return (events, Some(error)),
        }
    }
}

const SOME: ReadLimit = ReadLimit {
    events: 3,
    bytes: usize::MAX,
};

#[tokio::test]
async fn whoever_has_nothing_in_a_damaged_page_is_read_whole_and_others_up_to_it() {
    let log = neighbours().await;
    let store = log.copy().open();
    let whole: BTreeMap<String, (Vec<Envelope>, Vec<u8>)> = (0..NEIGHBOURS)
        .map(name)
        .map(|name| {
            (
                name.clone(),
                (events_of(&store, &name), all_output(&store, &name)),
            )
        })
        .collect();
    store.close().await;
    let mut tried = 0;
    for at in leaves(&log) {
        for bytes in [&[3, 0][..], &[1, 0, 0x7f, 0x7f], &[0; PAGE_BYTES]] {
            let copy = log.copy();
            put(&copy.path(), at, bytes);
            let found = findings(&copy);
            if !is_damaged_in(&found, "segments") {
                continue;
            }
            let Ok(store) = Store::open_to_read(&copy.path(), OPTIONS) else {
                continue;
            };
            tried += 1;
            let all = events_of_all(&store);
            for (name, (expected, output)) in &whole {
                let is_hit = found.unreadable.contains_key(&id(name));
                for limit in [ALL, SOME] {
                    let (events, error) = events(&store, name, limit);
                    assert!(expected.starts_with(&events), "{name}, {bytes:?} at {at}");
                    let is_whole = events.len() == expected.len() && error.is_none();
                    assert_eq!(is_whole, !is_hit, "{name}, {bytes:?} at {at}: {error:?}");
                }
                if !is_hit {
                    assert_eq!(all.get(name), Some(expected), "{name}, {bytes:?} at {at}");
                    assert!(all_output(&store, name) == *output, "{name}");
                    let middle = output.len() / 2;
                    let from = store.output(&id(name), middle as u64, 10).expect("a read");
                    assert_eq!(from[0].data, output[middle..][..10]);
                }
            }
        }
    }
    assert!(tried > 40, "{tried}");
}

#[tokio::test]
async fn events_before_damage_are_given_and_then_the_damage_is_told() {
    let log = long().await;
    let whole = events_of(&log.copy().open(), "long");
    damage_event(&log, 5);
    let store = log.open();
    for limit in [ALL, SOME, ReadLimit::default()] {
        let (events, error) = events(&store, "long", limit);
        assert_eq!(events, whole[..7]);
        assert!(matches!(error, Some(ReadError::Damaged(_))), "{error:?}");
    }
}

#[tokio::test]
async fn output_is_read_by_its_offset_though_the_index_of_it_is_damaged() {
    let log = long().await;
    damage_index_of_output(&log);
    // Nobody makes it anew here.
    let store = Store::open_to_read(&log.path(), OPTIONS).expect("the store opens");
    for number in (0..8).rev() {
        assert_eq!(read_event(&store, number), Ok(said(number)), "{number}");
    }
    drop(store);
    let store = log.open();
    let trim_to = 3 * LONG;
    trim(&store, "long", 0, trim_to).await;
    let left = store.output(&id("long"), 0, 1000).expect("a read");
    assert_eq!((left[0].offset, &left[0].data[..]), (trim_to, &said(3)[..]));
}

#[tokio::test]
async fn output_is_given_up_to_the_damage_and_who_reads_on_from_there_is_told() {
    let log = long().await;
    damage_event(&log, 5);
    let store = log.open();
    let before = store.output(&id("long"), 0, usize::MAX).expect("a read");
    let before: Vec<u8> = before.iter().flat_map(|it| it.data.to_vec()).collect();
    let said: Vec<u8> = (0..5).flat_map(|it| noise(it, LONG as usize)).collect();
    assert!(before == said, "{} bytes of {}", before.len(), said.len());
    let there = store.output(&id("long"), 5 * LONG, usize::MAX);
    assert!(matches!(there, Err(ReadError::Damaged(_))), "{there:?}");
    assert!(read_event(&store, 6).is_ok());
}

#[tokio::test]
async fn output_behind_a_damaged_segment_is_found_by_an_index_that_was_made_anew() {
    let log = long().await;
    damage_index_of_output(&log);
    damage_event(&log, 2);
    let store = log.open();
    append(&store, "fresh", vec![created(), started(), output(0, "x")])
        .await
        .expect("a new session");
    let _ = store.verify();
    until_state(&store, WriterState::Healthy).await;
    store.close().await;
    let found = findings(&log);
    assert!(is_damaged_in(&found, "segments"), "{found:?}");
    let store = log.open();
    for number in [0, 1, 3, 7] {
        assert_eq!(read_event(&store, number), Ok(said(number)), "{number}");
    }
    assert!(matches!(read_event(&store, 2), Err(ReadError::Damaged(_))));
}
