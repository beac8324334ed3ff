//! A page of the cold file that leads elsewhere than it did, or says that it has fewer rows: no fold takes away
//! what others have.

#[path = "support/damage.rs"]
mod damage;
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use coven_core::{Envelope, Seq};
use coven_store::Store;
use damage::*;
use support::*;

/// Three hundred sessions, all in the cold file, closed.
async fn many() -> Log {
    let log = Log::empty();
    let store = log.open();
    for number in 0..300 {
        let said = output(0, noise(number, 400));
        append(
            &store,
            &format!("many-{number}"),
            vec![created(), started(), said],
        )
        .await
        .expect("a new session");
    }
    let _ = store.verify();
    store.close().await;
    log
}

fn readable_of_many(store: &Store) -> BTreeMap<String, Vec<Envelope>> {
    let read = |number: u64| {
        let name = format!("many-{number}");
        let events = store.read(&id(&name), Seq::ZERO, ALL).ok()?;
        (events.len() >= 3).then_some((name, events))
    };
    (0..300).filter_map(read).collect()
}

/// Where each child of each branch of a file is told: `at` which byte, of which table. Branches that are not
/// in use have none.
fn branches(log: &Log) -> Vec<(u64, BTreeSet<&'static str>)> {
    let bytes = fs::read(log.path()).expect("a file");
    let pages = (PAGE_BYTES as usize..bytes.len()).step_by(PAGE_BYTES as usize);
    let keys = |at: usize| usize::from(u16::from_le_bytes([bytes[at + 2], bytes[at + 3]]));
    let branches = pages.filter(|&at| bytes[at] == 2 && (1..=100).contains(&keys(at)));
    let children = branches.flat_map(|at| {
        let first = at + 8 + 16 * (keys(at) + 1);
        [0, keys(at) / 2, keys(at)].map(|child| (first + 8 * child) as u64)
    });
    let hit = |at: u64| {
        let copy = log.copy();
        flip(&copy.path(), at * 8);
        (at, tables_hit(&copy))
    };
    children
        .map(hit)
        .filter(|(_, hit)| !hit.is_empty())
        .collect()
}

/// Appends to some of many and has that folded, three times.
async fn go_on(store: &Store) {
    for round in 0..3_u64 {
        for number in (0..300).step_by(29) {
            let said = output(400, noise(number, 50));
            let name = format!("many-{}", number + round);
            let _ = store.append(batch(&name, None, vec![said])).await;
        }
        let _ = store.verify();
    }
}

#[tokio::test]
async fn a_bit_that_turns_in_what_leads_to_other_pages_takes_no_session_away_that_could_be_read() {
    let log = many().await;
    let mut tried = BTreeSet::new();
    for (at, tables) in branches(&log) {
        // Of redb's own pages two bits of a number are as good as any.
        for bit in [1, 3] {
            let copy = log.copy();
            flip(&copy.path(), at * 8 + bit);
            let what = format!("bit {bit} at byte {at}, of {tables:?}");
            let store = copy.open();
            let before = readable_of_many(&store);
            go_on(&store).await;
            assert_goes_on(&readable_of_many(&store), &before, &what);
            store.close().await;
            match Store::open(&copy.path(), OPTIONS) {
                Ok(store) => assert_goes_on(&readable_of_many(&store), &before, &what),
                // Of whom what is in the journal is: that is not known of slots that cannot be found.
                Err(_) => assert!(tables.contains("slots"), "{what}"),
            }
            tried.extend(tables.iter().copied());
        }
    }
    let met = [
        "by_created",
        "ids",
        "output",
        "records",
        "segments",
        "slots",
    ];
    assert!(met.iter().all(|table| tried.contains(table)), "{tried:?}");
}

#[tokio::test]
async fn no_fold_writes_a_leaf_anew_that_says_it_has_fewer_events_than_it_has() {
    let log = many().await;
    let bytes = fs::read(log.path()).expect("a file");
    let before = readable_of_many(&log.copy().open());
    let mut tried = 0;
    for at in (PAGE_BYTES..len(&log.path())).step_by(2 * PAGE_BYTES as usize) {
        let page = &bytes[at as usize..];
        if page[0] != 1 || page[3] != 0 || page[2] < 2 {
            continue;
        }
        let copy = log.copy();
        put(&copy.path(), at + 2, &[page[2] - 1]);
        if !tables_hit(&copy).contains("segments") {
            continue;
        }
        let Ok(store) = Store::open(&copy.path(), OPTIONS) else {
            continue;
        };
        go_on(&store).await;
        store.close().await;
        // If it is as it was, it can be mended by who knows how.
        put(&copy.path(), at + 2, &[page[2]]);
        let what = format!("the leaf at byte {at}");
        assert_goes_on(&readable_of_many(&copy.open()), &before, &what);
        tried += 1;
    }
    assert!(tried > 5, "{tried}");
}

