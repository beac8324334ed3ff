//! All pages of a table, looked at without a look at its rows.

use super::header::Root;
use super::page::{Geometry, Kind, Widths, children, covered, kind};
use super::{RawFile, Snapshot, checksum};

impl Snapshot {
    /// What is wrong with the first page that is not what it was, of the list of tables and of those that are
    /// `wanted`; `None` where all are.
    pub(crate) fn first_bad_page(&self, wanted: impl Fn(&str) -> bool) -> Option<String> {
        if let Some(bad) = self.take_bad().first() {
            return Some(format!("a page of {}: {}", bad.table, bad.problem));
        }
        let tables = self.tables.iter().filter(|(name, _)| wanted(name));
        tables
            .filter_map(|(name, table)| Some((name, table.widths, table.root?)))
            .find_map(|(name, widths, root)| {
                let trunk = Trunk {
                    file: &self.file,
                    geometry: self.header.geometry,
                    widths,
                };
                let problem = trunk.look(root).err()?;
                Some(format!("a page of {name}: {problem}"))
            })
    }
}

struct Trunk<'a> {
    file: &'a RawFile,
    geometry: Geometry,
    widths: Widths,
}

impl Trunk<'_> {
    /// Looks at a page and at those below it. Each is below one that is what it was, so this ends.
    fn look(&self, root: Root) -> Result<(), String> {
        let page = self.page(root)?;
        if kind(&page) == Some(Kind::Leaf) {
            return Ok(());
        }
        let mut below = children(&page, self.widths).into_iter();
        below.try_for_each(|child| self.look(child.root))
    }

    /// A page that is what it was.
    fn page(&self, root: Root) -> Result<Vec<u8>, String> {
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
        match covered(&bytes, self.widths).is_some_and(|bytes| checksum(bytes) == root.checksum) {
            true => Ok(bytes),
            false => Err(format!(
                "at byte {at}, its checksum is not that of its bytes"
            )),
        }
    }
}
