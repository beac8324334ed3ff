//! The pages above the leaves, which lead to all others.
//!
//! redb believes each. One that was altered may lead it to a page of another table, or back to where it came
//! from; who then writes sets that page free, though it is in use, and what is written next takes its place. So
//! nothing is to be written to a file before these were looked at: they are one in a hundred or fewer.

use super::header::Root;
use super::page::{Geometry, Kind, Widths, children, covered, kind};
use super::{RawFile, Snapshot, checksum};

/// How far down a look at a table goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Depth {
    /// Not at all: its pages are not gone by.
    Nothing,
    /// To the pages that lead to others.
    Branches,
    /// To every page.
    Leaves,
}

impl Snapshot {
    /// What is wrong with the first page that is not what it was, of those that redb keeps for itself, of the
    /// list of tables, and of each table as far down as `depth` says; `None` where all are.
    pub(crate) fn first_bad_page(&self, depth: impl Fn(&str) -> Depth) -> Option<String> {
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
    depth: Depth,
}

/// A page as it is now.
struct Page {
    at: u64,
    bytes: Vec<u8>,
    is_sound: bool,
}

impl Trunk<'_> {
    fn look(&self, root: Root) -> Result<(), String> {
        if self.depth == Depth::Nothing {
            return Ok(());
        }
        let page = self.page(root)?;
        match kind(&page.bytes) {
            // What it was is not known where it is damaged; what it is leads nowhere.
            Some(Kind::Leaf) if self.depth == Depth::Branches => Ok(()),
            Some(Kind::Branch) if page.is_sound => self.descend(root, self.height(&page.bytes)),
            Some(Kind::Leaf | Kind::Branch) | None => page.sound().map(drop),
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

    /// Looks at a page and all that are below it.
    fn descend(&self, root: Root, height: usize) -> Result<(), String> {
        if height == 0 && self.depth == Depth::Branches {
            return Ok(());
        }
        let page = self.page(root)?;
        let bytes = page.sound()?;
        if height == 0 {
            return Ok(());
        }
        children(&bytes, self.widths)
            .into_iter()
            .try_for_each(|child| self.descend(child.root, height - 1))
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
