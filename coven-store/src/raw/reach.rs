//! Going to some rows of a table whose keys are numbers, and to no page that cannot have any of them.

use super::header::Root;
use super::page::{Kind, Widths, children, covered, kind, leaf_rows};
use super::{Snapshot, checksum};

/// A key of two numbers; the second one of a key that is one number is 0.
pub(crate) type Key = (u64, u64);

/// In which order pages are met. The rows of one are always by key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Forward,
    Backward,
}

/// A page that may have rows that are asked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Leaf {
    /// Those that are asked for, by key. Where the page is damaged, up to the first key that cannot be there,
    /// and only what proves itself by a checksum of its own that covers its key can be believed.
    pub(crate) rows: Vec<(Key, Vec<u8>)>,
    /// What is wrong with it, if anything is: it may have had other rows.
    pub(crate) problem: Option<String>,
    /// Its keys are up to this one.
    pub(crate) up_to: Option<Key>,
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
    /// A branch that is damaged, once all that is left below it was met.
    Damaged(Leaf),
}

#[derive(Clone, Copy)]
struct Place {
    root: Root,
    above: Option<Key>,
    up_to: Option<Key>,
    parent_is_sound: bool,
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
    /// A leaf; `None` of a branch, whose children are looked at next, and where nothing can be said of a page
    /// below one that is told to be damaged.
    fn look(&mut self, place: Place) -> Option<Leaf> {
        let page = match self.page(place.root) {
            Ok(page) => page,
            Err(problem) => return place.damaged(problem),
        };
        let covered = covered(&page, self.widths);
        let is_sound = covered.is_some_and(|bytes| checksum(bytes) == place.root.checksum);
        match kind(&page) {
            Some(Kind::Leaf) if is_sound => Some(Leaf {
                rows: self.rows(&page, place),
                problem: None,
                up_to: place.up_to,
            }),
            Some(Kind::Branch) if is_sound => {
                self.go_down(&page, place);
                None
            }
            found => {
                let mut leaf = place.damaged("its checksum is not that of its bytes".to_owned())?;
                match found {
                    Some(Kind::Branch) => {
                        self.go_past(&page, place, leaf);
                        None
                    }
                    Some(Kind::Leaf) => {
                        leaf.rows = self.rows(&page, place);
                        Some(leaf)
                    }
                    None => Some(leaf),
                }
            }
        }
    }

    fn page(&self, root: Root) -> Result<Vec<u8>, String> {
        let file = &self.snapshot.file;
        let (at, len) = root
            .page
            .span(self.snapshot.header.geometry)
            .ok_or("its number is none that there could be")?;
        if at >= file.len() {
            return Err("it is beyond the end of the file".to_owned());
        }
        file.read(at, len)
            .map_err(|error| format!("it cannot be read: {error}"))
    }

    /// The rows that are asked for, up to the first whose key cannot be where it is.
    fn rows(&self, page: &[u8], place: Place) -> Vec<(Key, Vec<u8>)> {
        let mut before = place.above;
        let rows = leaf_rows(page, self.widths).into_iter();
        rows.map(|(key, value)| (number(&page[key]), value))
            .take_while(|(key, _)| {
                let is_behind = before.replace(*key).is_none_or(|before| before < *key);
                is_behind && place.up_to.is_none_or(|up_to| *key <= up_to)
            })
            .filter(|(key, _)| (self.from..=self.to).contains(key))
            .map(|(key, value)| (key, page[value].to_vec()))
            .collect()
    }

    fn go_down(&mut self, page: &[u8], place: Place) {
        let below = children(page, self.widths).into_iter().map(|child| Place {
            root: child.root,
            above: child.above.map(number).or(place.above),
            up_to: child.up_to.map(number).or(place.up_to),
            parent_is_sound: true,
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
    fn go_past(&mut self, page: &[u8], place: Place, leaf: Leaf) {
        let below = children(page, self.widths).into_iter().map(|child| Place {
            root: child.root,
            parent_is_sound: false,
            ..place
        });
        let below = below.collect();
        self.ahead.push(Ahead::Damaged(leaf));
        self.push(below);
    }

    fn push(&mut self, mut below: Vec<Place>) {
        if self.order == Order::Forward {
            below.reverse();
        }
        self.ahead.extend(below.into_iter().map(Ahead::Page));
    }
}

impl Place {
    /// Below a page that is damaged, what is wrong follows from that.
    fn damaged(self, problem: String) -> Option<Leaf> {
        self.parent_is_sound.then(|| Leaf {
            rows: Vec::new(),
            problem: Some(problem),
            up_to: self.up_to,
        })
    }
}

impl Iterator for Reach<'_> {
    type Item = Leaf;

    fn next(&mut self) -> Option<Leaf> {
        loop {
            match self.ahead.pop()? {
                Ahead::Damaged(leaf) => return Some(leaf),
                Ahead::Page(place) => {
                    if let Some(leaf) = self.look(place) {
                        return Some(leaf);
                    }
                }
            }
        }
    }
}

/// A key as redb has it.
fn number(key: &[u8]) -> Key {
    let at = |at: usize| {
        let bytes = key.get(at..at + 8).and_then(|bytes| bytes.try_into().ok());
        bytes.map_or(0, u64::from_le_bytes)
    };
    (at(0), at(8))
}
