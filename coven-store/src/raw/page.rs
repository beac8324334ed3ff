//! Pages: where one is, what is in it, and what its checksum covers.

use std::ops::Range;

use super::header::{Root, u32_at, u64_at, u128_at};
use super::reach::key;

/// Bytes of the shortest page; a longer one is a power of two times that.
pub(crate) const PAGE: usize = 4096;

/// The longest page that is looked at: twice what the longest value takes, so that a number that
/// is damaged asks for no more memory than that.
const MAX_ORDER: u8 = 13;

/// Bytes of that.
pub(crate) const MAX_PAGE_BYTES: usize = PAGE << MAX_ORDER;

const LEAF: u8 = 1;
const BRANCH: u8 = 2;

/// How a file is divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Geometry {
    pub(super) region_header_pages: u32,
    /// Pages in a region besides its header.
    pub(super) region_pages: u32,
}

impl Geometry {
    /// What redb gives every file that is made without asking for something else.
    pub(super) const USUAL: Self = Self {
        region_header_pages: 0,
        region_pages: 1 << 20,
    };

    /// Where the first page of a region is in the file, behind its header.
    pub(super) fn region_at(self, region: u32) -> u64 {
        let header_pages = u64::from(self.region_header_pages);
        let region_pages = header_pages + u64::from(self.region_pages);
        (1 + u64::from(region) * region_pages + header_pages) * PAGE as u64
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct PageNumber {
    region: u32,
    index: u32,
    order: u8,
}

impl PageNumber {
    pub(super) fn from_bits(bits: u64) -> Self {
        let order = (bits >> 59) as u8;
        Self {
            region: ((bits >> 20) & 0xf_ffff) as u32,
            index: (bits & (0xf_ffff >> order)) as u32,
            order,
        }
    }

    /// Where it is in the file, and how many bytes it has; `None` for one that nothing could have.
    pub(super) fn span(self, geometry: Geometry) -> Option<(u64, usize)> {
        if self.order > MAX_ORDER {
            return None;
        }
        let len = PAGE << self.order;
        let start = geometry.region_at(self.region);
        Some((start + u64::from(self.index) * len as u64, len))
    }
}

/// How many bytes every key and every value of a table has, where that is always the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Widths {
    pub(crate) key: Option<usize>,
    pub(crate) value: Option<usize>,
}

/// What a page is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Leaf,
    Branch,
}

pub(super) fn kind(page: &[u8]) -> Option<Kind> {
    match page.first() {
        Some(&LEAF) => Some(Kind::Leaf),
        Some(&BRANCH) => Some(Kind::Branch),
        Some(_) | None => None,
    }
}

/// The bytes of a page that its checksum is of; `None` where that cannot be told, so that it
/// cannot be right.
pub(super) fn covered(page: &[u8], widths: Widths) -> Option<&[u8]> {
    page.get(..covered_end(page, widths)?)
}

/// How many bytes that is, by what the page begins with.
pub(super) fn covered_end(page: &[u8], widths: Widths) -> Option<usize> {
    let last = count(page).checked_sub(1)?;
    match kind(page)? {
        Kind::Leaf => Leaf::of(page, widths).value_end(last),
        Kind::Branch => Branch::of(page, widths).key_end(last),
    }
}

pub(super) fn count(page: &[u8]) -> usize {
    usize::from(u16::from_le_bytes([page[2], page[3]]))
}

/// Where the keys and values of a leaf are. Of a page that is damaged, those that could be.
pub(crate) fn leaf_rows(page: &[u8], widths: Widths) -> Vec<(Range<usize>, Range<usize>)> {
    if kind(page) != Some(Kind::Leaf) {
        return Vec::new();
    }
    let leaf = Leaf::of(page, widths);
    // Where one end is damaged, the row beside it may be whole: so rows may overlap, but not so that
    // a page of noise comes to more than two pages.
    let mut room = 2 * page.len();
    (0..leaf.rows)
        .filter_map(|row| leaf.row(row))
        .take_while(|(key, value)| {
            let left = room.checked_sub(key.len() + value.len());
            room = left.unwrap_or(0);
            left.is_some()
        })
        .collect()
}