/// Whoever was read before is read, and has what he had.
fn assert_goes_on(
    now: &BTreeMap<String, Vec<Envelope>>,
    before: &BTreeMap<String, Vec<Envelope>>,
    what: &str,
) {
    for (name, events) in before {
        let is_there = now.get(name).is_some_and(|now| now.starts_with(events));
        assert!(is_there, "{name}: {what}");
    }
}

#[tokio::test]
async fn a_page_that_leads_beyond_the_end_of_a_log_open_for_reading_hides_no_more_than_what_is_there()
 {
    let log = many().await;
    let mut tried = BTreeSet::new();
    for (at, tables) in branches(&log) {
        let copy = log.copy();
        spoil(&copy.path(), at * 8 + 19);
        let what = format!("byte {at}, of {tables:?}");
        let Ok(to_read) = Store::open_to_read(&copy.path(), OPTIONS) else {
            assert!(Store::open(&copy.path(), OPTIONS).is_err(), "{what}");
            continue;
        };
        let met = readable_of_many(&to_read);
        let again = readable_of_many(&to_read);
        drop(to_read);
        assert_goes_on(&again, &met, &what);
        // What can be made anew is not, where nothing is written.
        if tables.contains("segments") {
            assert_goes_on(&again, &readable_of_many(&copy.open()), &what);
        }
        tried.extend(tables.iter().copied());
    }
    assert!(
        ["ids", "segments"]
            .iter()
            .all(|table| tried.contains(table)),
        "{tried:?}"
    );
}

