//! In which page a row has its place.

use super::header::Root;
use super::page::{Kind, Widths, children, covered, kind};
use super::reach::{Key, key};
use super::{Snapshot, checksum};

impl Snapshot {
    /// Whether a leaf is to be at `at` that has the place of rows of a table with such keys, and may have so many: as
    /// the branches tell that are what they were, and a page beside it.
    pub(crate) fn has_their_place(
        &self,
        table: &str,
        keys: [Key; 2],
        rows: usize,
        at: u64,
    ) -> bool {
        keys.into_iter()
            .all(|key| self.has_place(table, key, rows, at).unwrap_or(false))
    }

    fn has_place(&self, table: &str, wanted: Key, rows: usize, at: u64) -> Option<bool> {
        let table = self.tables.get(table)?;
        let mut root = table.root?;
        let mut beside: Option<Vec<Root>> = None;
        loop {
            if self.place_of(root)? == at {
                return Some(match beside {
                    None => table.rows == rows as u64,
                    Some(beside) => beside.into_iter().any(|it| self.is_leaf(it, table.widths)),
                });
            }
            let page = self.sound(root, table.widths)?;
            let below = children(&page, table.widths);
            let leads = below
                .iter()
                .position(|child| child.up_to.is_none_or(|up_to| wanted <= key(up_to)))?;
            root = below[leads].root;
            let mut others = below
                .into_iter()
                .map(|child| child.root)
                .collect::<Vec<_>>();
            others.swap_remove(leads);
            beside = Some(others);
        }
    }

    fn place_of(&self, root: Root) -> Option<u64> {
        root.page.span(self.header.geometry).map(|(at, _)| at)
    }

    fn is_leaf(&self, root: Root, widths: Widths) -> bool {
        self.sound(root, widths)
            .is_some_and(|page| kind(&page) == Some(Kind::Leaf))
    }

    /// A page, if it is what it was.
    fn sound(&self, root: Root, widths: Widths) -> Option<Vec<u8>> {
        let (at, len) = root.page.span(self.header.geometry)?;
        let page = self.file.read(at, len).ok()?;
        let is_sound = covered(&page, widths).is_some_and(|it| checksum(it) == root.checksum);
        is_sound.then_some(page)
    }
}
