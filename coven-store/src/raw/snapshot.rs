//! `Snapshot`: a file as one commit left it, table by table.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::RawFile;
use super::header::{Commit, Header, Root, u32_at, u64_at};
use super::notes::Notes;
use super::page::Widths;
use super::reach::AllMet;
use super::walk::{Row, Walk};

/// A page that is not what it was when it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BadPage {
    /// The table it belongs to.
    pub(crate) table: &'static str,
    /// Where it is in the file, if that is a place at all.
    pub(crate) at: Option<u64>,
    /// And how many bytes it has then.
    pub(crate) len_bytes: usize,
    /// The keys in it are above this one.
    pub(crate) above: Option<Vec<u8>>,
    /// And up to this one.
    pub(crate) up_to: Option<Vec<u8>>,
    /// How many pages lead to it, one to the next.
    pub(crate) depth: usize,
    /// What is wrong with it.
    pub(crate) problem: String,
}

/// What was seen of pages so far.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Those that are damaged.
    pub(super) bad: RefCell<Vec<BadPage>>,
    /// Those that the disk gives all but an end of that has nothing, by where they are.
    pub(super) cut_short: RefCell<BTreeMap<u64, BadPage>>,
}

/// What the tree of tables is called where a page of it is told of.
pub(crate) const TABLES: &str = "the list of tables";

/// The same of redb's own tables.
pub(super) const SYSTEM: &str = "what the database keeps for itself";

pub(crate) struct Snapshot {
    pub(crate) file: RawFile,
    pub(crate) header: Header,
    /// The last commit is not whole, and this is the one before it.
    pub(crate) has_lost_its_last: bool,
    commit: Option<Commit>,
    pub(super) tables: BTreeMap<String, Table>,
    seen: Seen,
    pub(super) met: AllMet,
    /// What others found out about this commit.
    pub(crate) notes: Arc<Notes>,
}

/// A table as the tree of tables has it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Table {
    pub(super) rows: u64,
    pub(super) root: Option<Root>,
    pub(super) widths: Widths,
}

impl Snapshot {
    /// The file as its last commit left it; as the one before it did, where the file was not closed
    /// in order and only that one is whole.
    pub(crate) fn open(file: RawFile) -> Self {
        let header = Header::read(&file);
        let mut snapshot = Self {
            file,
            header,
            has_lost_its_last: false,
            commit: None,
            tables: BTreeMap::new(),
            seen: Seen::default(),
            met: AllMet::default(),
            notes: Arc::default(),
        };
        let commits = snapshot.header.commits.clone();
        let whole = if snapshot.header.last_is_uncertain {
            (0..commits.len()).find(|&it| snapshot.is_whole(commits[it]))
        } else {
            None
        };
        snapshot.has_lost_its_last = whole.is_some_and(|it| it > 0);
        snapshot.enter(commits.get(whole.unwrap_or(0)).copied());
        snapshot
    }

    /// Goes on to the newest commit, where the first page calls the one before that the last, which it is not.
    pub(crate) fn go_to_the_newest(&mut self) {
        self.header.take_the_newest();
        self.enter(self.header.newest());
    }

    /// The file as the commit left it that redb takes first, whatever of it is whole; nothing of it
    /// is known yet but where redb's own tables begin.
    pub(super) fn of_first_commit(file: RawFile, header: Header) -> Self {
        Self {
            commit: header.commits.first().copied(),
            file,
            header,
            has_lost_its_last: false,
            tables: BTreeMap::new(),
            seen: Seen::default(),
            met: AllMet::default(),
            notes: Arc::default(),
        }
    }

    /// The same with its tables: without a look at all of it.
    pub(crate) fn at_last(file: RawFile) -> Self {
        let header = Header::read(&file);
        Self::at_last_of(file, header)
    }

    /// The same of a file whose first page says this.
    pub(crate) fn at_last_of(file: RawFile, header: Header) -> Self {
        let mut snapshot = Self::of_first_commit(file, header);
        snapshot.enter(snapshot.commit);
        snapshot
    }

    /// Which commit it is, counted on from the first.
    pub(crate) fn commit_number(&self) -> Option<u64> {
        self.commit.map(|commit| commit.number)
    }

    /// Whether the last commit may have been interrupted as it was made.
    pub(crate) const fn is_uncertain(&self) -> bool {
        self.header.last_is_uncertain
    }

    fn enter(&mut self, commit: Option<Commit>) {
        self.commit = commit;
        self.seen = Seen::default();
        self.tables = self.tables_of(commit.and_then(|commit| commit.user), TABLES);
    }

