use std::collections::BTreeSet;
use std::fs;

use coven_core::Event;
use redb::{ReadableTable, Value};

use super::super::cold::{Inspected, OfJournal, in_windows};
use super::super::{Findings, OpenFile, Source};
use crate::file::OsDisk;
use crate::layout::Tables;
use crate::raw::pages;
use crate::test_support::*;

/// A closed log with sessions in every state, one that was deleted twice among them.
async fn log() -> Home {
    let home = Home::new();
    let store = home.open();
    let complete = Event::Completed { exit_code: None };
    let external = |name| vec![registered(name), complete.clone()];
    for name in ["a", "d"] {
        ended(&store, name).await;
        store.fold();
    }
    for name in ["b", "c", "b", "c"] {
        let deleted = [external(name), vec![Event::Deleted]].concat();
        append(&store, name, deleted).await.expect("a new session");
        store.fold();
    }
    append(&store, "c", external("c"))
        .await
        .expect("a new session");
    running(&store, "e").await;
    let said = vec![
        output(0, noise(1, 50_000)),
        output(50_000, noise(2, 50_000)),
    ];
    append(&store, "e", said).await.expect("it runs");
    trim(&store, "e", 0, 50_000).await;
    append(&store, "a", vec![Event::Archived])
        .await
        .expect("it has ended");
    store.close().await;
    home
}

/// What is found by so many slots at a time.
fn inspected(home: &Home, most_slots: usize) -> Inspected {
    let (file, _) = OpenFile::both(&OsDisk, &home.path()).expect("they open");
    let OpenFile::There(file) = file else {
        panic!("it is there");
    };
    let journal = OfJournal {
        wanted: BTreeSet::from([1, 3, 8]),
        ..OfJournal::default()
    };
    let found = in_windows(Source::Closed(&file), journal, most_slots, &mut |_| {});
    found.expect("it is read")
}

/// The same, and the problems in no order, where no slot is damaged.
fn found(home: &Home, most_slots: usize) -> (Findings, BTreeSet<String>) {
    let found = inspected(home, most_slots);
    assert_eq!(found.met.len(), 3);
    assert_eq!(found.met.values().filter(|lives| **lives).count(), 2);
    let problems = problems_of(&found.findings);
    (found.findings, problems)
}

fn problems_of(findings: &Findings) -> BTreeSet<String> {
    findings.problems.iter().map(ToString::to_string).collect()
}

#[tokio::test]
async fn a_log_that_is_looked_at_bit_by_bit_is_found_to_be_what_it_is() {
    let home = log().await;
    let (whole, problems) = found(&home, usize::MAX);
    assert_eq!(problems, BTreeSet::new());
    for most_slots in 1..9 {
        assert_eq!(found(&home, most_slots).0, whole, "{most_slots}");
    }
}

