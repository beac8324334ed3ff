//! Where the leaves of a table are: for tests that damage them.

use std::ops::Range;
use std::path::Path;

use super::header::Root;
use super::page::{Kind, PAGE, children, covered, first_leaf_rows, kind};
use super::reach::{Key, key};
use super::{RawFile, Snapshot, checksum};
use crate::file::OsDisk;

/// A page of a table whose keys are numbers.
#[derive(Clone, Debug)]
pub(crate) struct Placed {
    /// Where it is in the file.
    pub(crate) place: Range<usize>,
    /// The keys in it; none of one that leads to others.
    pub(crate) keys: Vec<Key>,
}

/// The pages of a table of a file that is as it was written, each before those that it leads to.
pub(crate) fn pages(path: &Path, table: &str) -> Vec<Placed> {
    let snapshot = Snapshot::at_last(RawFile::open(&OsDisk, path).expect("it can be read"));
    let table = snapshot.tables[table];
    let mut ahead: Vec<Root> = table.root.into_iter().collect();
    let mut pages = Vec::new();
    while let Some(root) = ahead.pop() {
        let (at, len) = root.page.span(snapshot.header.geometry).expect("a place");
        let page = snapshot.file.read(at, len).expect("a read");
        let at = usize::try_from(at).expect("a small file");
        let mut keys = Vec::new();
        if kind(&page) == Some(Kind::Branch) {
            let below = children(&page, table.widths);
            ahead.extend(below.iter().rev().map(|child| child.root));
        } else {
            let rows = first_leaf_rows(&page, table.widths).into_iter();
            keys.extend(rows.map(|(place, _)| key(&page[place])));
        }
        let place = at..at + len;
        pages.push(Placed { place, keys });
    }
    pages
}

/// The page that leads to all leaves of a table, as it would be if it led to `page` at `at` instead of the leaf of that
/// number.
pub(crate) fn leading_to(path: &Path, table: &str, leaf: usize, page: &[u8], at: usize) -> Vec<u8> {
    let snapshot = Snapshot::at_last(RawFile::open(&OsDisk, path).expect("it can be read"));
    let table = snapshot.tables[table];
    let root = table.root.expect("it has rows").page;
    let (root_at, len) = root.span(snapshot.header.geometry).expect("a place");
    let mut branch = snapshot.file.read(root_at, len).expect("a read");
    let count = children(&branch, table.widths).len();
    let sum = checksum(covered(page, table.widths).expect("a page"));
    let number = u64::try_from(at / PAGE - 1).expect("a small file");
    branch[8 + 16 * leaf..][..16].copy_from_slice(&sum.to_le_bytes());
    branch[8 + 16 * count + 8 * leaf..][..8].copy_from_slice(&number.to_le_bytes());
    branch
}
