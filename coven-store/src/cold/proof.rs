//! Long leaves of the cold file that are not what they were, and of which it can be told all the same that no more is
//! wrong with them than that the one row in them is damaged.

use redb::{TableHandle, Value};

use super::segment::Segment;
use crate::layout::SEGMENTS;
use crate::raw::{Snapshot, Widths, is_empty_behind, key, rows_in_order};

/// Whether that is the leaf of segments that is to be at `at`, with one row that is damaged and tells so: its key has
/// its place there and nowhere else, and no other row is to be there. One whose row proves itself is another leaf, or what
/// this one was once. Asked of a page that one segment alone is as long as: in others there are more rows, and those that
/// prove themselves may be what they were some commits before. No branch of that table is longer than the shortest page,
/// so what is so long and is led to is a leaf.
pub(crate) fn is_one_damaged_row(file: &Snapshot, at: u64, page: &[u8]) -> bool {
    let widths = Widths {
        key: <(u64, u64)>::fixed_width(),
        value: None,
    };
    let rows = rows_in_order(page, widths).unwrap_or_default();
    let [row @ (place, value)] = &rows[..] else {
        return false;
    };
    let place = &page[place.clone()];
    let (slot, first) = key(place);
    is_empty_behind(page, row)
        && Segment::head(slot, first, &page[value.clone()]).is_err()
        && file.is_place_of_one(SEGMENTS.name(), place, (at, page.len()))
}
