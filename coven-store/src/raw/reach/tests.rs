use redb::{Database, TableDefinition};

use super::*;
use crate::file::OsDisk;
use crate::raw::header::Root;
use crate::raw::page::PageNumber;
use crate::raw::{RawFile, swap_leaves};

const TABLE: TableDefinition<(u64, u64), &[u8]> = TableDefinition::new("rows");

const WIDTHS: Widths = Widths {
    key: Some(16),
    value: None,
};

/// A table of three leaves with a row each.
fn three_leaves() -> tempfile::TempPath {
    let path = tempfile::NamedTempFile::new()
        .expect("a file")
        .into_temp_path();
    let db = Database::create(&path).expect("a database");
    let txn = db.begin_write().expect("a transaction");
    let mut table = txn.open_table(TABLE).expect("a table");
    for second in 1..=3 {
        table
            .insert((1, second), [7; 3000].as_slice())
            .expect("a row");
    }
    drop(table);
    txn.commit().expect("a commit");
    path
}

/// The keys of each leaf that is met on the way to all rows, and its problem.
fn reached(path: &std::path::Path, order: Order) -> Vec<(Vec<Key>, Option<String>)> {
    let file = RawFile::open(&OsDisk, path).expect("it is closed");
    let snapshot = Snapshot::at_last(file);
    let leaves = snapshot.reach("rows", WIDTHS, ((0, 0), (9, 9)), order);
    let keys = |leaf: &Leaf| leaf.rows.iter().map(|(key, _)| *key).collect();
    leaves.map(|leaf| (keys(&leaf), leaf.problem)).collect()
}

#[test]
fn rows_outside_of_the_range_of_their_page_are_not_given_and_that_is_a_problem() {
    let path = three_leaves();
    let own = |second| (vec![(1, second)], None);
    assert_eq!(reached(&path, Order::Forward), [1, 2, 3].map(own));
    swap_leaves(&path, "rows", 1, 2);
    let none = (Vec::new(), Some(OUT_OF_ORDER.to_owned()));
    let expected = [own(1), none.clone(), none];
    assert_eq!(reached(&path, Order::Forward), expected);
    let backward: Vec<_> = expected.into_iter().rev().collect();
    assert_eq!(reached(&path, Order::Backward), backward);
}

/// Which rows of slot 7 there are, and how many of them before all that cannot be, in a leaf with these keys, whose
/// values end where it is told.
fn rows(rows: &[(Key, u32)]) -> (Vec<u64>, usize) {
    let mut page = vec![0; PAGE];
    page[0] = 1;
    page[2..4].copy_from_slice(&(rows.len() as u16).to_le_bytes());
    let keys_at = 4 + 4 * rows.len();
    for (row, ((slot, first), end)) in rows.iter().enumerate() {
        page[4 + 4 * row..][..4].copy_from_slice(&end.to_le_bytes());
        page[keys_at + 16 * row..][..8].copy_from_slice(&slot.to_le_bytes());
        page[keys_at + 16 * row + 8..][..8].copy_from_slice(&first.to_le_bytes());
    }
    let place = Place {
        root: Root {
            page: PageNumber::from_bits(0),
            checksum: 0,
        },
        above: Some((6, 5)),
        up_to: Some((8, 5)),
        parent_is_sound: true,
    };
    let (rows, unbroken) = possible_rows(&page, WIDTHS, place, (7, 0)..=(7, u64::MAX));
    let firsts = rows.into_iter().map(|((_, first), _)| first);
    (firsts.collect(), unbroken)
}

#[test]
fn before_a_row_behind_one_that_cannot_be_there_may_have_been_more() {
    let whole = [((7, 1), 500), ((7, 2), 600), ((7, 3), 700), ((7, 4), 800)];
    let with = |row: usize, it: (Key, u32)| {
        let mut damaged = whole;
        damaged[row] = it;
        rows(&damaged)
    };
    assert_eq!(rows(&whole), (vec![1, 2, 3, 4], 4));
    // A value that ends beyond the page takes that behind it, too.
    assert_eq!(with(1, ((7, 2), 5000)), (vec![1, 4], 1));
    // Keys that are none of this page, or none of this place in it.
    assert_eq!(with(1, ((9, 2), 600)), (vec![1, 3, 4], 1));
    assert_eq!(with(1, ((5, 2), 600)), (vec![1, 3, 4], 1));
    assert_eq!(with(2, ((7, 9), 700)), (vec![1, 2, 4, 9], 2));
    assert_eq!(with(0, ((8, 2), 500)), (vec![2, 3, 4], 0));
}
