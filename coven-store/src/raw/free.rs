//! Which pages of a file nothing uses: what redb keeps of that beside each commit it is asked to.
//!
//! It is a table of redb's own, with a row for each region of the file: of every order of page, from
//! one page to the whole region, a map with a bit for each place, which is 0 where a page of that
//! order is free. A page that a reader of an older commit may still see is not free in it, nor is one
//! that the commit before it used.

use std::ops::Range;

use super::RawFile;
use super::header::{Commit, Header, u32_at, u64_at};
use super::page::{Geometry, PAGE, Widths};
use super::snapshot::{SYSTEM, Seen, Table};
use super::walk::{Row, Walk};

/// What redb calls the table.
const TABLE: &[u8] = b"allocator_state";

/// What the key of a region's row begins with; its number follows.
const REGION: u8 = 3;

/// The same of the row that says which commit it is of.
const COMMIT: u8 = 5;

/// The largest pages there are: as many pages as a region may have.
const MAX_ORDER: u8 = 20;

/// The pages that the last commit of a file does not use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FreePages {
    /// Where they are, as far as they follow one another, from the beginning of the file on; only
    /// as long as was asked for, or longer.
    pub(crate) runs: Vec<Range<u64>>,
    /// Bytes of all other pages.
    pub(crate) used_bytes: u64,
}

/// Looks which pages are free in the last durable commit, in runs of at least so many bytes. `None`
/// where that was not kept with it, or not all of it can be believed.
pub(crate) fn free_pages(file: &RawFile, at_least_bytes: u64) -> Option<FreePages> {
    let header = Header::read(file);
    let commit = *header.commits.first()?;
    // Where there is a commit after the one that is called the last, what that one says is free is what this one uses.
    if !header.is_sound() || !header.has_two_phases || header.has_one_after {
        return None;
    }
    let geometry = header.geometry;
    let mut free = FreePages {
        runs: Vec::new(),
        used_bytes: PAGE as u64,
    };
    for (number, row) in (0..).zip(regions(file, geometry, commit)?) {
        let region = Region::read(&row.value, geometry.region_pages)?;
        let start = geometry.region_at(number);
        let pages = file.len().saturating_sub(start) / PAGE as u64;
        free.used_bytes += u64::from(geometry.region_header_pages) * PAGE as u64;
        free.add(&region, start, pages, at_least_bytes);
    }
    Some(free)
}

/// The rows of the regions, in order, if they are of this commit.
fn regions(file: &RawFile, geometry: Geometry, commit: Commit) -> Option<Vec<Row>> {
    let seen = Seen::default();
    let walk = |widths, root| Walk::new(file, geometry, SYSTEM, widths, root, &seen);
    let of_text = Widths {
        key: None,
        value: None,
    };
    let table = walk(of_text, commit.system).find(|row| row.key == TABLE)?;
    let table = Table::read(&table.value)?;
    let mut regions = Vec::new();
    let mut is_of_commit = false;
    for row in walk(table.widths, table.root) {
        match *row.key.first_chunk::<5>()? {
            [REGION, ..] => {
                if u32_at(&row.key, 1) as usize != regions.len() {
                    return None;
                }
                regions.push(row);
            }
            [COMMIT, ..] => {
                is_of_commit = row.value.len() == 8 && u64_at(&row.value, 0) == commit.number;
            }
            _ => {}
        }
    }
    (is_of_commit && seen.bad.borrow().is_empty()).then_some(regions)
}

impl FreePages {
    /// Adds what is free of a region that has so many pages within the file.
    fn add(&mut self, region: &Region, start: u64, pages: u64, at_least_bytes: u64) {
        let is_free = |page: u64| region.is_free.get(page as usize) == Some(&true);
        let at = |page: u64| start + page * PAGE as u64;
        let mut page = 0;
        while page < pages {
            let first = page;
            while page < pages && is_free(page) {
                page += 1;
            }
            if at(page) - at(first) >= at_least_bytes.max(1) {
                self.runs.push(at(first)..at(page));
            }
            while page < pages && !is_free(page) {
                page += 1;
                self.used_bytes += PAGE as u64;
            }
        }
    }
}

/// What is free of a region.
struct Region {
    /// Page by page.
    is_free: Vec<bool>,
}

impl Region {
    /// From its row; `None` where that contradicts itself.
    fn read(row: &[u8], max_pages: u32) -> Option<Self> {
        const ENDS_AT: usize = 8;
        let max_order = *row.first()?;
        let pages = u32_of(row, 4)?;
        if max_order > MAX_ORDER || pages > max_pages {
            return None;
        }
        let mut is_free = vec![false; pages as usize];
        let mut start = ENDS_AT + 4 * (usize::from(max_order) + 1);
        for order in 0..=max_order {
            let end = u32_of(row, ENDS_AT + 4 * usize::from(order))? as usize;
            let map = lowest_level(row.get(start..end)?)?;
            start = end;
            let places = pages >> order;
            if u32_of(map, 0)? != places {
                return None;
            }
            for place in free_places(map.get(4..)?, places)? {
                let page = (place as usize) << order;
                for page in is_free.get_mut(page..page + (1 << order))? {
                    // One that is free twice.
                    if std::mem::replace(page, true) {
                        return None;
                    }
                }
            }
        }
        Some(Self { is_free })
    }
}

/// A map is a tree of bits, of which the lowest level says it all: its length and then its words.
fn lowest_level(map: &[u8]) -> Option<&[u8]> {
    let levels = u32_of(map, 0)? as usize;
    let end_of = |level: usize| Some(u32_of(map, 4 + 4 * level)? as usize);
    let last = levels.checked_sub(1)?;
    let start = match last.checked_sub(1) {
        Some(before) => end_of(before)?,
        None => 4 + 4 * levels,
    };
    map.get(start..end_of(last)?)
}

/// The places whose bit is 0.
fn free_places(words: &[u8], places: u32) -> Option<Vec<u32>> {
    if words.len() < places.div_ceil(64) as usize * 8 {
        return None;
    }
    let mut free = Vec::new();
    for (number, word) in (0..places.div_ceil(64)).zip(words.chunks_exact(8)) {
        let mut unset = !u64_at(word, 0);
        while unset != 0 {
            let place = number * 64 + unset.trailing_zeros();
            if place < places {
                free.push(place);
            }
            unset &= unset - 1;
        }
    }
    Some(free)
}

fn u32_of(bytes: &[u8], at: usize) -> Option<u32> {
    (bytes.len() >= at + 4).then(|| u32_at(bytes, at))
}
