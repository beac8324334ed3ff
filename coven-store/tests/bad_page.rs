//! A page of the cold file that goes bad under a log that goes on: whatever was read before is read still.

#[path = "support/damage.rs"]
mod damage;
#[path = "support/full.rs"]
mod full;
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use coven_core::{Envelope, Event, Seq};
use coven_store::{ReadError, Store, WriterState};
use damage::*;
use full::until_state;
use support::*;

/// What the bytes of a page become, from its first one on.
const DAMAGES: [&[u8]; 2] = [
    // It was never written.
    &[0; 4096],
    // It is a leaf that says it has more than it has.
    &[1, 0, 0x7f, 0x7f],
];

/// Tables that hold nothing but what follows from the others.
const MADE_ANEW: [&str; 7] = [
    "by_conversation",
    "by_created",
    "gone",
    "ids",
    "live",
    "output",
    "records",
];

/// A log of which everything is folded, closed.
async fn folded_story() -> Log {
    let log = story().await;
    log.open().close().await;
    log
}

/// The events of each session that can be read whole.
fn readable(store: &Store) -> BTreeMap<String, Vec<Envelope>> {
    let names = (0..12).map(|number| format!("session-{number}"));
    let names = names.chain(["outside", "talking", "new"].map(str::to_owned));
    let read = |name: String| {
        let events = store.read(&id(&name), Seq::ZERO, ALL).ok()?;
        let last = events.last()?.seq;
        // They may end before damage.
        let rest = store.read(&id(&name), last, ALL).ok()?;
        rest.is_empty().then_some((name, events))
    };
    names.filter_map(read).collect()
}

fn talking() -> Event {
    Event::Created {
        launch: Box::new(launch_in_conversation("another talk")),
        boot_id: None,
    }
}

/// Whatever was read before is read now, and is the same.
fn assert_all_there(
    now: &BTreeMap<String, Vec<Envelope>>,
    before: &BTreeMap<String, Vec<Envelope>>,
) {
    let lost = |(name, events): &(&String, &Vec<Envelope>)| now.get(*name) != Some(*events);
    let lost: Vec<_> = before.iter().filter(lost).map(|(name, _)| name).collect();
    assert!(lost.is_empty(), "{lost:?}, of {}", before.len());
}

/// Copies of a log with a damaged page each, that can be opened, and in which tables it is.
fn damaged_copies(log: &Log) -> impl Iterator<Item = (Log, Store, BTreeSet<&'static str>)> {
    let pages = 1..len(&log.path()) / PAGE_BYTES;
    let damages = pages.flat_map(|page| DAMAGES.map(|bytes| (page, bytes)));
    damages.filter_map(|(page, bytes)| {
        let copy = log.copy();
        put(&copy.path(), page * PAGE_BYTES, bytes);
        let tables = tables_hit(&copy);
        if tables.is_empty() {
            return None;
        }
        // Damage that is met at once lets nobody in.
        let store = Store::open(&copy.path(), OPTIONS).ok()?;
        println!("page {page}, of {tables:?}, became {:?}…", &bytes[..4]);
        Some((copy, store, tables))
    })
}

#[tokio::test]
async fn whichever_page_goes_bad_a_fold_takes_no_session_away() {
    let log = folded_story().await;
    let mut hit = BTreeSet::new();
    for (copy, store, tables) in damaged_copies(&log) {
        hit.extend(tables);
        let before = readable(&store);
        let appended = append(&store, "fresh", vec![talking(), started(), output(0, "x")]).await;
        // It folds what there is.
        let _ = store.verify();
        assert_all_there(&readable(&store), &before);
        store.close().await;
        let store = copy.open();
        assert_all_there(&readable(&store), &before);
        if appended.is_ok() {
            assert_eq!(events_of(&store, "fresh").len(), 3);
        }
        store.close().await;
    }
    let met = [
        "by_conversation",
        "by_created",
        "erasing",
        "gone",
        "ids",
        "live",
        "order",
        "output",
        "records",
        "segments",
        "slots",
    ];
    assert!(met.iter().all(|table| hit.contains(table)), "{hit:?}");
}

#[tokio::test]
async fn what_follows_from_the_events_and_goes_bad_is_made_anew_by_the_next_fold() {
    let log = folded_story().await;
    let expected = {
        // What is gone from its folder takes nothing.
        let copy = log.copy();
        let store = copy.open();
        append(&store, "fresh", vec![talking(), started(), output(0, "x")])
            .await
            .expect("a new session");
        content(&store)
    };
    let mut mended = BTreeSet::new();
    for (copy, store, tables) in damaged_copies(&log) {
        if !tables.is_subset(&MADE_ANEW.into()) {
            continue;
        }
        mended.extend(tables);
        // It looks for that before it does anything else.
        let _ = store.verify();
        append(&store, "fresh", vec![talking(), started(), output(0, "x")])
            .await
            .expect("a new session");
        assert_eq!(store.verify().expect("a read").problems, Vec::new());
        until_state(&store, WriterState::Healthy).await;
        assert!(content(&store) == expected);
        store.close().await;
        assert_eq!(tables_hit(&copy), BTreeSet::new());
    }
    assert_eq!(mended, MADE_ANEW.into());
}