/// The same up to the first that could not be: none is passed over.
pub(super) fn first_leaf_rows(page: &[u8], widths: Widths) -> Vec<(Range<usize>, Range<usize>)> {
    if kind(page) != Some(Kind::Leaf) {
        return Vec::new();
    }
    let leaf = Leaf::of(page, widths);
    (0..leaf.rows).map_while(|row| leaf.row(row)).collect()
}

/// What is wrong with a page that is not [in order](is_in_order).
pub(super) const OUT_OF_ORDER: &str = "its keys are not in order";

/// Whether the keys of a leaf ascend, where they are pairs of numbers: who looks for one goes by that. A checksum does
/// not say it: whoever wrote the page may have taken what is in it from one that was damaged. Of the other tables it is
/// seen in each row whether it belongs there.
pub(super) fn is_in_order(page: &[u8], widths: Widths) -> bool {
    if kind(page) != Some(Kind::Leaf) || widths.key != Some(16) {
        return true;
    }
    let leaf = Leaf::of(page, widths);
    let keys = (0..leaf.rows).map_while(|row| page.get(leaf.key(row)?));
    keys.is_sorted_by(|one, next| key(one) < key(next))
}

/// How many rows a leaf says that it has.
pub(crate) fn leaf_len(page: &[u8]) -> usize {
    count(page)
}

/// Where the last value of a page ends, if that looks like a leaf and `widths` are those of its table.
pub(crate) fn leaf_end(page: &[u8], widths: Widths) -> Option<usize> {
    if kind(page) != Some(Kind::Leaf) {
        return None;
    }
    let leaf = Leaf::of(page, widths);
    leaf.value_end(leaf.rows.checked_sub(1)?)
}

/// Whether a page of at least `len_bytes` may begin at a place of a file: it has a power of two times
/// the least length, and begins at a multiple of that.
pub(crate) fn can_begin(at: u64, len_bytes: usize) -> bool {
    let pages = len_bytes.div_ceil(PAGE).next_power_of_two() as u64;
    let first = Geometry::USUAL.region_at(0);
    at.checked_sub(first)
        .is_some_and(|at| at.is_multiple_of(pages * PAGE as u64))
}

struct Leaf<'a> {
    page: &'a [u8],
    widths: Widths,
    rows: usize,
}

impl<'a> Leaf<'a> {
    fn of(page: &'a [u8], widths: Widths) -> Self {
        let rows = count(page);
        Self { page, widths, rows }
    }

    fn keys_at(&self) -> usize {
        let ends =
            usize::from(self.widths.key.is_none()) + usize::from(self.widths.value.is_none());
        4 + 4 * ends * self.rows
    }

    fn key_end(&self, row: usize) -> Option<usize> {
        match self.widths.key {
            Some(width) => Some(self.keys_at() + width * (row + 1)),
            None => end_at(self.page, 4 + 4 * row),
        }
    }

    fn value_end(&self, row: usize) -> Option<usize> {
        match self.widths.value {
            Some(width) => Some(self.key_end(self.rows.checked_sub(1)?)? + width * (row + 1)),
            None => {
                let keys = usize::from(self.widths.key.is_none()) * self.rows;
                end_at(self.page, 4 + 4 * (keys + row))
            }
        }
    }

    fn key(&self, row: usize) -> Option<Range<usize>> {
        let start = match row.checked_sub(1) {
            Some(before) => self.key_end(before)?,
            None => self.keys_at(),
        };
        Some(start..self.key_end(row)?)
    }

    fn value(&self, row: usize) -> Option<Range<usize>> {
        let start = match row.checked_sub(1) {
            Some(before) => self.value_end(before)?,
            None => self.key_end(self.rows.checked_sub(1)?)?,
        };
        Some(start..self.value_end(row)?)
    }

