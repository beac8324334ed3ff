//! The pages above the leaves, which lead to all others; and the leaves that are written anew.
//!
//! redb believes each. One that was altered may lead it to a page of another table, or back to where it came
//! from; who then writes sets that page free, though it is in use, and what is written next takes its place. So
//! nothing is to be written to a file before these were looked at: they are one in a hundred or fewer. Of a leaf
//! redb writes what rows it finds into another: one that says it has fewer than it has would lose them.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::ops::Range;

use super::header::Root;
use super::page::{Geometry, Kind, PAGE, Widths, children, covered, kind, leaf_rows};
use super::{RawFile, Snapshot, checksum};

/// The longest leaf that is looked at before it is written anew.
const MAX_LEAF_BYTES: usize = 4 * PAGE;

/// How far down a look at a table goes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Depth<'a> {
    /// Not at all: its pages are not gone by.
    Nothing,
    /// To the pages that lead to others.
    Branches,
    /// To these, and to the leaves that a commit writes anew.
    Written(Written<'a>),
    /// To every page.
    Leaves,
}

/// The leaves of a table, whose keys begin with a slot, that a fold writes anew: those with the last rows of some
/// slots. A leaf of more than [`MAX_LEAF_BYTES`] is not looked at: of its bytes hardly any says where its rows are,
/// and reading them would cost as much as the fold.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Written<'a> {
    pub(crate) slots: &'a BTreeSet<u64>,
    /// Whether a row has a checksum of its own, which is right and covers its key. Of a leaf that is damaged
    /// such a row says that where the rows are in it is not: as they are, they can be written again.
    pub(crate) proves_itself: fn(&[u8], &[u8]) -> bool,
}

impl Snapshot {
    /// What is wrong with the first page that is not what it was, of those that redb keeps for itself, of the
    /// list of tables, and of each table as far down as `depth` says; `None` where all are.
    pub(crate) fn first_bad_page<'a>(&self, depth: impl Fn(&str) -> Depth<'a>) -> Option<String> {
        self.look_at_the_system();
        if let Some(bad) = self.take_bad().first() {
            return Some(format!("a page of {}: {}", bad.table, bad.problem));
        }
        self.tables.iter().find_map(|(name, table)| {
            let trunk = Trunk {
                file: &self.file,
                geometry: self.header.geometry,
                widths: table.widths,
                depth: depth(name),
                before: Cell::new(None),
            };
            let problem = trunk.look(table.root?).err()?;
            Some(format!("a page of {name}: {problem}"))
        })
    }
}

struct Trunk<'a> {
    file: &'a RawFile,
    geometry: Geometry,
    widths: Widths,
    depth: Depth<'a>,
    /// The leaf that was come to before.
    before: Cell<Option<Place>>,
}

/// A page as it is now.
struct Page {
    at: u64,
    bytes: Vec<u8>,
    is_sound: bool,
}

/// A page to be looked at, and the slots that rows below it can have.
#[derive(Clone, Copy)]
struct Place {
    root: Root,
    first: u64,
    /// `None` where there are no rows behind it.
    last: Option<u64>,
}

