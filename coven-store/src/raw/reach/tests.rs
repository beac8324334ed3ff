use std::fs;
use std::path::Path;

use redb::{Database, TableDefinition};

use super::*;
use crate::file::OsDisk;
use crate::raw::header::Root;
use crate::raw::page::PageNumber;
use crate::raw::{RawFile, pages, swap_leaves};

const TABLE: TableDefinition<(u64, u64), &[u8]> = TableDefinition::new("rows");

const WIDTHS: Widths = Widths {
    key: Some(16),
    value: None,
};

/// A table with rows of these keys, each of so many bytes.
fn table_of(keys: impl IntoIterator<Item = Key>, len_bytes: usize) -> tempfile::TempPath {
    let path = tempfile::NamedTempFile::new()
        .expect("a file")
        .into_temp_path();
    let db = Database::create(&path).expect("a database");
    let txn = db.begin_write().expect("a transaction");
    let mut table = txn.open_table(TABLE).expect("a table");
    for key in keys {
        table
            .insert(key, vec![7; len_bytes].as_slice())
            .expect("a row");
    }
    drop(table);
    txn.commit().expect("a commit");
    path
}

/// A table of three leaves with a row each.
fn three_leaves() -> tempfile::TempPath {
    table_of((1..=3).map(|second| (1, second)), 3000)
}

/// The keys of each leaf that is met on the way to all rows, and its problem.
fn reached(path: &std::path::Path, order: Order) -> Vec<(Vec<Key>, Option<String>)> {
    let snapshot = snapshot(path);
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

/// A table whose root leads to pages that lead to leaves, with so many rows, each of a slot of its own; a bit of its root
/// turned.
fn three_levels() -> (tempfile::TempPath, u64) {
    const ROWS: u64 = 700;
    let path = table_of((1..=ROWS).map(|slot| (slot, 1)), 1500);
    let pages = pages(&path, "rows");
    assert!(pages[0].keys.is_empty() && pages[1].keys.is_empty());
    // One bit of its first key.
    let mut file = fs::read(&path).expect("it is closed");
    let children = pages.iter().filter(|page| page.keys.is_empty()).count() - 1;
    file[pages[0].place.start + 8 + 24 * children] ^= 1;
    fs::write(&path, file).expect("it is written");
    (path, ROWS)
}

fn snapshot(path: &Path) -> Snapshot {
    Snapshot::at_last(RawFile::open(&OsDisk, path).expect("it is closed"))
}

#[test]
fn what_is_below_a_damaged_page_may_be_another_however_far_below_it_is() {
    let (path, rows) = three_levels();
    let snapshot = snapshot(&path);
    let leaves: Vec<Leaf> = snapshot
        .reach("rows", WIDTHS, ((0, 0), (rows, 9)), Order::Forward)
        .collect();
    let given: usize = leaves.iter().map(|leaf| leaf.rows.len()).sum();
    assert_eq!(given as u64, rows);
    assert!(leaves.iter().all(|leaf| !leaf.is_current()));
}

#[test]
fn who_asks_for_one_row_after_the_other_below_a_damaged_page_does_not_read_all_pages_each_time() {
    let (path, rows) = three_levels();
    let snapshot = snapshot(&path);
    for slot in 1..=rows {
        let leaves = snapshot.reach("rows", WIDTHS, ((slot, 0), (slot, 9)), Order::Forward);
        let given: Vec<Key> = leaves
            .flat_map(|leaf| leaf.rows.into_iter().map(|(key, _)| key))
            .collect();
        assert_eq!(given, [(slot, 1)]);
    }
    // The first page, the one below it and the leaf; and all that the first leads to once.
    let pages_each = snapshot.file.read_bytes() / PAGE as u64 / rows;
    assert!(pages_each <= 4, "{pages_each}");
}

/// Which rows of slot 7 there can be in a leaf with these keys, whose values end where it is told.
fn rows(rows: &[(Key, u32)]) -> Vec<u64> {
    let mut page = [0; PAGE];
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
        may_be_another: false,
    };
    let rows = possible_rows(&page, WIDTHS, place, (7, 0)..=(7, u64::MAX));
    rows.into_iter().map(|((_, first), _)| first).collect()
}

#[test]
fn a_row_that_cannot_be_in_a_damaged_leaf_hides_none_behind_it() {
    let whole = [((7, 1), 500), ((7, 2), 600), ((7, 3), 700), ((7, 4), 800)];
    let with = |row: usize, it: (Key, u32)| {
        let mut damaged = whole;
        damaged[row] = it;
        rows(&damaged)
    };
    assert_eq!(rows(&whole), [1, 2, 3, 4]);
    // A value that ends beyond the page takes that behind it, too.
    assert_eq!(with(1, ((7, 2), 5000)), [1, 4]);
    // Keys that are none of this page, or none of this place in it.
    assert_eq!(with(1, ((9, 2), 600)), [1, 3, 4]);
    assert_eq!(with(1, ((5, 2), 600)), [1, 3, 4]);
    assert_eq!(with(2, ((7, 9), 700)), [1, 2, 4, 9]);
    assert_eq!(with(0, ((8, 2), 500)), [2, 3, 4]);
}