    /// Its key and its value, where they could be.
    fn row(&self, row: usize) -> Option<(Range<usize>, Range<usize>)> {
        let (key, value) = (self.key(row)?, self.value(row)?);
        let is_within = |it: &Range<usize>| it.start <= it.end && it.end <= self.page.len();
        (is_within(&key) && is_within(&value)).then_some((key, value))
    }
}

/// The children of a branch, each with the bounds of its keys: above the first, up to the second.
pub(super) fn children(page: &[u8], widths: Widths) -> Vec<Child<'_>> {
    let branch = Branch::of(page, widths);
    (0..=branch.keys)
        .filter_map(|number| {
            let sum = 8 + 16 * number;
            let place = 8 + 16 * (branch.keys + 1) + 8 * number;
            if place + 8 > page.len() {
                return None;
            }
            Some(Child {
                root: Root {
                    page: PageNumber::from_bits(u64_at(page, place)),
                    checksum: u128_at(page, sum),
                },
                above: number.checked_sub(1).and_then(|before| branch.key(before)),
                up_to: branch.key(number),
            })
        })
        .collect()
}

pub(super) struct Child<'a> {
    pub(super) root: Root,
    pub(super) above: Option<&'a [u8]>,
    pub(super) up_to: Option<&'a [u8]>,
}

struct Branch<'a> {
    page: &'a [u8],
    width: Option<usize>,
    keys: usize,
}

impl<'a> Branch<'a> {
    fn of(page: &'a [u8], widths: Widths) -> Self {
        Self {
            page,
            width: widths.key,
            keys: count(page),
        }
    }

    fn keys_at(&self) -> usize {
        let ends = if self.width.is_none() { self.keys } else { 0 };
        8 + 24 * (self.keys + 1) + 4 * ends
    }

    fn key_end(&self, key: usize) -> Option<usize> {
        match self.width {
            Some(width) => Some(self.keys_at() + width * (key + 1)),
            None => end_at(self.page, 8 + 24 * (self.keys + 1) + 4 * key),
        }
    }

    fn key(&self, key: usize) -> Option<&'a [u8]> {
        if key >= self.keys {
            return None;
        }
        let start = match key.checked_sub(1) {
            Some(before) => self.key_end(before)?,
            None => self.keys_at(),
        };
        self.page.get(start..self.key_end(key)?)
    }
}

fn end_at(page: &[u8], at: usize) -> Option<usize> {
    (at + 4 <= page.len()).then(|| u32_at(page, at) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WIDTHS: Widths = Widths {
        key: Some(8),
        value: None,
    };

    /// A leaf whose values end where it is told.
    fn leaf(ends: &[u32]) -> Vec<u8> {
        let mut page = vec![0; PAGE];
        page[0] = LEAF;
        page[2..4].copy_from_slice(&(ends.len() as u16).to_le_bytes());
        for (row, end) in ends.iter().enumerate() {
            page[4 + 4 * row..8 + 4 * row].copy_from_slice(&end.to_le_bytes());
        }
        page
    }

    #[test]
    fn where_one_value_ends_elsewhere_those_that_do_not_touch_it_are_there_or_those_before_it() {
        let whole = leaf(&[200, 300, 400, 500]);
        let rows = leaf_rows(&whole, WIDTHS);
        let damaged = leaf(&[200, 450, 400, 500]);
        let left = leaf_rows(&damaged, WIDTHS);
        assert_eq!(rows.len(), 4);
        assert!(left.contains(&rows[0]) && left.contains(&rows[3]));
        let first = first_leaf_rows(&damaged, WIDTHS);
        assert!(first.contains(&rows[0]) && !first.contains(&rows[3]));
    }

    #[test]
    fn a_leaf_that_was_made_up_comes_to_no_more_than_two_pages() {
        // Every second value is nearly as long as the page.
        let ends: Vec<u32> = (0..300).map(|row| [4096, 3700][row % 2]).collect();
        let rows = leaf_rows(&leaf(&ends), WIDTHS);
        let bytes: usize = rows
            .iter()
            .map(|(key, value)| key.len() + value.len())
            .sum();
        assert!(bytes <= 2 * PAGE, "{bytes}");
    }
}
