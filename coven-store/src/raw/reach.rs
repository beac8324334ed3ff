//! Going to some rows of a table whose keys are numbers, and to no page that cannot have any of them.

mod met;
#[cfg(test)]
mod tests;

use std::ops::{Range, RangeInclusive};

use super::header::Root;
use super::page::{
    Kind, OUT_OF_ORDER, PAGE, Widths, children, covered, covered_end, first_leaf_rows, kind,
    leaf_rows,
};
use super::{Snapshot, checksum};
pub(super) use met::AllMet;

/// A key of two numbers; the second one of a key that is one number is 0.
pub(crate) type Key = (u64, u64);

const NOT_ITS_OWN: &str = "its checksum is not that of its bytes";

const NOT_GIVEN: &str = "the disk does not give all of it";

/// In which order pages are met. The rows of one are always by key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Forward,
    Backward,
}

/// A page that may have rows that are asked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Leaf {
    /// Those that are asked for, by key. Where the page is damaged, those that can be there, and only what
    /// proves itself by a checksum of its own that covers its key can be believed.
    pub(crate) rows: Vec<(Key, Vec<u8>)>,
    /// What is wrong with it, if anything is: it may have had others, or have led to them, before these and up to
    /// those of the page that is met next.
    pub(crate) problem: Option<String>,
    /// Something that leads to it, from however far above, is damaged: it may be of some commits before, or of
    /// another table.
    pub(crate) may_be_another: bool,
}

/// The pages of a table that may have rows from one key to another.
pub(crate) struct Reach<'a> {
    snapshot: &'a Snapshot,
    widths: Widths,
    from: Key,
    to: Key,
    order: Order,
    /// What is still to be looked at, the next one last.
    ahead: Vec<Ahead>,
}

enum Ahead {
    Page(Place),
    /// A branch that is damaged, once all that it leads to was met: it may have led to more.
    Damaged,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Place {
    root: Root,
    above: Option<Key>,
    up_to: Option<Key>,
    parent_is_sound: bool,
    /// Its parent is damaged, or one that leads to that.
    may_be_another: bool,
}

impl Place {
    /// Whether a page there can have that key.
    fn has(self, key: Key) -> bool {
        self.above.is_none_or(|above| above < key) && self.up_to.is_none_or(|up_to| key <= up_to)
    }
}

impl Snapshot {
    /// The pages of a table that may have rows with keys from `from` up to `to`. None where it is not known.
    pub(crate) fn reach(
        &self,
        name: &str,
        widths: Widths,
        (from, to): (Key, Key),
        order: Order,
    ) -> Reach<'_> {
        let place = self.root_of(name).map(|root| {
            Ahead::Page(Place {
                root,
                above: None,
                up_to: None,
                parent_is_sound: true,
                may_be_another: false,
            })
        });
        Reach {
            snapshot: self,
            widths,
            from,
            to,
            order,
            ahead: place.into_iter().collect(),
        }
    }
}

