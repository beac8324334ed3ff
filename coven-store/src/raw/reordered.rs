//! Rows that are not in order, in a leaf or over several, with good checksums all over them: for tests of who reads
//! such ones.

use std::fs;
use std::ops::Range;
use std::path::Path;

use super::header::{COMMIT_BYTES, COMMIT_SUM_AT, COMMITS_AT};
use super::page::{PAGE, Widths, count, covered, leaf_rows};
use super::told::InPage;
use super::{RawFile, Snapshot, checksum};
use crate::file::OsDisk;

/// Puts the rows of a table, which has one leaf, in another order: first those at these places.
pub(crate) fn reorder(path: &Path, table: &str, order: &[usize]) {
    change_first_page(path, table, |page, widths| in_order(page, widths, order));
}

/// Has two leaves of a table, which its first page leads to, take each other's place.
pub(crate) fn swap_leaves(path: &Path, table: &str, one: usize, other: usize) {
    change_first_page(path, table, |page, _| {
        let leaves = count(page) + 1;
        let (sums, numbers) = (8, 8 + 16 * leaves);
        assert!(
            page[0] == 2 && one < leaves && other < leaves,
            "it leads to them"
        );
        let mut changed = page.to_vec();
        for (from, to) in [(one, other), (other, one)] {
            for (at, len) in [(sums, 16), (numbers, 8)] {
                let told = &page[at + len * from..][..len];
                changed[at + len * to..][..len].copy_from_slice(told);
            }
        }
        changed
    });
}

/// Orders of so many rows: each has some that belong before others behind them.
pub(crate) fn orders(rows: usize) -> impl Iterator<Item = Vec<usize>> {
    let whole: Vec<usize> = (0..rows).collect();
    let turned = (1..rows).map({
        let whole = whole.clone();
        move |by| {
            let mut order = whole.clone();
            order.rotate_left(by);
            order
        }
    });
    let swapped = (0..rows).flat_map(move |one| {
        let whole = whole.clone();
        (one + 1..rows).map(move |other| {
            let mut order = whole.clone();
            order.swap(one, other);
            order
        })
    });
    turned.chain(swapped)
}

fn change_first_page(path: &Path, table: &str, change: impl Fn(&[u8], Widths) -> Vec<u8>) {
    let mut file = fs::read(path).expect("a file");
    let snapshot = Snapshot::at_last(RawFile::open(&OsDisk, path).expect("it is not open"));
    let (at, len_bytes, widths) = first_page(&snapshot, table);
    drop(snapshot);
    let place = at..at + len_bytes;
    let page = change(&file[place.clone()], widths);
    put(&mut file, place, &page, widths);
    fs::write(path, file).expect("a write");
}

/// Where the first page of a table is, and how long.
pub(super) fn first_page(snapshot: &Snapshot, table: &str) -> (usize, usize, Widths) {
    let table = snapshot.tables[table];
    let root = table.root.expect("it has rows");
    let place = root.page.span(snapshot.header.geometry);
    let (at, len_bytes) = place.expect("it is in the file");
    let at = usize::try_from(at).expect("a small file");
    (at, len_bytes, table.widths)
}

/// How many rows a table has.
pub(crate) fn rows(path: &Path, table: &str) -> usize {
    let snapshot = Snapshot::at_last(RawFile::open(&OsDisk, path).expect("it is not open"));
    usize::try_from(snapshot.tables[table].rows).expect("a small file")
}

fn in_order(page: &[u8], widths: Widths, order: &[usize]) -> Vec<u8> {
    let rows = leaf_rows(page, widths);
    assert_eq!(rows.len(), count(page), "it is a leaf");
    let rows: Vec<&InPage> = order.iter().map(|&row| &rows[row]).collect();
    assert_eq!(rows.len(), count(page));
    let keys = rows.iter().map(|(key, _)| key);
    let values = rows.iter().map(|(_, value)| value);
    let varying = [widths.key, widths.value].map(|width| usize::from(width.is_none()));
    let mut end = 4 + 4 * (varying[0] + varying[1]) * rows.len();
    let mut ends = |places: &mut dyn Iterator<Item = &Range<usize>>| -> Vec<u8> {
        let ends = places.map(|place| {
            end += place.len();
            u32::try_from(end).expect("a short page").to_le_bytes()
        });
        ends.collect::<Vec<_>>().concat()
    };
    let ends = [ends(&mut keys.clone()), ends(&mut values.clone())];
    let mut other = page[..4].to_vec();
    for (ends, varying) in ends.into_iter().zip(varying) {
        other.extend(ends.repeat(varying));
    }
    keys.chain(values)
        .for_each(|place| other.extend_from_slice(&page[place.clone()]));
    other.resize(page.len(), 0);
    other
}

/// Puts a page, and its checksum wherever that of the page before it is.
fn put(file: &mut [u8], place: Range<usize>, page: &[u8], widths: Widths) {
    let sum = |page| checksum(covered(page, widths).expect("it is a page")).to_le_bytes();
    let (before, after) = (sum(&file[place.clone()]), sum(page));
    file[place].copy_from_slice(page);
    let is_told = |at: &usize| file[*at..].starts_with(&before);
    let told: Vec<usize> = (0..file.len()).filter(is_told).collect();
    for at in told {
        let above = at / PAGE * PAGE;
        if above > 0 {
            let mut page = file[above..above + PAGE].to_vec();
            page[at - above..][..after.len()].copy_from_slice(&after);
            let tables = Widths {
                key: None,
                value: None,
            };
            put(file, above..above + PAGE, &page, tables);
            continue;
        }
        file[at..at + after.len()].copy_from_slice(&after);
        let commit = (at - COMMITS_AT) / COMMIT_BYTES * COMMIT_BYTES + COMMITS_AT;
        let sum = checksum(&file[commit..commit + COMMIT_SUM_AT]).to_le_bytes();
        file[commit + COMMIT_SUM_AT..][..sum.len()].copy_from_slice(&sum);
    }
}