    /// Whether every page of a commit is what it was.
    fn is_whole(&mut self, commit: Commit) -> bool {
        self.enter(Some(commit));
        self.look_at_everything();
        !self.has_bad()
    }

    /// Looks at every page, so that what is wrong with any is known.
    pub(crate) fn look_at_everything(&self) {
        for table in self.tables.values() {
            self.walk("", table.widths, table.root).for_each(drop);
        }
        self.look_at_the_system();
    }

    /// Looks at the pages that redb has for itself.
    pub(crate) fn look_at_the_system(&self) {
        let root = self.commit.and_then(|commit| commit.system);
        for table in self.tables_of(root, SYSTEM).values() {
            self.walk(SYSTEM, table.widths, table.root).for_each(drop);
        }
    }

    fn tables_of(&self, root: Option<Root>, name: &'static str) -> BTreeMap<String, Table> {
        let widths = Widths {
            key: None,
            value: None,
        };
        self.walk(name, widths, root)
            .filter(|row| row.is_sound)
            .filter_map(|row| {
                let name = String::from_utf8(row.key).ok()?;
                Some((name, Table::read(&row.value)?))
            })
            .collect()
    }

    /// The pages that all others are below of, each with how wide keys and values are there: of the trees of
    /// tables, and of each table.
    pub(super) fn roots(&self) -> Vec<(Root, Widths)> {
        let widths = Widths {
            key: None,
            value: None,
        };
        let trees = [
            self.commit.and_then(|commit| commit.user),
            self.commit.and_then(|commit| commit.system),
        ];
        let of_system = self.tables_of(trees[1], SYSTEM).into_values();
        let tables = self.tables.values().copied().chain(of_system);
        let roots = tables.filter_map(|table| Some((table.root?, table.widths)));
        let trees = trees.into_iter().flatten().map(|root| (root, widths));
        trees.chain(roots).collect()
    }

    fn walk(&self, name: &'static str, widths: Widths, root: Option<Root>) -> Walk<'_> {
        let geometry = self.header.geometry;
        Walk::new(&self.file, geometry, name, widths, root, &self.seen)
    }

    /// Where a table begins, if it has rows.
    pub(super) fn root_of(&self, name: &str) -> Option<Root> {
        self.tables.get(name).and_then(|table| table.root)
    }

    /// Whether there is a table of that name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.tables.contains_key(name)
    }

    /// The rows of a table, by key, of pages that are damaged too. None where it is not known.
    pub(crate) fn rows(
        &self,
        name: &'static str,
        widths: Widths,
    ) -> impl Iterator<Item = Row> + use<'_> {
        self.walk(name, widths, self.root_of(name))
    }

    /// The same of the last commit, where that is not whole; none where it is.
    pub(crate) fn lost_rows(
        &self,
        name: &'static str,
        widths: Widths,
    ) -> impl Iterator<Item = Row> + use<'_> {
        let last = self.header.commits.first();
        let last = last.filter(|_| self.has_lost_its_last);
        let tables = self.tables_of(last.and_then(|commit| commit.user), TABLES);
        self.walk(name, widths, tables.get(name).and_then(|table| table.root))
    }

    /// Whether a page was found to be damaged since that was asked last.
    pub(super) fn has_bad(&self) -> bool {
        !self.seen.bad.borrow().is_empty()
    }

    /// The pages that were found to be damaged since this was asked last.
    pub(crate) fn take_bad(&self) -> Vec<BadPage> {
        self.seen.bad.take()
    }

    /// The pages that the disk does not give an end of that has nothing, so that all that they have was read, and
    /// that redb cannot read, as it reads all of a page; of those since this was asked last.
    pub(crate) fn take_cut_short(&self) -> Vec<BadPage> {
        self.seen.cut_short.take().into_values().collect()
    }
}

impl Table {
    /// From a row of the tree of tables.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        const ROOT_AT: usize = 10;
        const WIDTHS_AT: usize = ROOT_AT + Root::BYTES;
        if bytes.len() < WIDTHS_AT + 10 {
            return None;
        }
        let root = bytes[ROOT_AT..WIDTHS_AT].try_into().expect("as many bytes");
        let width = |at: usize| (bytes[at] != 0).then(|| u32_at(bytes, at + 1) as usize);
        let rows = u64_at(bytes, 1);
        Some(Self {
            rows,
            root: (bytes[ROOT_AT - 1] != 0 && rows > 0).then(|| Root::read(root)),
            widths: Widths {
                key: width(WIDTHS_AT),
                value: width(WIDTHS_AT + 5),
            },
        })
    }
}