/// Of each leaf of events each bit that says how many rows it has; others write meanwhile.
#[tokio::test]
async fn whichever_bit_of_a_leafs_number_of_rows_turns_no_fold_writes_it_anew() {
    let mut wrong = Vec::new();
    for sessions in [2_u64, 3, 5] {
        let log = Log::empty();
        let store = log.open();
        for number in 0..sessions {
            let said = output(0, noise(number, 300));
            let events = vec![created(), started(), said];
            append(&store, &format!("many-{number}"), events)
                .await
                .expect("a new session");
        }
        let _ = store.verify();
        store.close().await;
        let bytes = fs::read(log.path()).expect("a file");
        let before = readable_of_many(&log.copy().open());
        for at in (PAGE_BYTES..len(&log.path())).step_by(PAGE_BYTES as usize) {
            let page = &bytes[at as usize..];
            if page[0] != 1 || u64::from(page[2]) != sessions || page[3] != 0 {
                continue;
            }
            for bit in 0..8 {
                let copy = log.copy();
                flip(&copy.path(), (at + 2) * 8 + bit);
                let hit = tables_hit(&copy);
                let Some(table) = ["segments", "slots"].iter().find(|it| hit.contains(*it)) else {
                    continue;
                };
                let Ok(store) = Store::open(&copy.path(), OPTIONS) else {
                    continue;
                };
                let said = output(0, noise(77, 300));
                let _ = append(&store, "fresh", vec![created(), started(), said]).await;
                let _ = store.verify();
                store.close().await;
                // If it is as it was, it can be mended by who knows how.
                put(&copy.path(), at + 2, &[page[2]]);
                let store = copy.open();
                let now = readable_of_many(&store);
                let lost = before
                    .keys()
                    .filter(|name| !now.contains_key(*name))
                    .count();
                if lost > 0 {
                    wrong.push(format!(
                        "{sessions} rows of {table}, bit {bit}: {lost} sessions lost"
                    ));
                }
                store.close().await;
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// A leaf of the order that became a branch, as a write that was lost leaves of what the page was before.
#[tokio::test]
async fn a_leaf_that_leads_to_pages_of_others_takes_nobodys_events_away() {
    let log = many().await;
    let store = log.open();
    for round in 0..8_u64 {
        for number in 0..300 {
            let said = output(400 + 5 * round, noise(number, 5));
            append(&store, &format!("many-{number}"), vec![said])
                .await
                .expect("it goes on");
        }
        let _ = store.verify();
    }
    store.close().await;
    let bytes = fs::read(log.path()).expect("a file");
    let (mut segments, mut order) = (Vec::new(), Vec::new());
    for at in (PAGE_BYTES as usize..bytes.len()).step_by(PAGE_BYTES as usize) {
        let page = &bytes[at..];
        if page[0] != 1 || page[1] != 0 || page[3] != 0 || page[2] < 2 {
            continue;
        }
        let copy = log.copy();
        flip(&copy.path(), (at as u64 + 2) * 8);
        let hit = tables_hit(&copy);
        let key = 4 + 4 * usize::from(page[2]);
        let first = u64::from_le_bytes(page[key..key + 8].try_into().expect("8 bytes"));
        if hit.contains("order") {
            order.push((first, at));
        } else if hit.contains("segments") && segments.len() < 3 {
            segments.push(at);
        }
    }
    order.sort_unstable();
    assert!(order.len() > 1, "{order:?}");
    let (_, last) = order.pop().expect("there is one");
    let mut wrong = Vec::new();
    for target in segments {
        let index = (target / PAGE_BYTES as usize - 1) as u64;
        let mut branch = vec![2, 0, 1, 0, 0, 0, 0, 0];
        branch.extend([0; 32]);
        branch.extend(index.to_le_bytes());
        branch.extend(index.to_le_bytes());
        branch.extend(0_u64.to_le_bytes());
        let copy = log.copy();
        let store = copy.open();
        let before = readable_of_many(&store);
        store.close().await;
        put(&copy.path(), last as u64, &branch);
        let store = copy.open();
        for round in 0..20 {
            for number in (0..300).step_by(29) {
                let name = format!("many-{}", number + round % 9);
                let _ = append(&store, &name, vec![resized()]).await;
            }
            let _ = store.verify();
        }
        let now = readable_of_many(&store);
        store.close().await;
        let lost = before
            .iter()
            .filter(|(name, events)| !now.get(*name).is_some_and(|now| now.starts_with(events)))
            .count();
        if lost > 0 {
            wrong.push(format!("page {target}: {lost} sessions lost"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test]
async fn who_appends_to_a_session_whose_index_went_bad_is_taken_once_that_is_made_anew() {
    let log = many().await;
    let bytes = fs::read(log.path()).expect("a file");
    let options = coven_store::Options {
        cache_bytes: 0,
        ..OPTIONS
    };
    let (mut wrong, mut tried) = (Vec::new(), 0);
    for at in (PAGE_BYTES..len(&log.path())).step_by(PAGE_BYTES as usize) {
        let page = &bytes[at as usize..];
        if page[0] != 1 || page[1] != 0 || page[3] != 0 || page[2] < 2 {
            continue;
        }
        let copy = log.copy();
        put(&copy.path(), at + 2, &[page[2] - 1]);
        let hit = tables_hit(&copy);
        let made_anew = ["records", "ids", "by_created", "output", "live"];
        let Some(table) = made_anew.iter().find(|it| hit.contains(*it)) else {
            continue;
        };
        put(&copy.path(), at + 2, &[page[2]]);
        let store = Store::open(&copy.path(), options).expect("it is whole");
        put(&copy.path(), at + 2, &[page[2] - 1]);
        for number in (0..300).step_by(7) {
            let _ = append(&store, &format!("many-{number}"), vec![resized()]).await;
        }
        append(&store, "fresh", vec![created(), started()])
            .await
            .expect("a new session");
        let _ = store.verify();
        store.close().await;
        let store = copy.open();
        let mut lost = 0;
        for number in 0..300 {
            let name = format!("many-{number}");
            let is_known = store.record(&id(&name)).is_ok_and(|it| it.is_some());
            let goes_on = append(&store, &name, vec![resized()]).await.is_ok();
            lost += u64::from(!is_known || !goes_on);
        }
        let page = coven_store::Page {
            before: None,
            limit: 1000,
            archived: coven_store::Archived::Included,
        };
        let listed = store.list(&page).map(|it| it.records.len()).unwrap_or(0);
        if lost > 0 || listed < 301 {
            wrong.push(format!("a leaf of {table}: {lost} sessions take nothing any more, {listed} of 301 listed; {:?}", store.health().stuck));
        }
        tried += 1;
        store.close().await;
    }
    assert!(tried > 0);
    assert!(wrong.is_empty(), "{tried} tried, {wrong:#?}");
}