impl Reach<'_> {
    /// A leaf, or what is wrong with a page; `None` of a branch, whose children are looked at next.
    fn look(&mut self, place: Place) -> Option<Leaf> {
        if let Some(leaf) = self.met(place) {
            return Some(leaf);
        }
        let page = match self.page(place) {
            Ok(page) => page,
            Err(problem) => return Some(self.nothing_there(place, problem)),
        };
        let covered = covered(&page, self.widths);
        let is_sound = covered.is_some_and(|bytes| checksum(bytes) == place.root.checksum);
        match kind(&page) {
            Some(Kind::Branch) if is_sound => {
                self.remember(place, &page);
                self.go_down(&page, place);
                None
            }
            Some(Kind::Leaf) if is_sound => {
                self.remember(place, &page);
                Some(self.leaf(&page, place))
            }
            // That it belongs there is known from its parent alone.
            Some(Kind::Branch) if place.parent_is_sound => {
                self.go_past(&page, place);
                None
            }
            Some(Kind::Leaf) if place.parent_is_sound => Some(self.damaged_leaf(&page, place)),
            Some(Kind::Leaf | Kind::Branch) | None => {
                Some(self.nothing_there(place, NOT_ITS_OWN.to_owned()))
            }
        }
    }

    fn page(&self, place: Place) -> Result<Vec<u8>, String> {
        let file = &self.snapshot.file;
        let (at, len) = place
            .root
            .page
            .span(self.snapshot.header.geometry)
            .ok_or("its number is none that there could be")?;
        if at >= file.len() {
            return Err("it is beyond the end of the file".to_owned());
        }
        let given = |len| {
            let read = file.read_given(at, len)?;
            Some(read.map_err(|error| format!("it cannot be read: {error}")))
        };
        // What the disk does not give is no more in the way than bytes that are others.
        let not_given = || Err(NOT_GIVEN.to_owned());
        if place.parent_is_sound {
            match given(len) {
                Some(page) => return page,
                None if len == PAGE => return not_given(),
                None => {}
            }
        }
        // A long page is read as far as its checksum goes, where the disk does not give all of it; and where its
        // number is of a page that is damaged, which may have it as long as it likes.
        let first = given(PAGE).unwrap_or_else(not_given)?;
        match covered_end(&first, self.widths) {
            Some(end) if end <= PAGE => Ok(first),
            Some(end) if end <= len => given(end).unwrap_or_else(not_given),
            Some(_) | None => Err(NOT_ITS_OWN.to_owned()),
        }
    }

    /// A leaf that is what was written, whatever order its rows are in.
    fn leaf(&self, page: &[u8], place: Place) -> Leaf {
        let rows = first_leaf_rows(page, self.widths).into_iter();
        let mut rows: Vec<(Key, Range<usize>)> = rows
            .map(|(key, value)| (self::key(&page[key]), value))
            .collect();
        let is_in_order = rows.is_sorted_by(|(one, _), (next, _)| one < next)
            && rows.iter().all(|(key, _)| place.has(*key));
        rows.retain(|(key, _)| place.has(*key) && (self.from..=self.to).contains(key));
        rows.sort_by_key(|(key, _)| *key);
        Leaf {
            rows: bytes_of(rows, page),
            problem: (!is_in_order).then(|| OUT_OF_ORDER.to_owned()),
            may_be_another: place.may_be_another,
        }
    }

    /// The rows of one that is not that, if they are asked for and can be where they are.
    fn damaged_leaf(&self, page: &[u8], place: Place) -> Leaf {
        let rows = possible_rows(page, self.widths, place, self.from..=self.to);
        Leaf {
            rows: bytes_of(rows, page),
            ..Leaf::damaged(NOT_ITS_OWN)
        }
    }

    fn go_down(&mut self, page: &[u8], place: Place) {
        let below = children(page, self.widths).into_iter().map(|child| Place {
            root: child.root,
            above: child.above.map(key).or(place.above),
            up_to: child.up_to.map(key).or(place.up_to),
            parent_is_sound: true,
            ..place
        });
        let below = below.filter(|it| {
            it.above.is_none_or(|above| above < self.to)
                && it.up_to.is_none_or(|up_to| up_to >= self.from)
        });
        let below = below.collect();
        self.push(below);
    }

    /// Goes on below a branch that is damaged: which keys a child of it has nobody knows, but what the page is
    /// to be of which it says what checksum it has.
    fn go_past(&mut self, page: &[u8], place: Place) {
        let below = children(page, self.widths).into_iter().map(|child| Place {
            root: child.root,
            parent_is_sound: false,
            may_be_another: true,
            ..place
        });
        let below = below.collect();
        self.ahead.push(Ahead::Damaged);
        self.push(below);
    }

    fn push(&mut self, mut below: Vec<Place>) {
        if self.order == Order::Forward {
            below.reverse();
        }
        self.ahead.extend(below.into_iter().map(Ahead::Page));
    }
}

impl Leaf {
    fn damaged(problem: impl Into<String>) -> Self {
        Self {
            problem: Some(problem.into()),
            ..Self::default()
        }
    }

    /// Whether all that it has is as it was written last.
    pub(crate) const fn is_current(&self) -> bool {
        self.problem.is_none() && !self.may_be_another
    }

    /// Its rows that can be believed: if it is damaged, those that prove themselves.
    pub(crate) fn believed(
        &self,
        proves_itself: impl Fn(Key, &[u8]) -> bool,
    ) -> impl DoubleEndedIterator<Item = Key> {
        let rows = self.rows.iter();
        let believed =
            rows.filter(move |(key, row)| self.problem.is_none() || proves_itself(*key, row));
        believed.map(|(key, _)| *key)
    }
}

/// The rows of a leaf that is damaged, by key, if they are asked for and can be there.
fn possible_rows(
    page: &[u8],
    widths: Widths,
    place: Place,
    asked: RangeInclusive<Key>,
) -> Vec<(Key, Range<usize>)> {
    let rows = leaf_rows(page, widths).into_iter();
    let mut rows: Vec<(Key, Range<usize>)> =
        rows.map(|(at, value)| (key(&page[at]), value)).collect();
    rows.retain(|(key, _)| place.has(*key) && asked.contains(key));
    rows.sort_by_key(|(key, _)| *key);
    rows
}

fn bytes_of(rows: Vec<(Key, Range<usize>)>, page: &[u8]) -> Vec<(Key, Vec<u8>)> {
    let rows = rows.into_iter();
    rows.map(|(key, value)| (key, page[value].to_vec()))
        .collect()
}

impl Iterator for Reach<'_> {
    type Item = Leaf;

    fn next(&mut self) -> Option<Leaf> {
        loop {
            match self.ahead.pop()? {
                Ahead::Damaged => return Some(Leaf::damaged(NOT_ITS_OWN)),
                Ahead::Page(place) => {
                    if let Some(leaf) = self.look(place) {
                        return Some(leaf);
                    }
                }
            }
        }
    }
}

/// A key of one number or two, as redb has it.
pub(crate) fn key(bytes: &[u8]) -> Key {
    let at = |at: usize| {
        let bytes = bytes
            .get(at..at + 8)
            .and_then(|bytes| bytes.try_into().ok());
        bytes.map_or(0, u64::from_le_bytes)
    };
    (at(0), at(8))
}
