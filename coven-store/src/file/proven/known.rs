//! What is known of the pages of a file.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use super::LOOKED_AT_BYTES;
use crate::raw::{PAGE, Told, Widths, page_sum};

/// How many pages are known before those that nobody has asked for since as many others came are forgotten: twice
/// that, at some thirty bytes each, which is as many as two tables of 2^17 places have.
const MOST: usize = 7 << 14;

/// What is known of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Page {
    sum: u64,
    /// Its length is a power of two times that of the shortest.
    order: u8,
    known_from: From,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum From {
    /// It was written since the file was opened.
    Write,
    /// What leads to it tells what it is; and how wide keys and values are there.
    Page { key: Option<u8>, value: Option<u8> },
}

impl Page {
    pub(super) fn written(page: &[u8]) -> Self {
        Self {
            sum: page_sum(&page[..page.len().min(LOOKED_AT_BYTES)]),
            order: order_of(page.len()),
            known_from: From::Write,
        }
    }

    /// What is told of it at `at`; `None` of one that was written.
    pub(super) fn told(self, at: u64) -> Option<Told> {
        match self.known_from {
            From::Write => None,
            From::Page { key, value } => Some(Told {
                at,
                len_bytes: PAGE << self.order,
                sum: self.sum,
                widths: Widths {
                    key: key.map(usize::from),
                    value: value.map(usize::from),
                },
            }),
        }
    }

    /// `None` of a table that has wider keys or values than any of ours.
    fn of(told: Told) -> Option<Self> {
        let short = |width: Option<usize>| width.map(u8::try_from).transpose().ok();
        Some(Self {
            sum: told.sum,
            order: order_of(told.len_bytes),
            known_from: From::Page {
                key: short(told.widths.key)?,
                value: short(told.widths.value)?,
            },
        })
    }
}

const fn order_of(len_bytes: usize) -> u8 {
    (len_bytes / PAGE).trailing_zeros() as u8
}

type Pages = HashMap<u64, Page, BuildHasherDefault<OfPlace>>;

/// By where they begin.
#[derive(Debug, Default)]
pub(super) struct Known {
    asked_for: Pages,
    before: Pages,
    /// Written since the last commit: nothing leads to them yet, so none is forgotten.
    new: Pages,
}

/// Of a place in a file, which nobody chooses to have many of that are alike.
#[derive(Default)]
pub(super) struct OfPlace(u64);

impl Hasher for OfPlace {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {
        unreachable!("a place is a number")
    }

    fn write_u64(&mut self, place: u64) {
        // 2^64 by the golden ratio: it has all bits of the place in the upper ones.
        self.0 = (place / PAGE as u64)
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
            .rotate_left(32);
    }
}

impl Known {
    /// What is known of the page at `at`; `None` of one of another length, which is not there any more.
    pub(super) fn get(&mut self, at: u64, len_bytes: usize) -> Option<Page> {
        let known = self
            .new
            .get(&at)
            .or_else(|| self.asked_for.get(&at))
            .copied();
        let page = match known {
            Some(page) => page,
            None => {
                let page = self.before.remove(&at)?;
                self.put(at, page);
                page
            }
        };
        (page.order == order_of(len_bytes)).then_some(page)
    }

    /// That was written there.
    pub(super) fn write(&mut self, at: u64, page: Page) {
        self.forget(at);
        self.new.insert(at, page);
    }

    /// There is a commit: something leads to what was written before, if it is of use.
    pub(super) fn commit(&mut self) {
        for (at, page) in std::mem::take(&mut self.new) {
            self.put(at, page);
        }
    }

    /// Something leads to a page. What was written there since is known better.
    pub(super) fn tell(&mut self, told: Told) {
        let Some(page) = Page::of(told) else {
            return;
        };
        match self.get(told.at, told.len_bytes) {
            // A branch is read again and again.
            Some(known) if known == page || known.known_from == From::Write => {}
            Some(_) | None => {
                self.forget(told.at);
                self.put(told.at, page);
            }
        }
    }

    pub(super) fn forget(&mut self, at: u64) {
        self.new.remove(&at);
        self.asked_for.remove(&at);
        self.before.remove(&at);
    }

    /// Whether anything was written since the last commit.
    #[cfg(test)]
    pub(super) fn has_new(&self) -> bool {
        !self.new.is_empty()
    }

    fn put(&mut self, at: u64, page: Page) {
        if self.asked_for.len() >= MOST {
            self.before = std::mem::take(&mut self.asked_for);
        }
        self.asked_for.insert(at, page);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOLD: Told = Told {
        at: 4096,
        len_bytes: PAGE,
        sum: 7,
        widths: Widths {
            key: Some(16),
            value: None,
        },
    };

    #[test]
    fn what_was_written_is_known_better_than_what_is_told() {
        let mut known = Known::default();
        let written = Page::written(&[1; PAGE]);
        known.write(TOLD.at, written);
        for () in [(), known.commit()] {
            known.tell(TOLD);
            assert_eq!(known.get(TOLD.at, PAGE), Some(written));
        }
        // A page of another length has its place.
        assert_eq!(known.get(TOLD.at, 2 * PAGE), None);
    }

    #[test]
    fn what_nobody_asks_for_is_forgotten_and_what_somebody_does_or_is_not_committed_is_not() {
        let mut known = Known::default();
        known.tell(TOLD);
        known.tell(Told { at: 0, ..TOLD });
        let written = 2 * TOLD.at;
        known.write(written, Page::written(&[]));
        for number in 3..3 * MOST as u64 {
            known.tell(Told {
                at: number * PAGE as u64,
                ..TOLD
            });
            assert!(known.get(TOLD.at, PAGE).is_some());
        }
        assert_eq!(known.get(0, PAGE), None);
        assert_eq!(known.new.len(), 1);
        known.commit();
        assert!(known.asked_for.contains_key(&written));
        assert!(known.asked_for.len() + known.before.len() <= 2 * MOST);
    }
}
