//! Which sessions are named as unreadable beside a damaged leaf of segments: those that a reader refuses, or cuts
//! short, and no others.

#[path = "support/damage.rs"]
mod damage;
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use coven_core::{Envelope, Event, Seq};
use coven_store::{Findings, Store, inspect};
use damage::*;
use support::*;

const PAGE: usize = PAGE_BYTES as usize;

const SESSIONS: u64 = 45;

fn name(number: u64) -> String {
    format!("named-{number}")
}

/// A log that is closed, what its cold file was each time that something was folded into it, and what each session
/// has. In each round some go on: so most have several segments, in several leaves, and others one.
struct History {
    log: Log,
    states: Vec<Vec<u8>>,
    truth: BTreeMap<String, Vec<Envelope>>,
}

async fn history() -> History {
    let log = Log::empty();
    let mut states = Vec::new();
    for round in 0..4 {
        let store = log.open();
        for number in (0..SESSIONS).filter(|number| round == 0 || number % 5 <= round) {
            say(&store, number, round).await;
        }
        assert!(store.verify().expect("a look").is_whole());
        store.close().await;
        states.push(fs::read(log.path()).expect("a file"));
    }
    let store = log.open();
    let events = |number| (name(number), events_of(&store, &name(number)));
    let truth = (0..SESSIONS).map(events).collect();
    store.close().await;
    states.push(fs::read(log.path()).expect("a file"));
    History { log, states, truth }
}

/// One session has a lot of output that was trimmed, and another is deleted.
async fn say(store: &Store, number: u64, round: u64) {
    let name = name(number);
    let said = |at: u64| output(at * 150, noise(number + at, 150));
    if round == 0 {
        running(store, &name).await;
        append(store, &name, vec![said(0), said(1)])
            .await
            .expect("it says");
    }
    if round > 0 && number.is_multiple_of(3) {
        append(
            store,
            &name,
            vec![resized(), said(2 + round - (number % 5).max(1))],
        )
        .await
        .expect("it goes on");
    }
    if round == 3 && number.is_multiple_of(4) && number % 5 < 4 {
        trim(store, &name, 0, 150).await;
    }
    if round == 3 && number == 13 {
        for events in [vec![output_closed(), exited(0)], vec![Event::Deleted]] {
            append(store, &name, events).await.expect("it is deleted");
        }
    }
}

/// Whether a reader is given all that a session has, and is not told of damage.
fn is_read_whole(store: &Store, name: &str, had: &[Envelope]) -> bool {
    let mut events: Vec<Envelope> = Vec::new();
    loop {
        let after = events.last().map_or(Seq::ZERO, |it| it.seq);
        match store.read(&id(name), after, ALL) {
            Ok(more) if more.is_empty() => break,
            Ok(more) => events.extend(more),
            Err(_) => {
                assert!(had.starts_with(&events), "{name}");
                return false;
            }
        }
    }
    assert_eq!(events, had, "{name}");
    true
}

/// How much was tried, and found.
#[derive(Debug, Default)]
struct Tried {
    damages: usize,
    refused: usize,
}

impl History {
    fn now(&self) -> &[u8] {
        self.states.last().expect("there are some")
    }

    /// The leaves of segments.
    fn leaves(&self) -> Vec<usize> {
        let now = self.now();
        let pages = (PAGE..now.len() - PAGE).step_by(PAGE);
        let leaves = pages.filter(|at| now[*at..].starts_with(&[1, 0]));
        let is_of_segments = |at: &usize| {
            let copy = self.log.copy();
            flip(&copy.path(), (*at as u64 + 20) * 8 + 1);
            tables_hit(&copy).contains("segments")
        };
        leaves.filter(is_of_segments).collect()
    }

    /// Damages the page of all records that can be found, so that nothing says where a session ends.
    fn without_records(mut self) -> Self {
        let now = self.now().to_vec();
        let pages = (PAGE..now.len() - PAGE).step_by(PAGE);
        for at in pages.filter(|at| now[*at..].starts_with(&[1, 0])) {
            let copy = self.log.copy();
            flip(&copy.path(), (at as u64 + 20) * 8 + 1);
            if tables_hit(&copy) == BTreeSet::from(["records"]) {
                flip(&self.log.path(), (at as u64 + 20) * 8 + 1);
            }
        }
        let without = fs::read(self.log.path()).expect("a file");
        assert_ne!(without, now);
        self.states.push(without);
        self
    }

    /// Damages a leaf, and compares what is told of sessions with what readers are given.
    fn compare(&self, tried: &mut Tried, what: &str, damage: impl FnOnce(&Log)) {
        let copy = self.log.copy();
        damage(&copy);
        let found: Findings = inspect(&copy.path(), &mut |_| {}).expect("a look");
        let is_hit = |it: &coven_store::Finding| it.table == Some("segments");
        if !found.problems.iter().any(is_hit) {
            return;
        }
        let store = Store::open_to_read(&copy.path(), OPTIONS).expect("it opens");
        let refused = self.truth.iter();
        let refused = refused.filter(|(name, had)| !is_read_whole(&store, name, had));
        let refused: BTreeSet<_> = refused.map(|(name, _)| id(name)).collect();
        let named: BTreeSet<_> = found.unreadable.keys().cloned().collect();
        assert_eq!(named, refused, "named and refused: {what}");
        for problem in &found.problems {
            if let Some(session) = problem.session.as_ref().filter(|_| is_hit(problem)) {
                assert!(named.contains(session), "{problem}: {what}");
            }
        }
        tried.damages += 1;
        tried.refused += refused.len();
    }
}

