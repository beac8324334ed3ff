use coven_core::Seq;

use super::super::{Origin, Piece};
use super::*;
use crate::tail::Run;

/// What a page of segments has: their keys, and whether each can be read.
type Rows<'a> = &'a [(Key, bool)];

fn bytes_of((slot, first): Key) -> Vec<u8> {
    [slot.to_le_bytes(), first.to_le_bytes()].concat()
}

/// In which stretches segments cannot be read of a page above one key and up to another.
fn unread(is_sound: bool, (above, up_to): (Key, Key), rows: Rows<'_>) -> Vec<Stretch> {
    let bounds = Bounds::of(Some(bytes_of(above)), Some(bytes_of(up_to)), 1);
    let mut unread = Unread::default();
    for &(key, is_read) in rows {
        let row = Row {
            key: bytes_of(key),
            value: Vec::new(),
            at: 0,
            is_sound,
            bounds: bounds.clone(),
        };
        unread.meet(&row, is_read);
    }
    unread.finish(&[])
}

const ABOVE: Key = (1, 4);
const UP_TO: Key = (3, 8);
const ALL_OF_IT: Stretch = (Some(ABOVE), Some(UP_TO));

#[test]
fn of_a_page_only_what_is_around_segments_that_cannot_be_read_is_unread() {
    let rows = [((1, 5), true), ((1, 9), false), ((2, 1), true)];
    let stretch = (Some((1, 5)), Some((2, 0)));
    for is_sound in [true, false] {
        assert_eq!(unread(is_sound, (ABOVE, UP_TO), &rows), [stretch]);
    }
}

#[test]
fn of_a_damaged_page_all_is_unread_where_nothing_of_it_says_what_became_of_it() {
    let rows = [((1, 5), true), ((2, 1), true), ((3, 8), true)];
    assert_eq!(unread(true, (ABOVE, UP_TO), &rows), []);
    assert_eq!(unread(false, (ABOVE, UP_TO), &rows), [ALL_OF_IT]);
}

#[test]
fn of_a_damaged_page_all_is_unread_where_it_has_keys_that_are_not_its_own_or_out_of_order() {
    for stray in [(1, 4), (3, 9)] {
        let mut rows = [((2, 1), false), ((2, 5), true), (stray, true)];
        rows.sort_unstable();
        let found = unread(false, (ABOVE, UP_TO), &rows);
        assert_eq!(found, [ALL_OF_IT], "{stray:?}");
    }
    let turned = [((2, 5), true), ((2, 1), false), ((2, 9), true)];
    assert_eq!(unread(false, (ABOVE, UP_TO), &turned), [ALL_OF_IT]);
}

/// A log whose one session had twelve events, of which two segments are left that were found beside the trees, and
/// nothing is known of the rest.
fn with_two_segments() -> Catalogue {
    let piece = |first, last| Piece {
        slot: 1,
        first,
        origin: Origin::Carved,
        last,
        at: 0,
        len: 0,
        has_all: true,
    };
    let run = Run {
        first: Seq::new(1),
        last: Seq::new(12),
        slot: 1,
        len_bytes: 12,
    };
    Catalogue {
        pieces: vec![piece(1, 2), piece(9, 12)],
        unread: vec![(None, None)],
        carved_order: vec![run],
        ..Catalogue::default()
    }
}

#[test]
fn between_segments_that_were_neighbours_in_a_page_nothing_is_lacking() {
    let mut apart = with_two_segments();
    // Neither is the neighbour of the other.
    apart.join([(1, 1), (2, 9)].into_iter());
    assert_eq!(apart.lacking([1].into_iter()), BTreeSet::from([1]));
    let mut joined = with_two_segments();
    joined.join([(1, 1), (1, 9), (2, 3)].into_iter());
    assert_eq!(joined.lacking([1].into_iter()), BTreeSet::new());
}
