//! Who reads all sessions of a log in which their order is damaged, or whose the slots are, is given all else, and
//! told what he is not given.

mod astray;
mod beyond;
mod meanwhile;

use std::collections::BTreeSet;
use std::fs;

use coven_core::{Envelope, Event, Seq, Title};
use redb::{Database, ReadableDatabase};

use crate::cold::order::{Goes, runs_after};
use crate::layout::{ORDER, SEGMENTS};
use crate::raw::{Placed, overwrite_first_page, pages};
use crate::tail::Run;
use crate::test_support::{ALL, Home, append, exited, output, output_closed, running, trim};
use crate::{AllPage, Options, ReadError, ReadLimit, Store};

/// Sessions that took turns, of which some were deleted and some trimmed, and some of it not folded; as `kill -9`
/// leaves it.
struct Story {
    home: Home,
    /// The cold file as it was.
    earlier: Vec<Home>,
    truth: Vec<Envelope>,
    /// The order of what is folded.
    order: Vec<Run>,
}

const FEW: u64 = 8;
const MANY: u64 = 130;

fn name(number: u64) -> String {
    format!("session-{number:0>50}")
}

fn copy(home: &Home) -> Home {
    let copy = Home::new();
    fs::copy(home.path(), copy.path()).expect("a copy");
    fs::copy(home.journal(), copy.journal()).expect("a copy");
    copy
}

async fn add(store: &Store, number: u64, event: Event) {
    let appended = append(store, &name(number), vec![event]).await;
    appended.expect("it goes on");
}

fn titled(title: &str) -> Event {
    let title = Title::parse(title).expect("a title");
    Event::Titled { title }
}

async fn delete(store: &Store, number: u64) {
    for event in [output_closed(), exited(0), Event::Deleted] {
        add(store, number, event).await;
    }
    store.fold();
}

impl Story {
    async fn of(sessions: u64, rounds: u64) -> Self {
        let home = Home::new();
        let mut earlier = Vec::new();
        let store = home.open();
        for number in 0..sessions {
            running(&store, &name(number)).await;
            add(&store, number, output(0, "it was said")).await;
        }
        store.fold();
        delete(&store, 1).await;
        earlier.push(copy(&home));
        for round in 0..rounds {
            for number in (0..sessions).filter(|number| *number != 1) {
                add(&store, number, titled(&format!("round {round}"))).await;
            }
            store.fold();
            earlier.push(copy(&home));
        }
        trim(&store, &name(0), 0, 11).await;
        store.close().await;
        let left = segments(&home);
        let store = home.open();
        for number in [2, sessions / 2, sessions - 2] {
            delete(&store, number).await;
        }
        assert!(store.verify().expect("a look").is_whole());
        store.close().await;
        put_back(&home, &left);

        let store = home.open();
        running(&store, "fresh").await;
        add(&store, 3, titled("in the tail")).await;
        let so_far = Self::so_far(home, store).await;
        Self { earlier, ..so_far }
    }

    /// The log as a crash would leave it now.
    async fn so_far(home: Home, store: Store) -> Self {
        let crashed = copy(&home);
        let truth = store.read_all(Seq::ZERO, ALL).expect("a read");
        let order = store.run(|txn| {
            let mut found = Vec::new();
            runs_after(
                &txn.open_table(ORDER)?,
                Seq::ZERO,
                Seq::new(u64::MAX),
                |run| {
                    found.push(run.expect("it is whole"));
                    Ok(Goes::On)
                },
            )?;
            Ok(found)
        });
        store.close().await;
        Self {
            home: crashed,
            earlier: Vec::new(),
            truth,
            order: order.expect("a read"),
        }
    }

    fn folded(&self) -> u64 {
        self.order.last().expect("it has some").last.get()
    }

