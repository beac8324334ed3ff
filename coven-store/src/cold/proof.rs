//! Leaves of the cold file that are not what they were, and of which it can be told all the same that no more is
//! wrong with them than that some of their rows are damaged.

use redb::{TableHandle, Value};

use super::order::runs_of_row;
use super::segment::Segment;
use crate::layout::{ORDER, RECORDS, SEGMENTS, SLOTS};
use crate::raw::{InPage, Key, Order, Snapshot, Widths, is_empty_behind, key, rows_in_order};
use crate::read::{record_of_row, slot_of_row};

/// Whether a value has a checksum of its own that is right and covers its key.
type Proves = fn(&Snapshot, Key, &[u8]) -> bool;

/// Whether that is the leaf that is to be at `at`, with rows that are damaged and tell so. Its keys have their
/// place there and nowhere else. Where all rows prove themselves it is not: that is another leaf, or what this one was
/// once, and lacks what came since.
pub(crate) fn has_damaged_rows(file: &Snapshot, at: u64, page: &[u8]) -> bool {
    proving().into_iter().any(|(table, widths, proves)| {
        let rows = rows_in_order(page, widths).unwrap_or_default();
        let [Some(first), Some(last)] = [rows.first(), rows.last()] else {
            return false;
        };
        let key = |(place, _): &InPage| key(&page[place.clone()]);
        if !file.has_their_place(table, [key(first), key(last)], rows.len(), at) {
            return false;
        }
        let proves = |row: &&InPage| proves(file, key(row), &page[row.1.clone()]);
        match rows.iter().filter(proves).count() {
            0 => is_empty_behind(page, last),
            proven => proven < rows.len(),
        }
    })
}

/// The tables whose rows prove themselves.
fn proving() -> [(&'static str, Widths, Proves); 4] {
    [
        (
            SEGMENTS.name(),
            widths::<(u64, u64)>(),
            |_, (slot, first), value| Segment::head(slot, first, value).is_ok(),
        ),
        (SLOTS.name(), widths::<u64>(), |_, (slot, _), value| {
            slot_of_row(slot, value).is_ok()
        }),
        (ORDER.name(), widths::<u64>(), |_, (first, _), value| {
            runs_of_row(first, value).is_ok()
        }),
        (RECORDS.name(), widths::<u64>(), is_record),
    ]
}

fn widths<K: Value>() -> Widths {
    Widths {
        key: K::fixed_width(),
        value: None,
    }
}

/// A record's checksum covers whose it is.
fn is_record(file: &Snapshot, (slot, _): Key, value: &[u8]) -> bool {
    let slots = file.reach(
        SLOTS.name(),
        widths::<u64>(),
        ((slot, 0), (slot, 0)),
        Order::Forward,
    );
    let mut rows = slots.flat_map(|leaf| leaf.rows);
    rows.next().is_some_and(|(_, row)| {
        slot_of_row(slot, &row).is_ok_and(|(id, _)| record_of_row(slot, &id, value).is_ok())
    })
}
