use coven_core::Seq;

use super::*;
use crate::cold::pack::Packer;
use crate::cold::segment::{SegmentRow, encode};
use crate::test_support::noise;

/// Bytes of each segment's one event.
const LEN: usize = 100_000;

/// A segment of one event, whatever that is.
pub(in crate::read::cache) fn segment(slot: u64, first: u64) -> Unpacked {
    let data = noise(first, LEN);
    let row = SegmentRow {
        seq: Seq::new(first),
        bytes: &data,
        output: Some(first * LEN as u64),
    };
    let bytes = encode(&mut Packer::new(), slot, &[row]);
    Unpacked::read(slot, first, &bytes).expect("it is whole")
}

/// Puts a session's segments on a shelf as they are met, and what comes behind the last.
fn scan(shelf: &mut Shelf, slot: u64, segments: u64, now: Instant) {
    let mut before = Before::Nothing;
    for first in 1..=segments {
        shelf.put(slot, before, &segment(slot, first), now);
        assert!(shelf.len_bytes() <= shelf.most_bytes);
        before = Before::Segment(first);
    }
    shelf.put_end(slot, segments);
}

/// Which segments of a session are there.
fn held(shelf: &Shelf, slot: u64) -> Vec<u64> {
    let of = shelf.slots.get(&slot);
    of.map_or_else(Vec::new, |of| of.segments.keys().copied().collect())
}

fn shelf_of(segments: usize) -> Shelf {
    Shelf::new(segments * (LEN + 1000) + SLOT_BYTES)
}

#[test]
fn of_a_session_that_is_larger_than_the_shelf_the_beginning_stays() {
    let mut shelf = shelf_of(4);
    let now = Instant::now();
    for _ in 0..2 {
        scan(&mut shelf, 1, 10, now);
        assert_eq!(held(&shelf, 1), [1, 2, 3, 4]);
    }
}

#[test]
fn what_nobody_used_for_a_while_makes_room_for_more_of_its_own_session() {
    let mut shelf = shelf_of(4);
    let now = Instant::now();
    scan(&mut shelf, 1, 4, now);
    let later = now + CACHE_PATIENCE;
    shelf.put(1, Before::Segment(8), &segment(1, 9), later);
    assert_eq!(held(&shelf, 1), [2, 3, 4, 9]);
}

#[test]
fn what_was_not_used_for_longest_goes_first() {
    let mut shelf = shelf_of(4);
    let now = Instant::now();
    scan(&mut shelf, 1, 2, now);
    scan(&mut shelf, 2, 1, now);
    assert!(shelf.segment(1, 1, now).is_some());
    scan(&mut shelf, 3, 2, now);
    assert_eq!((held(&shelf, 1), held(&shelf, 2)), (vec![1], vec![1]));
    scan(&mut shelf, 4, 1, now);
    assert_eq!((held(&shelf, 1), held(&shelf, 2)), (vec![1], vec![]));
    assert_eq!(shelf.slots.len(), 3);
}

#[test]
fn where_something_is_missing_the_cold_file_is_asked_and_nothing_is_passed_over() {
    let mut shelf = shelf_of(8);
    let now = Instant::now();
    let place = |first| Place::From(Seq::new(first));
    shelf.put(1, Before::Unknown, &segment(1, 5), now);
    // What there is before it nobody knows, nor behind it.
    assert!(matches!(shelf.at(1, place(1), now), Found::Unknown));
    assert!(matches!(shelf.at(1, place(6), now), Found::Unknown));
    assert!(matches!(shelf.at(1, Place::Behind(5), now), Found::Unknown));
    // One comes behind it that is not here.
    shelf.link(1, Before::Segment(5), 7);
    shelf.put(1, Before::Segment(7), &segment(1, 9), now);
    assert!(matches!(shelf.at(1, Place::Behind(5), now), Found::Unknown));
    assert!(matches!(shelf.at(1, place(6), now), Found::Unknown));
    assert!(matches!(shelf.at(1, place(8), now), Found::Unknown));
    assert!(matches!(shelf.at(2, place(1), now), Found::Unknown));
    // Once it is, all is known from there on.
    shelf.put(1, Before::Nothing, &segment(1, 5), now);
    shelf.put(1, Before::Segment(5), &segment(1, 7), now);
    shelf.link(1, Before::Segment(7), 9);
    shelf.put_end(1, 9);
    for (from, first) in [(1, 5), (5, 5), (6, 7), (7, 7), (8, 9), (9, 9)] {
        let found = shelf.at(1, place(from), now);
        assert!(matches!(found, Found::Segment(it) if it.first() == first));
    }
    assert!(matches!(shelf.at(1, place(10), now), Found::End));
    assert!(matches!(shelf.at(1, Place::Behind(9), now), Found::End));
}

#[test]
fn what_is_taken_out_leaves_nothing_behind() {
    let mut shelf = shelf_of(8);
    let now = Instant::now();
    let id = SessionId::parse("a").expect("an id");
    let facts = Facts {
        trimmed_bytes: 0,
        known: None,
    };
    scan(&mut shelf, 1, 3, now);
    scan(&mut shelf, 2, 3, now);
    shelf.put_facts(1, &id, facts);
    assert_eq!(shelf.slot_of(&id), Some(1));
    assert_eq!(shelf.near_output(1, 3 * LEN as u64 - 1), Some(2));
    assert_eq!(shelf.remove(&[1, 7]).len(), 3);
    assert_eq!((shelf.slot_of(&id), shelf.facts(1)), (None, None));
    assert_eq!(shelf.near_output(1, u64::MAX), None);
    assert_eq!(shelf.remove(&[2]).len(), 3);
    assert_eq!((shelf.len_bytes(), shelf.order.len()), (0, 0));
}

#[test]
fn what_is_larger_than_the_shelf_is_not_put_there_and_nothing_goes_for_it() {
    let mut shelf = shelf_of(2);
    let now = Instant::now();
    scan(&mut shelf, 1, 1, now);
    shelf.most_bytes = shelf.len_bytes() - 1;
    let gone = shelf.put(2, Before::Nothing, &segment(2, 1), now);
    assert!(gone.is_empty());
    assert_eq!((held(&shelf, 1), held(&shelf, 2)), (vec![1], vec![]));
}