/// Puts a byte in many places of each leaf.
fn put_bytes(history: &History, tried: &mut Tried) {
    for at in history.leaves() {
        let rows = usize::from(history.now()[at + 2]);
        let keys_at = 4 + 4 * rows;
        let ends = (0..rows).step_by(5).map(|row| 4 + 4 * row);
        let ends = ends.flat_map(|end| [end, end + 1, end + 3]);
        let keys = (0..rows).step_by(5).map(|row| keys_at + 16 * row);
        let keys = keys.flat_map(|key| [key, key + 1, key + 7, key + 8]);
        let values = (0..3).map(|part| keys_at + 16 * rows + 900 * part);
        let places = [2, 3].into_iter().chain(ends).chain(keys).chain(values);
        for (place, byte) in places
            .filter(|it| *it < PAGE)
            .zip([0x11, 0x80].iter().cycle())
        {
            let what = format!("{byte:#x} in byte {place} of the leaf at {at} of {rows} rows");
            history.compare(tried, &what, |log| {
                put(&log.path(), (at + place) as u64, &[*byte]);
            });
        }
    }
}

#[tokio::test]
async fn the_sessions_that_are_named_beside_a_byte_of_a_leaf_are_those_that_readers_refuse() {
    let mut tried = Tried::default();
    put_bytes(&history().await, &mut tried);
    assert!(tried.damages > 100 && tried.refused > 100, "{tried:?}");
}

#[tokio::test]
async fn the_sessions_that_are_named_where_nothing_says_what_they_have_are_those_that_readers_refuse()
 {
    let mut tried = Tried::default();
    put_bytes(&history().await.without_records(), &mut tried);
    assert!(tried.damages > 100 && tried.refused > 100, "{tried:?}");
}

#[tokio::test]
async fn a_value_that_seems_to_end_elsewhere_costs_two_sessions_of_a_leaf_and_a_key_costs_one() {
    let log = Log::empty();
    let store = log.open();
    for number in 0..SESSIONS {
        running(&store, &name(number)).await;
    }
    let events = |number| (name(number), events_of(&store, &name(number)));
    let truth = (0..SESSIONS).map(events).collect();
    store.close().await;
    let states = vec![fs::read(log.path()).expect("a file")];
    let history = History { log, states, truth };
    let mut tried = 0;
    for at in history.leaves() {
        let rows = usize::from(history.now()[at + 2]);
        if rows < 8 {
            continue;
        }
        let (end, key) = (at + 4 + 4 * 5 + 3, at + 4 + 4 * rows + 16 * 5);
        // A key becomes one of nobody's, or of the session before or behind it.
        let slot = history.now()[key];
        let keys = [(key, 0x70), (key + 7, 0x70), (key + 9, 0x70)];
        let keys = keys.into_iter().chain([(key, slot - 1), (key, slot + 1)]);
        let keys = keys.map(|(place, byte)| (place, byte, 1));
        for (place, byte, cost) in keys.chain([(end, 0x70, 2)]) {
            let mut tried_here = Tried::default();
            let what = format!("{byte:#x} in byte {place} of the leaf at {at} of {rows} rows");
            history.compare(&mut tried_here, &what, |log| {
                put(&log.path(), place as u64, &[byte]);
            });
            assert_eq!(
                (tried_here.damages, tried_here.refused),
                (1, cost),
                "{what}"
            );
            tried += 1;
        }
    }
    assert!(tried > 4, "{tried}");
}

#[tokio::test]
async fn the_sessions_that_are_named_beside_a_leaf_that_is_another_are_those_that_readers_refuse() {
    let history = history().await;
    let mut tried = Tried::default();
    let leaves = history.leaves();
    for &at in &leaves {
        for &other in leaves.iter().filter(|other| **other != at) {
            let what = format!("{at} is as {other}");
            history.compare(&mut tried, &what, |log| {
                put(&log.path(), at as u64, &history.now()[other..other + PAGE]);
            });
        }
    }
    assert!(tried.damages > 20 && tried.refused > 20, "{tried:?}");
}

#[tokio::test]
async fn the_sessions_that_are_named_beside_a_leaf_that_is_older_are_those_that_readers_refuse() {
    let history = history().await;
    let mut tried = Tried::default();
    let now = history.now();
    for at in history.leaves() {
        let page = at..at + PAGE;
        let older = history.states.iter();
        let older = older.filter_map(|older| older.get(page.clone()));
        let older: BTreeSet<&[u8]> = older
            .filter(|it| it[0] == 1 && **it != now[page.clone()])
            .collect();
        for older in older {
            for sectors in [0..8, 0..1, 1..8, 0..4, 4..8, 2..3] {
                let bytes = sectors.start * 512..sectors.end * 512;
                let what = format!("sectors {sectors:?} of {at} are older");
                history.compare(&mut tried, &what, |log| {
                    put(&log.path(), (at + bytes.start) as u64, &older[bytes]);
                });
            }
        }
    }
    assert!(tried.damages > 20 && tried.refused > 20, "{tried:?}");
}
