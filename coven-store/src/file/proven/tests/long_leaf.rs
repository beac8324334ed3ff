//! Of a leaf that one segment alone is as long as, the segment itself tells that it is damaged: such a one is handed on,
//! and no other that is not what it is to be.

use coven_core::Seq;

use super::*;
use crate::cold::pack::Packer;
use crate::cold::segment::{self, SegmentRow};
use crate::raw::key;
use crate::test_support::noise;

/// How long a leaf of one [`LONG`] segment is.
const LEAF: usize = 64 * PAGE;

const LONG: usize = 200_000;
const SHORT: usize = 300;

/// The segment of a slot, with so many bytes of one event in it; another one for each seed.
fn segment(slot: u64, seed: u64, len_bytes: usize) -> Vec<u8> {
    let bytes = noise(seed, len_bytes);
    let row = SegmentRow {
        seq: Seq::new(1),
        bytes: &bytes,
        output: None,
    };
    segment::encode(&mut Packer::new(), slot, &[row])
}

/// The same with a bit in it that turned.
fn damaged_segment(slot: u64) -> Vec<u8> {
    let mut segment = segment(slot, slot, LONG);
    segment[LONG / 2] ^= 1;
    segment
}

/// A leaf of one segment.
fn leaf(slot: u64, segment: &[u8]) -> Vec<u8> {
    let start = 4 + 4 + 16;
    let end = u32::try_from(start + segment.len()).expect("a page is short");
    let mut page = vec![1, 0, 1, 0];
    page.extend(end.to_le_bytes());
    page.extend(slot.to_le_bytes());
    page.extend(1_u64.to_le_bytes());
    page.extend(segment);
    page.resize(LEAF, 0);
    page
}

/// A database of a segment for each of some slots, put in one by one, as it is after an opening; those without a length
/// are taken out again.
fn database_of(segments: &[(u64, Option<usize>)]) -> (Proven, Database) {
    let proven = proven(InMemoryBackend::new());
    let db = Database::builder()
        .set_cache_size(0)
        .create_with_backend(proven.clone())
        .expect("memory");
    let put = |slot, len_bytes| {
        let txn = db.begin_write().expect("memory");
        let mut table = txn.open_table(SEGMENTS).expect("a table");
        let _ = match len_bytes {
            Some(len_bytes) => table.insert((slot, 1), &*segment(slot, slot, len_bytes)),
            None => table.remove((slot, 1)),
        }
        .expect("memory");
        drop(table);
        txn.commit().expect("memory");
    };
    for (slot, len_bytes) in segments {
        put(*slot, Some(len_bytes.unwrap_or(SHORT)));
    }
    for (slot, _) in segments.iter().filter(|(_, len)| len.is_none()) {
        put(*slot, None);
    }
    know_roots_alone(&proven);
    (proven, db)
}

/// The long leaf whose last row is of that slot: where it is, and what it has.
fn long_leaf_of(proven: &Proven, slot: u64) -> (u64, Vec<u8>) {
    let file = proven.last().expect("memory");
    let (teller, mut told) = Teller::of(&file);
    while let Some(page) = told.pop() {
        let bytes = file.file.read(page.at, page.len_bytes).expect("memory");
        told.extend(teller.below(&bytes, page.widths));
        let last = crate::raw::leaf_rows(&bytes, page.widths).pop();
        let is_it = last.is_some_and(|(place, _)| key(&bytes[place]) == (slot, 1));
        if is_it && page.len_bytes == LEAF {
            return (page.at, bytes);
        }
    }
    panic!("there is no long leaf of slot {slot}")
}

/// Whether a page is handed on from the place of another.
fn is_handed_on(proven: &Proven, at: u64, page: &[u8]) -> bool {
    proven.0.bare.file.write(at, page).expect("memory");
    know_roots_alone(proven);
    let mut read = vec![0; page.len()];
    let is_read = proven.read(at, &mut read).is_ok();
    assert!(!is_read || read == page);
    is_read
}

const THREE: [(u64, Option<usize>); 3] = [(1, Some(LONG)), (2, Some(LONG)), (3, Some(LONG))];

#[test]
fn a_long_leaf_whose_one_row_is_damaged_is_handed_on_alone_or_beside_others() {
    for segments in [&THREE[1..2], &THREE] {
        let (proven, db) = database_of(segments);
        let (at, page) = long_leaf_of(&proven, 2);
        assert!(page == leaf(2, &segment(2, 2, LONG)));
        assert!(is_handed_on(&proven, at, &page));
        assert!(is_handed_on(&proven, at, &leaf(2, &damaged_segment(2))));
        drop(db);
    }
}

