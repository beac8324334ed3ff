//! What a page tells of those below it: where each is, and what its checksum has to be.
//!
//! redb writes that down and looks at it after a crash alone. Whoever hands it pages can hold each to it.

use std::ops::Range;

use super::header::Root;
use super::page::{Geometry, Kind, Widths, children, count, covered, is_in_order, kind, leaf_rows};
use super::reach::key;
use super::{Snapshot, checksum};

/// A page as what leads to it tells of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Told {
    /// Where it is in the file.
    pub(crate) at: u64,
    pub(crate) len_bytes: usize,
    /// The lower half of its checksum.
    pub(crate) sum: u64,
    /// Of the table that it is of.
    pub(crate) widths: Widths,
}

/// What redb has in the place of a checksum that is not known before its commit.
const NOT_YET: u128 = 999;

/// How many bytes behind the last row of a leaf are looked at: what else the leaf had would be there.
const BEHIND_BYTES: usize = 64;

/// What reads of pages where others are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Teller {
    geometry: Geometry,
}

impl Snapshot {
    pub(super) const fn teller(&self) -> Teller {
        Teller {
            geometry: self.header.geometry,
        }
    }
}

impl Teller {
    /// That of a file, and the pages that everything else in it is below of.
    pub(crate) fn of(file: &Snapshot) -> (Self, Vec<Told>) {
        let teller = file.teller();
        let roots = file.roots().into_iter();
        let told = roots.filter_map(|(root, widths)| teller.told(root, widths));
        (teller, told.collect())
    }

    /// The pages below a branch that is what it was.
    pub(crate) fn below(self, branch: &[u8], widths: Widths) -> impl Iterator<Item = Told> {
        let children = match kind(branch) {
            Some(Kind::Branch) => children(branch, widths),
            Some(Kind::Leaf) | None => Vec::new(),
        };
        children
            .into_iter()
            .filter_map(move |child| self.told(child.root, widths))
    }

    pub(super) fn told(self, root: Root, widths: Widths) -> Option<Told> {
        let (at, len_bytes) = root.page.span(self.geometry)?;
        (root.checksum != NOT_YET).then_some(Told {
            at,
            len_bytes,
            sum: half(root.checksum),
            widths,
        })
    }
}

impl Told {
    /// Whether that is the page, and its keys are in order; what redb does not look at may be anything.
    pub(crate) fn is(&self, page: &[u8]) -> bool {
        self.is_all(page) || self.is_all(&with_spare_bytes_empty(page))
    }

    /// The same of all of it that redb has a checksum of.
    pub(crate) fn is_all(&self, page: &[u8]) -> bool {
        let is_it = covered(page, self.widths).is_some_and(|bytes| page_sum(bytes) == self.sum);
        is_it && is_in_order(page, self.widths)
    }
}

/// A checksum of a page, or of a part of it.
pub(crate) fn page_sum(bytes: &[u8]) -> u64 {
    half(checksum(bytes))
}

fn half(checksum: u128) -> u64 {
    checksum as u64
}

/// A page with nothing in those of its first bytes that are of no use.
fn with_spare_bytes_empty(page: &[u8]) -> Vec<u8> {
    let mut page = page.to_vec();
    let spare: &[usize] = match kind(&page) {
        Some(Kind::Leaf) => &[1],
        Some(Kind::Branch) => &[1, 4, 5, 6, 7],
        None => &[],
    };
    spare.iter().for_each(|&at| page[at] = 0);
    page
}

/// Where a key and its value are in a page.
pub(crate) type InPage = (Range<usize>, Range<usize>);

/// The rows of a leaf of a table whose keys are numbers, if there are as many as it says and their keys ascend.
pub(crate) fn rows_in_order(page: &[u8], widths: Widths) -> Option<Vec<InPage>> {
    let rows = leaf_rows(page, widths);
    let keys = rows.iter().map(|(place, _)| key(&page[place.clone()]));
    let is_it =
        !rows.is_empty() && rows.len() == count(page) && keys.is_sorted_by(|one, next| one < next);
    is_it.then_some(rows)
}

/// Whether nothing is behind the last row of a leaf.
pub(crate) fn is_empty_behind(page: &[u8], last: &InPage) -> bool {
    let mut behind = page[last.1.end..].iter().take(BEHIND_BYTES);
    behind.all(|byte| *byte == 0)
}
