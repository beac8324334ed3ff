//! In which page a row has its place, and what leads to a page.

use super::header::Root;
use super::page::{Kind, Widths, children, count, covered, first_leaf_rows, kind};
use super::reach::key;
use super::told::Told;
use super::{Snapshot, checksum};
use crate::database::if_given;

/// As much of a page as says what it is, and how many rows it has.
const BEGIN_BYTES: usize = 4;

/// What the last commit tells of a page.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Lead {
    /// A branch that is what it was.
    Told(Told),
    /// Nothing leads there.
    Nothing,
    /// Something may: what might lead there is damaged.
    Unclear,
}

/// Where a page is that was looked for below another.
enum Found {
    Here(Root),
    Nowhere,
    /// A page that may lead there is not what it was.
    Unclear,
}

impl Snapshot {
    /// Whether the leaf with a place in the file, and so many bytes, is to have the row of a table with such a key, and no
    /// other: as the branches tell that are what they were, and as all other leaves have one row less than the table. Of
    /// each of these a few bytes are read.
    pub(crate) fn is_place_of_one(&self, table: &str, first: &[u8], leaf: (u64, usize)) -> bool {
        let Some(table) = self.tables.get(table) else {
            return false;
        };
        let Some(root) = table.root else {
            return false;
        };
        let is_it = |root: Root| root.page.span(self.header.geometry) == Some(leaf);
        self.down_to(root, table.widths, first, is_it).is_some()
            && self.rows_beside(root, table.widths, &is_it) == table.rows.checked_sub(1)
    }

    /// How many rows all leaves below a page say that they have, but for one; `None` where that cannot be told.
    fn rows_beside(
        &self,
        root: Root,
        widths: Widths,
        is_it: &impl Fn(Root) -> bool,
    ) -> Option<u64> {
        if is_it(root) {
            return Some(0);
        }
        let (at, _) = root.page.span(self.header.geometry)?;
        let begin = if_given(|| self.file.read(at, BEGIN_BYTES))?.ok()?;
        match kind(&begin)? {
            Kind::Leaf => u64::try_from(count(&begin)).ok(),
            Kind::Branch => {
                let page = self.branch(root, widths)?;
                let mut below = children(&page, widths).into_iter();
                below.try_fold(0_u64, |rows, child| {
                    rows.checked_add(self.rows_beside(child.root, widths, is_it)?)
                })
            }
        }
    }

    /// What leads to the page at `at`.
    pub(crate) fn lead_to(&self, at: u64, page: &[u8]) -> Lead {
        let roots = self.roots();
        let wanted = |root: Root| root.page.span(self.header.geometry) == Some((at, page.len()));
        let by_key = |&(root, widths): &(Root, Widths)| {
            let first = first_key(page, widths)?;
            let found = self.down_to(root, widths, first, wanted)?;
            self.teller().told(found, widths)
        };
        if let Some(told) = roots.iter().find_map(by_key) {
            return Lead::Told(told);
        }
        let mut lead = match self.has_bad() {
            // In the lists of tables: those that are not known may lead there.
            true => Lead::Unclear,
            false => Lead::Nothing,
        };
        for (root, widths) in roots {
            match self.find_below(root, widths, &wanted) {
                Found::Here(root) => match self.teller().told(root, widths) {
                    Some(told) => return Lead::Told(told),
                    None => lead = Lead::Unclear,
                },
                Found::Unclear => lead = Lead::Unclear,
                Found::Nowhere => {}
            }
        }
        lead
    }

    /// The page that is wanted, on the way to where a key has its place.
    fn down_to(
        &self,
        mut root: Root,
        widths: Widths,
        first: &[u8],
        is_wanted: impl Fn(Root) -> bool,
    ) -> Option<Root> {
        while !is_wanted(root) {
            let page = self.branch(root, widths)?;
            let mut below = children(&page, widths).into_iter();
            let leads = below.find(|child| {
                child
                    .up_to
                    .is_none_or(|up_to| is_up_to(first, up_to, widths))
            });
            root = leads?.root;
        }
        Some(root)
    }

    /// The page that is wanted, from this one on: of pages that lead to none no more than one is read.
    fn find_below(&self, root: Root, widths: Widths, is_wanted: &impl Fn(Root) -> bool) -> Found {
        if is_wanted(root) {
            return Found::Here(root);
        }
        let Some(page) = self.sound(root, widths) else {
            return Found::Unclear;
        };
        if kind(&page) == Some(Kind::Leaf) {
            return Found::Nowhere;
        }
        let below: Vec<Root> = children(&page, widths)
            .into_iter()
            .map(|child| child.root)
            .collect();
        if let Some(found) = below.iter().find(|it| is_wanted(**it)) {
            return Found::Here(*found);
        }
        if below.iter().any(|it| self.is_leaf(*it, widths)) {
            return Found::Nowhere;
        }
        let mut found = Found::Nowhere;
        for root in below {
            match self.find_below(root, widths, is_wanted) {
                Found::Here(root) => return Found::Here(root),
                Found::Unclear => found = Found::Unclear,
                Found::Nowhere => {}
            }
        }
        found
    }

    fn is_leaf(&self, root: Root, widths: Widths) -> bool {
        self.sound(root, widths)
            .is_some_and(|page| kind(&page) == Some(Kind::Leaf))
    }

    fn branch(&self, root: Root, widths: Widths) -> Option<Vec<u8>> {
        let page = self.sound(root, widths)?;
        (kind(&page) == Some(Kind::Branch)).then_some(page)
    }

    /// A page, if it is what it was.
    fn sound(&self, root: Root, widths: Widths) -> Option<Vec<u8>> {
        let (at, len) = root.page.span(self.header.geometry)?;
        let page = self.file.read(at, len).ok()?;
        let is_sound = covered(&page, widths).is_some_and(|it| checksum(it) == root.checksum);
        is_sound.then_some(page)
    }
}

/// The first key of a page, if it may be one of a table with such keys and values.
fn first_key(page: &[u8], widths: Widths) -> Option<&[u8]> {
    match kind(page)? {
        Kind::Leaf => {
            let rows = first_leaf_rows(page, widths);
            let (key, _) = rows.first().filter(|_| rows.len() == count(page))?;
            Some(&page[key.clone()])
        }
        Kind::Branch => children(page, widths).first()?.up_to,
    }
}

/// Whether a key is not behind another: of numbers, or of text.
fn is_up_to(one: &[u8], other: &[u8], widths: Widths) -> bool {
    match widths.key {
        Some(_) => key(one) <= key(other),
        None => one <= other,
    }
}
