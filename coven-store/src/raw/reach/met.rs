//! What is remembered of pages below branches that are damaged. Any of those may have any rows, so who asks for one
//! session after the other would read them all each time.

use std::cell::RefCell;
use std::collections::HashMap;

use super::{Key, Leaf, Place, Reach, key};
use crate::raw::checksum;
use crate::raw::page::{Kind, Widths, children, covered, first_leaf_rows, kind};

/// The pages that were met, by where they are and what they are to be.
#[derive(Debug, Default)]
pub(in crate::raw) struct AllMet(RefCell<HashMap<(Place, Widths), Met>>);

#[derive(Debug)]
enum Met {
    /// One that is what was written: it has rows, or leads to them, from one key to another.
    Rows { first: Key, last: Key },
    /// Nothing that could be believed, for that reason.
    Nothing(String),
}

impl Reach<'_> {
    /// What there is of a page that was met, if that is none of the rows that are asked for.
    pub(super) fn met(&self, place: Place) -> Option<Leaf> {
        let all = self.snapshot.met.0.borrow();
        match all.get(&(place, self.widths))? {
            Met::Rows { first, last } if *last < self.from || *first > self.to => Some(Leaf {
                may_be_another: place.may_be_another,
                ..Leaf::default()
            }),
            Met::Rows { .. } => None,
            Met::Nothing(problem) => Some(Leaf::damaged(problem.clone())),
        }
    }

    /// Remembers a page that is what was written.
    pub(super) fn remember(&self, place: Place, page: &[u8]) {
        let is_known = || {
            self.snapshot
                .met
                .0
                .borrow()
                .contains_key(&(place, self.widths))
        };
        if !place.parent_is_sound
            && !is_known()
            && let (Some(first), Some(last)) = (
                self.end(page, place, End::First),
                self.end(page, place, End::Last),
            )
        {
            self.put(place, Met::Rows { first, last });
        }
    }

    /// Remembers that nothing in a place can be believed.
    pub(super) fn nothing_there(&self, place: Place, problem: String) -> Leaf {
        if !place.parent_is_sound {
            self.put(place, Met::Nothing(problem.clone()));
        }
        Leaf::damaged(problem)
    }

    fn put(&self, place: Place, met: Met) {
        let mut all = self.snapshot.met.0.borrow_mut();
        all.insert((place, self.widths), met);
    }

    /// The first key or the last one at or below a page that is what was written; `None` where a page on the way there
    /// is not, or has its rows in no order.
    fn end(&self, page: &[u8], place: Place, end: End) -> Option<Key> {
        if kind(page) == Some(Kind::Leaf) {
            let rows = first_leaf_rows(page, self.widths).into_iter();
            let keys: Vec<Key> = rows.map(|(at, _)| key(&page[at])).collect();
            let is_in_order = keys.is_sorted() && keys.iter().all(|key| place.has(*key));
            return end.of(&keys).copied().filter(|_| is_in_order);
        }
        let below = children(page, self.widths);
        let child = end.of(&below)?.root;
        let place = Place {
            root: child,
            parent_is_sound: true,
            ..place
        };
        let page = self.page(place).ok()?;
        let sum = checksum(covered(&page, self.widths)?);
        (sum == child.checksum)
            .then(|| self.end(&page, place, end))
            .flatten()
    }
}

#[derive(Clone, Copy)]
enum End {
    First,
    Last,
}

impl End {
    fn of<T>(self, all: &[T]) -> Option<&T> {
        match self {
            Self::First => all.first(),
            Self::Last => all.last(),
        }
    }
}