/// Something that is wrong with a log.
type Wrong = fn(&mut Tables<'_>);

/// The keys that there are, at some place of a table.
fn key<K: redb::Key + 'static, V: Value + 'static, T>(
    table: &impl ReadableTable<K, V>,
    number: usize,
    owned: impl Fn(K::SelfType<'_>) -> T,
) -> T {
    let mut rows = table.iter().expect("rows");
    let row = rows.nth(number).expect("there are so many").expect("a row");
    owned(row.0.value())
}

const WRONG: [Wrong; 12] = [
    |tables| drop(tables.slots.remove(4).expect("it is removed")),
    |tables| drop(tables.ids.remove("a").expect("it is removed")),
    |tables| drop(tables.ids.insert("nobody", 99).expect("a row")),
    |tables| drop(tables.gone.remove("b").expect("it is removed")),
    |tables| drop(tables.erasing.insert(1, 5).expect("a row")),
    |tables| drop(tables.trimming.insert(99, 1).expect("a row")),
    |tables| drop(tables.records.remove(2).expect("it is removed")),
    |tables| drop(tables.records.insert(99, [1].as_slice()).expect("a row")),
    |tables| drop(tables.live.remove(8).expect("it is removed")),
    |tables| {
        let key = key(&tables.by_created, 1, |(at, id)| (at, id.to_owned()));
        drop(
            tables
                .by_created
                .remove((key.0, key.1.as_str()))
                .expect("it is removed"),
        );
    },
    |tables| {
        let key = key(&tables.segments, 3, |key| key);
        drop(tables.segments.remove(key).expect("it is removed"));
    },
    |tables| {
        let key = key(&tables.order, 1, |key| key);
        drop(tables.order.remove(key).expect("it is removed"));
    },
];

fn make_wrong(home: &Home, wrong: Wrong) {
    let db = redb::Database::open(home.path()).expect("it is closed");
    let txn = db.begin_write().expect("a transaction");
    wrong(&mut Tables::open(&txn).expect("tables"));
    txn.commit().expect("a commit");
}

#[tokio::test]
async fn whatever_is_wrong_with_a_log_is_found_bit_by_bit_as_it_is_at_once() {
    for (number, wrong) in WRONG.into_iter().enumerate() {
        let home = log().await;
        make_wrong(&home, wrong);
        let (whole, problems) = found(&home, usize::MAX);
        assert!(!problems.is_empty(), "{number}");
        for most_slots in [1, 2, 3, 5] {
            let (findings, found) = found(&home, most_slots);
            assert_eq!(found, problems, "{number}: {most_slots}");
            let of = |findings: &Findings| {
                (
                    findings.sessions,
                    findings.events,
                    findings.unreadable.clone(),
                )
            };
            assert_eq!(of(&findings), of(&whole), "{number}: {most_slots}");
        }
    }
}

#[tokio::test]
async fn a_deletion_of_nobody_is_found_over_all_windows() {
    let home = log().await;
    make_wrong(&home, |tables| {
        drop(tables.gone.insert("nobody", 3).expect("a row"));
    });
    for most_slots in [1, 3, usize::MAX] {
        let (findings, problems) = found(&home, most_slots);
        assert_eq!(findings.problems.len(), 1, "{most_slots}: {problems:?}");
    }
}

#[tokio::test]
async fn whatever_bit_turned_is_told_bit_by_bit_as_it_is_at_once() {
    let home = log().await;
    let whole = fs::read(home.path()).expect("it is closed");
    let pages = ["segments", "slots"].map(|table| pages(&home.path(), table));
    let mut told = 0;
    for page in pages.into_iter().flatten() {
        let step = page.place.len() / 250 + 1;
        for (number, at) in page.place.step_by(step).enumerate() {
            let mut file = whole.clone();
            file[at] ^= 1 << (number % 8);
            fs::write(home.path(), file).expect("it is written");
            let at_once = inspected(&home, usize::MAX);
            told += usize::from(!at_once.findings.unreadable.is_empty());
            for most_slots in [1, 2, 3] {
                let found = inspected(&home, most_slots);
                let all = |it: &Inspected| {
                    let Findings {
                        sessions,
                        unreadable,
                        ..
                    } = &it.findings;
                    (
                        problems_of(&it.findings),
                        *sessions,
                        unreadable.clone(),
                        it.met.clone(),
                    )
                };
                assert_eq!(all(&found), all(&at_once), "{at}: {most_slots}");
            }
        }
    }
    assert!(told > 50, "{told}");
}

#[tokio::test]
async fn a_slot_that_turned_to_a_high_one_puts_no_others_in_its_window() {
    let home = Home::new();
    let store = home.open();
    for number in 0..150 {
        let name = format!("{number:060}");
        append(&store, &name, vec![registered(&name)])
            .await
            .expect("a new session");
    }
    store.fold();
    store.close().await;
    let leaves = pages(&home.path(), "slots");
    let leaf = leaves.iter().find(|page| page.keys.len() > 10);
    let leaf = leaf.expect("it has leaves");
    assert!(leaves.len() > 2, "there are slots behind it");
    let mut file = fs::read(home.path()).expect("it is closed");
    let key = leaf.keys[5].0.to_le_bytes();
    let mut place = file[leaf.place.clone()].windows(8);
    let at = place.position(|it| it == key).expect("it is there");
    file[leaf.place.start + at + 1] ^= 1;
    fs::write(home.path(), file).expect("it is written");

    let at_once = inspected(&home, usize::MAX).findings;
    let by_tens = inspected(&home, 10).findings;
    assert_eq!(problems_of(&by_tens), problems_of(&at_once));
    assert_eq!(by_tens.sessions, at_once.sessions);
    assert_eq!(by_tens.unreadable, at_once.unreadable);
}