#[tokio::test]
async fn what_a_page_hides_without_a_word_is_made_anew_as_the_log_is_opened() {
    let log = folded_story().await;
    let expected = content(&log.copy().open());
    let bytes = fs::read(log.path()).expect("a file");
    let mut mended = BTreeSet::new();
    for at in (PAGE_BYTES..len(&log.path())).step_by(PAGE_BYTES as usize) {
        // A leaf of several rows says that it has one.
        let page = &bytes[at as usize..];
        if page[0] != 1 || page[3] != 0 || page[2] < 2 {
            continue;
        }
        let copy = log.copy();
        put(&copy.path(), at + 2, &[1]);
        let tables = tables_hit(&copy);
        if tables.is_empty() || !tables.is_subset(&MADE_ANEW.into()) {
            continue;
        }
        let store = copy.open();
        assert_eq!(store.verify().expect("a read").problems, Vec::new());
        // That it was damaged is told, and not that it is.
        let told = store.health().last_error.expect("it is told");
        assert!(told.starts_with("made anew from the events"), "{told}");
        assert!(content(&store) == expected, "{tables:?}");
        store.close().await;
        assert_eq!(tables_hit(&copy), BTreeSet::new());
        mended.extend(tables);
    }
    let met = ["by_created", "ids", "output", "records"];
    assert!(met.iter().all(|table| mended.contains(table)), "{mended:?}");
}

#[tokio::test]
async fn a_session_whose_events_are_damaged_keeps_its_record_where_all_are_made_anew() {
    let log = Log::empty();
    let store = log.open();
    for number in 0..60 {
        let name = format!("many-{number}");
        running(&store, &name).await;
        append(&store, &name, vec![output(0, noise(number, 3000))])
            .await
            .expect("it goes on");
    }
    store.close().await;
    // Noise is not compressed.
    spoil_wherever(&log.path(), &noise(7, 3000)[1000..1032]);
    let mut kept = 0;
    for (copy, store, tables) in damaged_copies(&log) {
        let before = store.record(&id("many-7")).ok().flatten();
        if tables != ["records", "segments"].into() || before.is_none() {
            continue;
        }
        append(&store, "fresh", vec![talking(), started()])
            .await
            .expect("a new session");
        let _ = store.verify();
        until_state(&store, WriterState::Healthy).await;
        assert_eq!(store.record(&id("many-7")).expect("a read"), before);
        store.close().await;
        // Where the page was not in the way of the fold, nothing was made anew.
        kept += u32::from(!tables_hit(&copy).contains("records"));
    }
    assert!(kept > 0, "{kept}");
}

#[tokio::test]
async fn projections_of_which_a_page_went_bad_are_made_anew_for_who_asks() {
    let log = folded_story().await;
    let expected = content(&log.copy().open());
    for (copy, store, tables) in damaged_copies(&log) {
        if !tables.is_subset(&MADE_ANEW.into()) {
            continue;
        }
        store
            .rebuild_projections()
            .await
            .expect("the events are whole");
        assert!(content(&store) == expected);
        store.close().await;
        assert_eq!(tables_hit(&copy), BTreeSet::new());
    }
}

#[tokio::test]
async fn a_log_that_cannot_be_made_anew_for_damage_is_read_on_and_opens_again() {
    let log = folded_story().await;
    let mut refused = 0;
    for (copy, store, tables) in damaged_copies(&log) {
        if tables.is_subset(&MADE_ANEW.into()) {
            continue;
        }
        let before = readable(&store);
        refused += u32::from(store.rebuild_projections().await.is_err());
        assert_all_there(&readable(&store), &before);
        store.close().await;
        let store = copy.open();
        assert_all_there(&readable(&store), &before);
        store.close().await;
    }
    assert!(refused > 10, "{refused}");
}

#[tokio::test]
async fn a_fold_that_damage_stops_for_good_is_told_by_the_health() {
    let log = folded_story().await;
    let mut told = BTreeSet::new();
    for (_copy, store, tables) in damaged_copies(&log) {
        let stopped = ["order", "slots"];
        let Some(table) = stopped.into_iter().find(|table| tables.contains(table)) else {
            continue;
        };
        told.insert(table);
        let appended = append(&store, "fresh", vec![talking(), started(), output(0, "x")]).await;
        appended.expect("a new session");
        let _ = store.verify();
        until_state(&store, WriterState::Pressured).await;
        let error = store.health().last_error.expect("what is wrong");
        assert!(error.contains("damaged"), "{error}");
        store.close().await;
    }
    assert_eq!(told, ["order", "slots"].into());
}

#[tokio::test]
async fn damage_of_a_page_is_told_with_the_session_that_was_asked_for() {
    let log = folded_story().await;
    let asked = id("session-5");
    let mut told = 0;
    for (_copy, store, tables) in damaged_copies(&log) {
        if !["ids", "records", "segments"]
            .iter()
            .any(|it| tables.contains(it))
        {
            continue;
        }
        let failures = [
            store.record(&asked).err(),
            store.read(&asked, Seq::ZERO, ALL).err(),
            store.output(&asked, 0, usize::MAX).err(),
        ];
        for failure in failures.into_iter().flatten() {
            let ReadError::Damaged(damage) = failure else {
                panic!("{failure}");
            };
            assert_eq!(damage.session, Some(asked.clone()), "{damage}");
            told += 1;
        }
        store.close().await;
    }
    assert!(told >= 6, "{told}");
}
