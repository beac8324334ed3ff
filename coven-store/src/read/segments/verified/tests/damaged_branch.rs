//! What leads to the pages of one session's events is damaged: of its pages those are believed that are what it
//! says, and where it leads to none that is, something may be missing.

use std::collections::BTreeSet;
use std::fs;

use coven_core::{Envelope, Event, InputData, Seq};

use super::copy;
use crate::file::OsDisk;
use crate::inspect::{name_of, widths};
use crate::layout::SEGMENTS;
use crate::raw::{Order, PAGE, RawFile, Snapshot, overwrite_first_page};
use crate::test_support::{
    ALL, Home, append, events_of, id, noise, output, resized, running, trim,
};
use crate::{Options, ReadError, ReadLimit, Store, inspect};

const LONG: usize = 8;
const LONG_BYTES: usize = 140_000;

/// A running session with a page for each of its long inputs, one that has an event between any two of them, and
/// one behind; closed.
async fn long() -> Home {
    long_of(|number| Event::Input {
        id: None,
        data: InputData::Plain {
            data: noise(number, LONG_BYTES).into(),
        },
    })
    .await
}

/// The same with other events in its place.
async fn long_of(event: impl Fn(u64) -> Event) -> Home {
    let home = Home::new();
    let store = home.open();
    running(&store, "other").await;
    running(&store, "long").await;
    for number in 0..LONG as u64 {
        for (name, event) in [("long", event(number)), ("other", resized())] {
            append(&store, name, vec![event]).await.expect("it goes on");
        }
        store.fold();
    }
    running(&store, "behind").await;
    store.fold();
    store.close().await;
    home
}

fn put(home: &Home, at: usize, bytes: &[u8]) {
    let mut file = fs::read(home.path()).expect("a file");
    file[at..at + bytes.len()].copy_from_slice(bytes);
    fs::write(home.path(), file).expect("a file");
}

/// Turns a bit.
fn flip(home: &Home, at: usize, bit: u32) {
    let byte = fs::read(home.path()).expect("a file")[at];
    put(home, at, &[byte ^ (1 << bit)]);
}

/// The page that leads to all leaves of the segments.
struct Branch {
    at: usize,
    children: usize,
}

impl Branch {
    fn of(home: &Home) -> Self {
        let bytes = fs::read(home.path()).expect("a file");
        let is_hit = |at: usize| {
            let copy = copy(home);
            flip(&copy, at + 8, 0);
            let found = inspect(&copy.path(), &mut |_| {}).expect("it can be looked at");
            found.problems.iter().any(|it| it.table == Some("segments"))
        };
        let pages = (PAGE..bytes.len()).step_by(PAGE);
        let mut branches = pages
            .filter(|at| bytes[*at..].starts_with(&[2, 0]) && usize::from(bytes[at + 2]) >= LONG)
            .filter(|at| is_hit(*at));
        let at = branches.next().expect("it is somewhere");
        let children = usize::from(bytes[at + 2]) + 1;
        Self { at, children }
    }

    fn sum(&self, child: usize) -> usize {
        self.at + 8 + 16 * child
    }

    fn number(&self, child: usize) -> usize {
        self.sum(self.children) + 8 * child
    }

    fn key(&self, key: usize) -> usize {
        self.number(self.children) + 16 * key
    }

    /// Has two pages change places.
    fn swap(&self, home: &Home, children: [usize; 2]) {
        let bytes = fs::read(home.path()).expect("a file");
        for (len, [one, other]) in [
            (16, children.map(|child| self.sum(child))),
            (8, children.map(|child| self.number(child))),
        ] {
            put(home, one, &bytes[other..][..len]);
            put(home, other, &bytes[one..][..len]);
        }
    }
}