impl Trunk<'_> {
    fn look(&self, root: Root) -> Result<(), String> {
        if matches!(self.depth, Depth::Nothing) {
            return Ok(());
        }
        let page = self.page(root)?;
        let place = Place {
            root,
            first: 0,
            last: None,
        };
        match (kind(&page.bytes), self.depth) {
            // What it was is not known where it is damaged; what it is leads nowhere.
            (Some(Kind::Leaf), Depth::Branches) => Ok(()),
            (Some(Kind::Leaf), Depth::Written(_)) => self.descend(place, 0),
            (Some(Kind::Branch), _) if page.is_sound => {
                self.descend(place, self.height(&page.bytes))
            }
            (Some(Kind::Leaf | Kind::Branch) | None, _) => page.sound().map(drop),
        }
    }

    /// How many steps it is from a branch that is sound to a leaf: the same for each leaf of a table.
    fn height(&self, branch: &[u8]) -> usize {
        let below = children(branch, self.widths).into_iter();
        let mut pages = below.filter_map(|child| self.page(child.root).ok());
        let is_branch = |page: &Page| kind(&page.bytes) == Some(Kind::Branch);
        let mut leads_on = false;
        let told = pages.find(|page| {
            leads_on |= is_branch(page);
            page.is_sound
        });
        match told {
            Some(page) if is_branch(&page) => 1 + self.height(&page.bytes),
            Some(_) => 1,
            // Whoever goes there finds out why.
            None => 1 + usize::from(leads_on),
        }
    }

    /// Looks at a page and those below it.
    fn descend(&self, place: Place, height: usize) -> Result<(), String> {
        match (height, self.depth) {
            (0, Depth::Nothing | Depth::Branches) => Ok(()),
            (0, Depth::Leaves) => self.page(place.root)?.sound().map(drop),
            (0, Depth::Written(written)) => self.can_be_written_again(place, written),
            _ => {
                let branch = self.page(place.root)?.sound()?;
                if height == 1 && !self.goes_on_below(place) {
                    return Ok(());
                }
                let mut below = children(&branch, self.widths).into_iter();
                below.try_for_each(|child| {
                    let below = Place {
                        root: child.root,
                        first: child.above.map_or(place.first, slot_of),
                        last: child.up_to.map(slot_of).or(place.last),
                    };
                    self.descend(below, height - 1)
                })
            }
        }
    }

    /// Whether any leaf below the last of the branches is to be looked at.
    fn goes_on_below(&self, place: Place) -> bool {
        match self.depth {
            Depth::Nothing | Depth::Branches => false,
            Depth::Leaves => true,
            Depth::Written(written) => place.has_some(written.slots),
        }
    }

    /// Whether writing the rows of a leaf again, if a fold does, leaves each as it is.
    fn can_be_written_again(&self, place: Place, written: Written<'_>) -> Result<(), String> {
        let before = self.before.replace(Some(place));
        if !place.has_the_end_of_one(written.slots) {
            return Ok(());
        }
        // The last row may be the last of the leaf before.
        before.into_iter().chain([place]).try_for_each(|place| {
            let len = place
                .root
                .page
                .span(self.geometry)
                .map_or(0, |(_, len)| len);
            if len > MAX_LEAF_BYTES {
                return Ok(());
            }
            let page = self.page(place.root)?;
            match page.is_sound || self.has_its_rows_in_order(&page.bytes, place, written) {
                true => Ok(()),
                false => page.sound().map(drop),
            }
        })
    }

    /// Whether the rows of a leaf that is not what it was are where they were.
    fn has_its_rows_in_order(&self, leaf: &[u8], place: Place, written: Written<'_>) -> bool {
        let rows = leaf_rows(leaf, self.widths);
        let keys: Vec<_> = rows
            .iter()
            .map(|(key, _)| numbers(&leaf[key.clone()]))
            .collect();
        let proves_itself = |(key, value): &(Range<usize>, Range<usize>)| {
            (written.proves_itself)(&leaf[key.clone()], &leaf[value.clone()])
        };
        rows.len() == usize::from(u16::from_le_bytes([leaf[2], leaf[3]]))
            && keys.is_sorted_by(|one, next| one < next)
            && keys.iter().all(|key| place.can_have(key[0]))
            && (rows.len() == 1 || rows.iter().any(proves_itself))
    }

    fn page(&self, root: Root) -> Result<Page, String> {
        let (at, len) = root
            .page
            .span(self.geometry)
            .ok_or("its number is none that there could be")?;
        if at >= self.file.len() {
            return Err(format!("at byte {at}, beyond the end of the file"));
        }
        let bytes = self
            .file
            .read(at, len)
            .map_err(|error| format!("at byte {at}, cannot be read: {error}"))?;
        let is_sound =
            covered(&bytes, self.widths).is_some_and(|bytes| checksum(bytes) == root.checksum);
        Ok(Page {
            at,
            bytes,
            is_sound,
        })
    }
}

impl Place {
    fn has_some(self, slots: &BTreeSet<u64>) -> bool {
        let next = slots.range(self.first..).next();
        next.is_some_and(|slot| self.can_have(*slot))
    }

    fn can_have(self, slot: u64) -> bool {
        self.first <= slot && self.last.is_none_or(|last| slot <= last)
    }

    /// Whether the place behind all rows of one of these is here.
    fn has_the_end_of_one(self, slots: &BTreeSet<u64>) -> bool {
        let next = slots.range(self.first..).next();
        next.is_some_and(|slot| self.last.is_none_or(|last| *slot < last))
    }
}

impl Page {
    fn sound(self) -> Result<Vec<u8>, String> {
        match self.is_sound {
            true => Ok(self.bytes),
            false => Err(format!(
                "at byte {}, its checksum is not that of its bytes",
                self.at
            )),
        }
    }
}

/// The numbers that a key is made of.
fn numbers(key: &[u8]) -> Vec<u64> {
    let numbers = key.as_chunks().0.iter();
    numbers.map(|bytes| u64::from_le_bytes(*bytes)).collect()
}

fn slot_of(key: &[u8]) -> u64 {
    key.first_chunk()
        .map_or(0, |bytes| u64::from_le_bytes(*bytes))
}
