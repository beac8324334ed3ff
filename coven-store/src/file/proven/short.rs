//! `Short`: the shortest pages, kept beside the database's cache.
//!
//! That is in 131 parts (redb 4.5, `page_store/cached_file.rs`), and a page that comes once it is full takes the place
//! of others of its part; where there are none it is let go of at once. A few long pages fill it, and from then on
//! what leads to all others, a branch of 4 KiB, may be read from the file again for each session of a page.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;

use super::known::OfPlace;
use crate::raw::PAGE;

type Pages = HashMap<u64, Box<[u8]>, BuildHasherDefault<OfPlace>>;

/// Pages that were right when they were read, by where they begin.
#[derive(Debug, Default)]
pub(super) struct Short {
    /// So many, before those that nobody has asked for since as many others came are let go of.
    most: usize,
    asked_for: Pages,
    before: Pages,
    /// How often anything was written: what was read before may be another page by now.
    writes: u64,
}

/// How often anything was written before a page was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Writes(u64);

impl Short {
    /// Keeps no more than so many bytes.
    pub(super) fn new(bytes: usize) -> Self {
        Self {
            most: bytes / PAGE / 2,
            ..Self::default()
        }
    }

    /// Gives a page that is kept; else what is to be told when it was read.
    pub(super) fn get(&mut self, at: u64, out: &mut [u8]) -> Result<(), Writes> {
        let unknown = Writes(self.writes);
        if out.len() != PAGE {
            return Err(unknown);
        }
        if let Some(page) = self.asked_for.get(&at) {
            out.copy_from_slice(page);
            return Ok(());
        }
        let page = self.before.remove(&at).ok_or(unknown)?;
        out.copy_from_slice(&page);
        self.keep(at, page);
        Ok(())
    }

    /// Keeps a page, if it is as short as any and nothing was written since it was asked for.
    pub(super) fn put(&mut self, at: u64, page: &[u8], asked: Writes) {
        if page.len() == PAGE && self.most > 0 && asked.0 == self.writes {
            self.before.remove(&at);
            self.keep(at, page.into());
        }
    }

    fn keep(&mut self, at: u64, page: Box<[u8]>) {
        if self.asked_for.len() >= self.most {
            self.before = std::mem::take(&mut self.asked_for);
        }
        self.asked_for.insert(at, page);
    }

    /// So many bytes are written at `at`.
    pub(super) fn write(&mut self, at: u64, len_bytes: usize) {
        self.writes += 1;
        for at in (at..at.saturating_add(len_bytes as u64)).step_by(PAGE) {
            self.asked_for.remove(&at);
            self.before.remove(&at);
        }
    }

    /// The file has another length.
    pub(super) fn clear(&mut self) {
        self.writes += 1;
        self.asked_for.clear();
        self.before.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGES: usize = 8;

    fn at(number: usize) -> u64 {
        (number * PAGE) as u64
    }

    /// A page of its number, which is read if it is not kept.
    fn ask(short: &mut Short, number: usize) -> bool {
        let mut page = [0; PAGE];
        let is_kept = match short.get(at(number), &mut page) {
            Ok(()) => true,
            Err(asked) => {
                page.fill(number as u8);
                short.put(at(number), &page, asked);
                false
            }
        };
        assert!(page.iter().all(|&byte| byte == number as u8));
        is_kept
    }

    #[test]
    fn a_page_is_kept_for_as_long_as_it_is_asked_for_and_no_more_are_than_there_may_be() {
        let mut short = Short::new(PAGES * PAGE);
        assert!(!ask(&mut short, 0));
        for number in 1..10 * PAGES {
            assert!(!ask(&mut short, number));
            assert!(ask(&mut short, 0));
            assert!(short.asked_for.len() + short.before.len() <= PAGES);
        }
        assert!(!ask(&mut short, 1));
    }

    #[test]
    fn what_is_written_over_is_not_kept_wherever_in_it_a_page_begins() {
        let mut short = Short::new(PAGES * PAGE);
        for number in 0..4 {
            ask(&mut short, number);
        }
        short.write(at(1), 2 * PAGE);
        assert_eq!(
            [0, 1, 2, 3].map(|number| ask(&mut short, number)),
            [true, false, false, true]
        );
        short.clear();
        assert!(!ask(&mut short, 0));
    }

    #[test]
    fn what_was_read_before_anything_was_written_is_not_kept_after_it() {
        let mut short = Short::new(PAGES * PAGE);
        let mut page = [0; PAGE];
        let asked = short.get(at(1), &mut page).expect_err("nobody read it");
        short.write(at(1), PAGE);
        short.put(at(1), &page, asked);
        assert!(!ask(&mut short, 1));
    }

    #[test]
    fn longer_pages_are_the_databases_and_none_is_kept_where_there_is_no_room() {
        let mut short = Short::new(PAGES * PAGE);
        let mut page = [0; 2 * PAGE];
        let asked = short.get(0, &mut page).expect_err("nobody read it");
        short.put(0, &page, asked);
        assert!(short.get(0, &mut page).is_err());
        let mut none = Short::new(0);
        ask(&mut none, 1);
        assert!(!ask(&mut none, 1));
    }
}