/// Some bits of a branch: in which byte, and which.
fn bits(branch: &Branch) -> Vec<(usize, u32)> {
    let of_children = (0..branch.children).flat_map(|child| {
        let number = branch.number(child);
        [(branch.sum(child), 0), (number, 0), (number, 1)]
    });
    let of_keys = (1..branch.children).flat_map(|child| {
        let key = branch.key(child - 1);
        [(key, 1), (key + 8, 1)]
    });
    let of_count = [(branch.at + 2, 0), (branch.at + 2, 1)];
    of_children.chain(of_keys).chain(of_count).collect()
}

/// The events of a session, page by page, as they are read past damage, and whether that ends without an error.
fn paged(store: &Store, session: &str, events: usize) -> (Vec<Envelope>, bool) {
    let limit = ReadLimit { events, ..ALL };
    let mut found: Vec<Envelope> = Vec::new();
    loop {
        let after = found.last().map_or(Seq::ZERO, |it| it.seq);
        match store.read_as_past_damage(&id(session), after, limit) {
            Ok(more) if more.is_empty() => return (found, true),
            Ok(more) => found.extend(more),
            Err(_) => return (found, false),
        }
    }
}

#[tokio::test]
async fn events_are_given_up_to_what_may_be_missing_and_then_that_is_told() {
    let home = long().await;
    let all = events_of(&copy(&home).open(), "long");
    let branch = Branch::of(&home);
    let (mut whole, mut cut) = (0, 0);
    for (at, bit) in bits(&branch) {
        let copy = copy(&home);
        flip(&copy, at, bit);
        let store = Store::open_to_read(&copy.path(), Options::default()).expect("it opens");
        for events in [1, 3] {
            let (found, has_ended) = paged(&store, "long", events);
            let place = at - branch.at;
            assert!(all.starts_with(&found), "byte {place}, bit {bit}");
            assert_eq!(
                has_ended,
                found.len() == all.len(),
                "byte {place}, bit {bit}"
            );
            whole += usize::from(has_ended);
            cut += usize::from(!has_ended && found.len() > 3);
        }
    }
    assert!(whole > LONG && cut > LONG, "{whole} {cut}");
}

#[tokio::test]
async fn what_is_behind_it_is_given_to_who_reads_on_from_there() {
    let home = long().await;
    let all = events_of(&copy(&home).open(), "long");
    let branch = Branch::of(&home);
    flip(&home, branch.number(branch.children / 2), 0);
    let store = Store::open_to_read(&home.path(), Options::default()).expect("it opens");
    let (before, _) = paged(&store, "long", 1);
    let (_, behind) = all.split_at(before.len() + 1);
    let after = Seq::new(behind[0].seq.get() - 1);
    let read = store.read_as_past_damage(&id("long"), after, ALL);
    assert_eq!(read.expect("a read"), behind);
}

#[tokio::test]
async fn whoever_has_nothing_in_a_page_that_is_missing_is_read_whole() {
    let home = long().await;
    let branch = Branch::of(&home);
    let of_other = |child| (child, ["long", "behind"]);
    let of_long = |child| (child, ["other", "behind"]);
    let pages = [of_other(0), of_long(2), of_long(branch.children - 2)];
    for (child, whole) in pages {
        let store = copy(&home).open();
        let all = whole.map(|session| events_of(&store, session));
        let copy = copy(&home);
        flip(&copy, branch.sum(child), 0);
        let store = Store::open_to_read(&copy.path(), Options::default()).expect("it opens");
        for (session, all) in whole.iter().zip(&all) {
            let (found, has_ended) = paged(&store, session, 1);
            assert!(has_ended && found == *all, "{session} without page {child}");
        }
    }
}

#[tokio::test]
async fn pages_that_changed_places_are_not_read_in_the_order_they_have() {
    let home = long().await;
    Branch::of(&home).swap(&home, [3, 4]);
    let store = Store::open_to_read(&home.path(), Options::default()).expect("it opens");
    let read = store.read_as_past_damage(&id("long"), Seq::ZERO, ALL);
    assert!(matches!(read, Err(ReadError::Damaged(_))), "{read:?}");
}