    /// The leaves of a table as it is, each with the places that are lost where nothing of it can be read.
    fn leaves(&self, table: &'static str) -> Vec<(Placed, BTreeSet<u64>)> {
        let leaves: Vec<Placed> = leaves(&self.home, table);
        let begins = |leaf: &Placed| leaf.keys[0].0;
        let concerned = |number: usize| -> BTreeSet<u64> {
            let leaf = &leaves[number];
            if table == "order" {
                let next = leaves.get(number + 1).map_or(self.folded() + 1, begins);
                return (begins(leaf)..next).collect();
            }
            let is_in = |run: &&Run| leaf.keys.contains(&(run.slot, 0));
            let runs = self.order.iter().filter(is_in);
            runs.flat_map(|run| run.first.get()..=run.last.get())
                .collect()
        };
        let lost: Vec<BTreeSet<u64>> = (0..leaves.len()).map(concerned).collect();
        leaves.into_iter().zip(lost).collect()
    }

    /// All that is given, page by page, and the places that are told to be lost, of the log with other bytes
    /// somewhere.
    fn read(&self, at: usize, bytes: &[u8]) -> Vec<(Vec<Envelope>, BTreeSet<u64>)> {
        let copy = copy(&self.home);
        let mut file = fs::read(copy.path()).expect("a file");
        file[at..at + bytes.len()].copy_from_slice(bytes);
        fs::write(copy.path(), file).expect("a write");
        let store = Store::open_to_read(&copy.path(), Options::default()).expect("it opens");
        let of = |events: usize| {
            let limit = ReadLimit { events, ..ALL };
            let bounded = |page: Result<AllPage, ReadError>| {
                let page = page.expect("a page");
                assert!(page.lost.len() <= 2 * events, "{} at once", page.lost.len());

                page
            };
            let pages = told(|after| bounded(store.page_of_all(after, limit)));
            let past = told(|after| bounded(store.page_of_all_as_past_damage(after, limit)));
            assert!(pages.0 == past.0, "{} and {}", pages.0.len(), past.0.len());
            pages
        };
        [3, 1000].map(of).into()
    }

    /// Asserts that all is given but what is told to be lost, of the log with other bytes somewhere; gives what is
    /// lost.
    fn assert_told(&self, what: &str, at: usize, bytes: &[u8]) -> Vec<BTreeSet<u64>> {
        let read = self.read(at, bytes).into_iter();
        read.map(|(given, lost)| {
            let left = self.truth.iter();
            let left: Vec<&Envelope> = left.filter(|it| !lost.contains(&it.seq.get())).collect();
            let seqs = |events: &[&Envelope]| -> Vec<u64> {
                events.iter().map(|it| it.seq.get()).collect()
            };
            let given: Vec<&Envelope> = given.iter().collect();
            assert_eq!(seqs(&given), seqs(&left), "{what}, lost: {lost:?}");
            assert!(given == left, "{what}");
            lost
        })
        .collect()
    }
}

fn leaves(home: &Home, table: &str) -> Vec<Placed> {
    let pages = pages(&home.path(), table).into_iter();
    pages.filter(|page| !page.keys.is_empty()).collect()
}

fn told(read: impl Fn(Seq) -> AllPage) -> (Vec<Envelope>, BTreeSet<u64>) {
    let (mut after, mut given, mut lost) = (Seq::ZERO, Vec::new(), BTreeSet::new());
    loop {
        let page = read(after);
        if page.end <= after {
            assert_eq!((page.end, page.events.len()), (after, 0), "it goes back");
            return (given, lost);
        }
        after = page.end;
        given.extend(page.events);
        for it in page.lost {
            for seq in it.first.get()..=it.last.get() {
                assert!(lost.insert(seq), "{seq} is told twice: {it:?}");
            }
        }
    }
}

type Segments = Vec<((u64, u64), Vec<u8>)>;

fn segments(home: &Home) -> Segments {
    let file = Database::open(home.path()).expect("a file");
    let txn = file.begin_read().expect("a transaction");
    let table = txn.open_table(SEGMENTS).expect("a table");
    let rows = redb::ReadableTable::iter(&table).expect("rows");
    rows.map(|row| row.expect("a row"))
        .map(|(key, bytes)| (key.value(), bytes.value().to_vec()))
        .collect()
}

