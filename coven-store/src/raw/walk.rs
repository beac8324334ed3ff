//! Going through a tree from left to right.

use std::collections::HashSet;
use std::rc::Rc;

use super::header::Root;
use super::page::{
    Geometry, Kind, OUT_OF_ORDER, PageNumber, Widths, children, covered, is_in_order, kind,
    leaf_rows,
};
use super::snapshot::{BadPage, Seen};
use super::{RawFile, checksum};

/// A row as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) key: Vec<u8>,
    pub(crate) value: Vec<u8>,
    /// Where the value is in the file.
    pub(crate) at: u64,
    /// Its page is what it was when it was written. Otherwise only what proves itself, by a
    /// checksum of its own that covers its key, can be believed.
    pub(crate) is_sound: bool,
    /// Which keys its page can have.
    pub(crate) bounds: Bounds,
}

/// Which keys can be below a page, as the pages above it say. A reader that looks for a key goes by
/// that.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Bounds(Rc<Between>);

#[derive(Debug, Default, PartialEq, Eq)]
struct Between {
    above: Option<Vec<u8>>,
    up_to: Option<Vec<u8>>,
    depth: usize,
}

impl Bounds {
    /// Of a page that so many lead to, for tests of who goes by them.
    #[cfg(test)]
    pub(crate) fn of(above: Option<Vec<u8>>, up_to: Option<Vec<u8>>, depth: usize) -> Self {
        Self(Rc::new(Between {
            above,
            up_to,
            depth,
        }))
    }

    /// They are above this one.
    pub(crate) fn above(&self) -> Option<&[u8]> {
        self.0.above.as_deref()
    }

    /// And up to this one.
    pub(crate) fn up_to(&self) -> Option<&[u8]> {
        self.0.up_to.as_deref()
    }

    /// How many pages lead to it, one to the next.
    pub(crate) fn depth(&self) -> usize {
        self.0.depth
    }

    /// Whether both are of rows of the same page.
    pub(crate) fn is_of_one_page_with(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }
}

/// All rows below a root, of pages that are damaged too.
///
/// A page whose checksum is right is what it was when its parent was written, so those cannot lead
/// back to where they began. One whose checksum is wrong is looked at once, and below it only
/// what has the checksum it names: this always ends.
pub(super) struct Walk<'a> {
    file: &'a RawFile,
    geometry: Geometry,
    table: &'static str,
    widths: Widths,
    /// What is still to be looked at, the next one last.
    ahead: Vec<Ahead>,
    /// The rows of the leaf that was met last, the next one last.
    rows: Vec<Row>,
    damaged: HashSet<PageNumber>,
    seen: &'a Seen,
}

struct Ahead {
    root: Root,
    above: Option<Vec<u8>>,
    up_to: Option<Vec<u8>>,
    depth: usize,
    parent_is_sound: bool,
}

impl<'a> Walk<'a> {
    pub(super) fn new(
        file: &'a RawFile,
        geometry: Geometry,
        table: &'static str,
        widths: Widths,
        root: Option<Root>,
        seen: &'a Seen,
    ) -> Self {
        let ahead = root.map(|root| Ahead {
            root,
            above: None,
            up_to: None,
            depth: 0,
            parent_is_sound: true,
        });
        Self {
            file,
            geometry,
            table,
            widths,
            ahead: ahead.into_iter().collect(),
            rows: Vec::new(),
            damaged: HashSet::new(),
            seen,
        }
    }

    fn look(&mut self, place: &Ahead) {
        let page = match self.page(place.root.page) {
            Ok(page) => page,
            Err(problem) => return self.report(place, problem),
        };
        let (at, mut page) = page;
        // What stands for bytes that the disk does not give may be right, and is not to be believed all the same.
        let is_right = |page: &[u8]| {
            covered(page, self.widths).is_some_and(|bytes| {
                checksum(bytes) == place.root.checksum && self.file.is_given(at, bytes.len())
            })
        };
        let named = (at, place.root.checksum);
        let is_itself = is_right(&page)
            || self.file.is_given(at, page.len())
                && self.file.turn_back(named, &mut page, is_right);
        let is_sound = is_itself && is_in_order(&page, self.widths);
        if !is_sound {
            if !self.damaged.insert(place.root.page) {
                return;
            }
            let problem = match (is_itself, self.file.is_given(at, page.len())) {
                (true, _) => OUT_OF_ORDER,
                (false, true) => "its checksum is not that of its bytes",
                (false, false) => "the disk does not give all of it",
            };
            self.report(place, problem.to_owned());
        } else if !self.file.is_given(at, page.len()) {
            let page = self.bad_page(place, "the disk does not give the unused end of it");
            self.seen.cut_short.borrow_mut().insert(at, page);
        }
        match kind(&page) {
            Some(Kind::Leaf) => self.take_rows(&page, at, place, is_sound),
            Some(Kind::Branch) if is_sound || place.parent_is_sound => {
                self.go_down(&page, place, is_sound);
            }
            Some(Kind::Branch) | None => {}
        }
    }

    fn page(&self, number: PageNumber) -> Result<(u64, Vec<u8>), String> {
        let (at, len) = number
            .span(self.geometry)
            .ok_or("its number is none that there could be")?;
        if at >= self.file.len() {
            return Err("it is beyond the end of the file".to_owned());
        }
        let page = self.file.read(at, len);
        let page = page.map_err(|error| format!("it cannot be read: {error}"))?;
        Ok((at, page))
    }

    fn take_rows(&mut self, page: &[u8], at: u64, place: &Ahead, is_sound: bool) {
        let bounds = Bounds(Rc::new(Between {
            above: place.above.clone(),
            up_to: place.up_to.clone(),
            depth: place.depth,
        }));
        let rows = leaf_rows(page, self.widths);
        self.rows = rows
            .into_iter()
            .rev()
            .map(|(key, value)| Row {
                key: page[key].to_vec(),
                at: at + value.start as u64,
                value: page[value].to_vec(),
                is_sound,
                bounds: bounds.clone(),
            })
            .collect();
    }

    fn go_down(&mut self, page: &[u8], place: &Ahead, is_sound: bool) {
        let owned = |key: Option<&[u8]>| key.map(<[u8]>::to_vec);
        let below: Vec<Ahead> = children(page, self.widths)
            .into_iter()
            .rev()
            .map(|child| Ahead {
                root: child.root,
                above: owned(child.above).or_else(|| place.above.clone()),
                up_to: owned(child.up_to).or_else(|| place.up_to.clone()),
                depth: place.depth + 1,
                parent_is_sound: is_sound,
            })
            .collect();
        self.ahead.extend(below);
    }

    fn report(&self, place: &Ahead, problem: String) {
        // Below a page that is damaged, what is wrong follows from that.
        if !place.parent_is_sound {
            return;
        }
        let page = self.bad_page(place, problem);
        self.seen.bad.borrow_mut().push(page);
    }

    fn bad_page(&self, place: &Ahead, problem: impl Into<String>) -> BadPage {
        let span = place.root.page.span(self.geometry);
        BadPage {
            table: self.table,
            at: span.map(|(at, _)| at),
            len_bytes: span.map_or(0, |(_, len)| len),
            above: place.above.clone(),
            up_to: place.up_to.clone(),
            depth: place.depth,
            problem: problem.into(),
        }
    }
}

impl Iterator for Walk<'_> {
    type Item = Row;

    fn next(&mut self) -> Option<Row> {
        loop {
            if let Some(row) = self.rows.pop() {
                return Some(row);
            }
            let place = self.ahead.pop()?;
            self.look(&place);
        }
    }
}