#[tokio::test]
async fn no_output_is_taken_for_trimmed_whose_page_changed_places_with_a_later_one() {
    let said = |number| output(number * LONG_BYTES as u64, noise(number, LONG_BYTES));
    let home = long_of(said).await;
    let all = (0..LONG as u64).flat_map(|number| noise(number, LONG_BYTES));
    let all: Vec<u8> = all.collect();
    overwrite_first_page(&home.path(), "records");
    let children = Branch::of(&home).children;
    for one in 0..children {
        for other in one + 1..children {
            let copy = copy(&home);
            Branch::of(&copy).swap(&copy, [one, other]);
            let store = Store::open_to_read(&copy.path(), Options::default()).expect("it opens");
            for offset in [0, 10, LONG_BYTES, 3 * LONG_BYTES + 5] {
                let Ok(read) = store.output(&id("long"), offset as u64, 2 * LONG_BYTES) else {
                    continue;
                };
                let begins = read.first().map(|chunk| chunk.offset);
                let read: Vec<u8> = read.iter().flat_map(|it| it.data.to_vec()).collect();
                let what = format!("{one} and {other}, from {offset}");
                assert_eq!(begins, Some(offset as u64), "{what}");
                assert!(all[offset..].starts_with(&read), "{what}");
            }
        }
    }
}

#[tokio::test]
async fn who_follows_all_is_told_of_all_that_is_not_given() {
    for is_trimmed in [false, true] {
        let home = long().await;
        if is_trimmed {
            let store = home.open();
            append(&store, "long", vec![output(0, "x")])
                .await
                .expect("it goes on");
            trim(&store, "long", 0, 1).await;
            store.fold();
            store.close().await;
        }
        let page = copy(&home).open().page_of_all(Seq::ZERO, ALL);
        let all: BTreeSet<Seq> = page
            .expect("a page")
            .events
            .iter()
            .map(|it| it.seq)
            .collect();
        let branch = Branch::of(&home);
        for (at, bit) in bits(&branch) {
            let copy = copy(&home);
            flip(&copy, at, bit);
            let store = Store::open_to_read(&copy.path(), Options::default()).expect("it opens");
            for events in [1, 3, 1000] {
                let limit = ReadLimit { events, ..ALL };
                let (mut after, mut told) = (Seq::ZERO, BTreeSet::new());
                let mut given = 0;
                loop {
                    let page = store
                        .page_of_all_as_past_damage(after, limit)
                        .expect("a page");
                    if page.end == after {
                        break;
                    }
                    after = page.end;
                    given += page.events.len();
                    told.extend(page.events.iter().map(|it| it.seq));
                    for lost in page.lost {
                        told.extend((lost.first.get()..=lost.last.get()).map(Seq::new));
                    }
                }
                let place = format!("trimmed {is_trimmed}, byte {}, bit {bit}", at - branch.at);
                let silent: Vec<_> = all.difference(&told).collect();
                assert!(silent.is_empty(), "{place}, {events} at once: {silent:?}");
                let is_of_all = at == branch.at + 2;
                assert!(is_of_all || given > LONG, "{place}: {given}");
            }
        }
    }
}

#[tokio::test]
async fn what_it_says_of_how_long_pages_are_has_no_more_of_the_file_read() {
    let home = long().await;
    let branch = Branch::of(&home);
    // As long as they can be, where the first page is.
    let number = (13_u64 << 59).to_le_bytes();
    put(&home, branch.number(0), &number.repeat(branch.children));
    let file = RawFile::open(&OsDisk, &home.path()).expect("a file");
    let snapshot = Snapshot::at_last(file);
    let before = snapshot.file.read_bytes();
    let all = ((0, 0), (u64::MAX, u64::MAX));
    let pages = snapshot.reach(name_of(&SEGMENTS), widths(&SEGMENTS), all, Order::Forward);
    assert_eq!(pages.count(), branch.children + 1, "and what it is itself");
    let read_bytes = snapshot.file.read_bytes() - before;
    assert!(read_bytes < 40 * PAGE as u64, "{read_bytes}");
}