#[test]
fn a_long_leaf_that_is_another_page_or_what_it_was_some_commits_before_is_not_handed_on() {
    let (proven, db) = database_of(&THREE);
    let (at, page) = long_leaf_of(&proven, 2);
    let with_byte = |at: usize, byte| {
        let mut page = leaf(2, &damaged_segment(2));
        page[at] = byte;
        page
    };
    let others = [
        ("noise", noise(7, LEAF)),
        ("nothing", vec![0; LEAF]),
        ("a branch", with_byte(0, 2)),
        ("a leaf of no rows", with_byte(2, 0)),
        ("what it was before", leaf(2, &segment(2, 7, LONG))),
        (
            "what it was before, shorter",
            leaf(2, &segment(2, 7, SHORT)),
        ),
        ("another leaf", leaf(3, &segment(3, 3, LONG))),
        ("another leaf that is damaged", leaf(3, &damaged_segment(3))),
        ("the leaf before it, damaged", leaf(1, &damaged_segment(1))),
    ];
    for (what, other) in others {
        assert!(!is_handed_on(&proven, at, &other), "{what}");
    }
    assert!(is_handed_on(&proven, at, &page));
    drop(db);
}

#[test]
fn a_long_leaf_of_more_rows_that_says_it_has_one_is_not_handed_on() {
    // Where it is the last one, whatever it has in the place of a key is in its place there.
    let segments = [
        (1, Some(LONG)),
        (2, Some(SHORT)),
        (4, None),
        (3, Some(LONG)),
    ];
    let (proven, db) = database_of(&segments);
    let (at, mut page) = long_leaf_of(&proven, 3);
    assert_eq!(page[..4], [1, 0, 2, 0], "it is to have two");
    page[2] = 1;
    assert!(!is_handed_on(&proven, at, &page));
    drop(db);
}

#[test]
fn a_long_leaf_of_more_rows_is_not_handed_on_with_one_that_is_damaged_and_has_its_place_there() {
    let segments = [
        (1, Some(LONG)),
        (2, Some(SHORT)),
        (4, None),
        (3, Some(LONG)),
        (5, Some(LONG)),
    ];
    let (proven, db) = database_of(&segments);
    let (at, page) = long_leaf_of(&proven, 3);
    assert_eq!(page[..4], [1, 0, 2, 0], "it is to have two");
    for slot in [2, 3] {
        let other = leaf(slot, &damaged_segment(slot));
        assert!(!is_handed_on(&proven, at, &other), "slot {slot}");
    }
    assert!(is_handed_on(&proven, at, &page));
    // Those beside it are as long as one row each.
    for slot in [1, 5] {
        let (at, _) = long_leaf_of(&proven, slot);
        let damaged = leaf(slot, &damaged_segment(slot));
        assert!(is_handed_on(&proven, at, &damaged), "slot {slot}");
    }
    drop(db);
}

#[test]
fn a_long_leaf_that_is_all_of_a_table_of_more_rows_is_not_handed_on_with_one() {
    let segments = [(2, Some(SHORT)), (4, None), (3, Some(LONG))];
    let (proven, db) = database_of(&segments);
    let (at, page) = long_leaf_of(&proven, 3);
    assert_eq!(page[..4], [1, 0, 2, 0], "it is to have two");
    assert!(!is_handed_on(&proven, at, &leaf(3, &damaged_segment(3))));
    assert!(is_handed_on(&proven, at, &page));
    drop(db);
}

#[test]
fn what_was_found_out_of_a_long_leaf_is_forgotten_once_another_is_written_there() {
    let (proven, db) = database_of(&THREE);
    let (at, page) = long_leaf_of(&proven, 2);
    let is_known = || proven.seen().of_one_row.contains_key(&at);
    assert!(is_handed_on(&proven, at, &page) && !is_known());
    let damaged = leaf(2, &damaged_segment(2));
    assert!(is_handed_on(&proven, at, &damaged) && is_known());
    proven.write(at, &page).expect("memory");
    assert!(!is_known());
    drop(db);
}

#[test]
fn a_long_leaf_has_no_place_where_a_branch_is_or_a_shorter_leaf() {
    let (proven, db) = database_of(&THREE);
    let (at, page) = long_leaf_of(&proven, 2);
    let branch = branch_above(&proven, at);
    let file = proven.last().expect("memory");
    let has_place = |place| file.is_place_of_one(SEGMENTS.name(), &page[8..24], place);
    assert!(has_place((at, LEAF)));
    assert!(!has_place((branch, LEAF)) && !has_place((at, LEAF / 2)));
    drop(db);
}