/// Puts segments back that were erased.
fn put_back(home: &Home, segments: &Segments) {
    let file = Database::open(home.path()).expect("a file");
    let txn = file.begin_write().expect("a transaction");
    let mut table = txn.open_table(SEGMENTS).expect("a table");
    for (key, bytes) in segments {
        let is_there = redb::ReadableTable::get(&table, key)
            .expect("a read")
            .is_some();
        if !is_there {
            table.insert(key, bytes.as_slice()).expect("a row");
        }
    }
    drop(table);
    txn.commit().expect("a commit");
}

/// Damages every leaf of a table of the log.
fn damage_all(story: &Story, table: &'static str) {
    let file = fs::read(story.home.path()).expect("a file");
    for (leaf, concerned) in story.leaves(table) {
        let (at, len) = (leaf.place.start, leaf.place.len());
        let page = &file[leaf.place.clone()];
        let what = |how: &str| format!("{how} at {at} of {table}");
        for lost in story.assert_told(&what("zeros"), at, &vec![0; len]) {
            assert_eq!(lost, concerned, "{}", what("zeros"));
        }
        let used = page.iter().rposition(|byte| *byte != 0).expect("rows");
        let mut costs_a_part = false;
        let bytes = [0, 2, 5].into_iter().chain((9..used).step_by(used / 7));
        for byte in bytes.chain([used - 1]) {
            let mut page = page.to_vec();
            page[byte] ^= 4;
            page[byte + 1] ^= 1;
            let how = what(&format!("two bits in byte {byte}"));
            for lost in story.assert_told(&how, at, &page) {
                assert!(lost.is_subset(&concerned), "{how}: {lost:?}");
                costs_a_part |= !lost.is_empty() && lost.len() < concerned.len();
            }
        }
        assert!(costs_a_part, "{}", what("all or nothing"));
        let mut tried = 0;
        for (number, earlier) in story.earlier.iter().enumerate() {
            let bytes = fs::read(earlier.path()).expect("a file");
            let was = leaves(earlier, table).into_iter();
            let was = was.filter(|was| was.place.len() == len && was.keys[0] == leaf.keys[0]);
            for was in was {
                let older = &bytes[was.place];
                tried += u64::from(older != page);
                let how = what(&format!("what it was in copy {number}"));
                for lost in story.assert_told(&how, at, older) {
                    assert!(lost.is_subset(&concerned), "{how}: {lost:?}");
                }
            }
        }
        assert!(tried > 0, "{}", what("nothing older"));
    }
}

#[tokio::test]
async fn all_else_is_given_of_a_log_of_few_sessions_whose_order_or_slots_are_damaged() {
    let story = Story::of(FEW, 3).await;
    for table in ["order", "slots"] {
        assert_eq!(story.leaves(table).len(), 1, "{table}");
        damage_all(&story, table);
    }
}

#[tokio::test]
async fn all_else_is_given_of_a_log_of_many_sessions_whichever_page_of_their_order_is_damaged() {
    let story = Story::of(MANY, 9).await;
    assert!(story.leaves("order").len() > 1);
    damage_all(&story, "order");
}

#[tokio::test]
async fn all_else_is_given_of_a_log_of_many_sessions_whichever_page_of_their_slots_is_damaged() {
    let story = Story::of(MANY, 1).await;
    assert!(story.leaves("slots").len() > 1);
    damage_all(&story, "slots");
}

#[tokio::test]
async fn who_is_told_what_is_lost_is_told_what_is_damaged() {
    let story = Story::of(FEW, 1).await;
    for (table, said) in [
        ("order", "a page of the order of events is damaged"),
        ("slots", "whose slot "),
    ] {
        let copy = copy(&story.home);
        overwrite_first_page(&copy.path(), table);
        let store = Store::open_to_read(&copy.path(), Options::default()).expect("it opens");
        let page = store.page_of_all(Seq::ZERO, ALL).expect("a page");
        assert!(!page.lost.is_empty());
        for it in page.lost {
            assert!(it.damage.problem.starts_with(said), "{}", it.damage);
        }
    }
}
