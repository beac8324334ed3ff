//! `Proven`: what the database reads of a cold file, held to what is known of each page.
//!
//! redb believes the pages it reads: one that was altered may lead it to a page of another table, or says that it
//! has fewer rows than it has; who then writes sets free what is in use, or seals the loss. So none is handed to it
//! that is not what was written: known is what this program wrote, and what each page tells of those below it. What
//! is not right is refused as if the disk did not give it ([`DeadSectors`](super::dead_sectors::DeadSectors)), but for a
//! long leaf of one row that tells itself that it is damaged ([`proof`](crate::cold::proof)); and in others one bit that
//! turned is put right for who writes, and in what a file says of itself, so that it holds up nobody.
//!
//! Of a page that was forgotten, in a log of more than some two hundred thousand, it is looked up again what leads to it.
//! Where something damaged may, it is refused; where nothing does it is handed on as it is: the database reads some to find out which commit is the last, which are
//! looked at before; and who began to read before the last commit may come to one that was forgotten, and is of no use
//! since.

mod known;
mod short;
#[cfg(test)]
mod tests;

use std::cell::Cell;
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redb::StorageBackend;

use super::bare::Bare;
use super::dead_sectors::{DeadSectors, NotGiven};
use super::forward::forward_locks;
use super::open::Past;
use super::shadow::Shadow;
use crate::cold::proof::is_one_damaged_row;
use crate::raw::{
    Effort, LONGEST_BYTES, Lead, PAGE, RawFile, Snapshot, Teller, page_sum, turn_back,
};
use known::{Known, Page};
use short::Short;

/// How much of a page that was written is looked at: all of one that has many rows, and where they are in a longer
/// one, whose values have checksums of their own.
const LOOKED_AT_BYTES: usize = 4 * PAGE;

/// Refused pages that are remembered.
const MOST_REFUSED: usize = 16;

thread_local! {
    static PUTS_RIGHT: Cell<bool> = const { Cell::new(false) };
}

/// Does `work`, in which what this thread reads is for what it writes, or is what a file says of itself: one bit that
/// turned in a page is put right, so that it holds up nobody. Before that, others who read the page are told of it.
pub(crate) fn putting_right<T>(work: impl FnOnce() -> T) -> T {
    /// Whether it was so before, for when that is over, or panics.
    struct Before(bool);
    impl Drop for Before {
        fn drop(&mut self) {
            PUTS_RIGHT.set(self.0);
        }
    }
    let _before = Before(PUTS_RIGHT.replace(true));
    work()
}

#[derive(Clone, Debug)]
pub(super) struct Proven(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    bare: Bare,
    dead: DeadSectors,
    seen: Mutex<Seen>,
    short: Mutex<Short>,
    short_bytes: usize,
}

/// What is known of a page.
enum Knowledge {
    Of(Page),
    /// Nothing leads there.
    NoneNeeded,
    /// What leads there, if anything does, is damaged.
    Lost,
}

#[derive(Debug)]
struct Seen {
    /// `None` until the file is open.
    teller: Option<Teller>,
    known: Known,
    effort: Effort,
    /// Pages that were refused to who reads, and in which a bit may have turned: where they are, and how long.
    refused: BTreeMap<u64, usize>,
    /// Checksums of pages of which no more is wrong than that their one row is damaged, by where they are. To find that
    /// out all leaves of a table are looked at.
    of_one_row: HashMap<u64, u64>,
}

impl Default for Seen {
    fn default() -> Self {
        Self {
            teller: None,
            known: Known::default(),
            effort: Effort::TO_WRITE,
            refused: BTreeMap::new(),
            of_one_row: HashMap::new(),
        }
    }
}

impl Proven {
    /// Nothing is known yet but what is written through it. From when it has [learned](Self::learn) on short pages are
    /// kept, up to so many bytes.
    pub(super) fn new(file: Shadow, past: &Past, short_bytes: usize) -> Self {
        Self(Arc::new(Inner {
            bare: Bare::writable(file, past.last_sync.clone()),
            dead: past.dead.clone(),
            seen: Mutex::default(),
            short: Mutex::default(),
            short_bytes,
        }))
    }

    /// From here on what is read has to be what the last commit tells of it. Called once the database has found
    /// out which that is.
    ///
    /// # Errors
    /// Where the file cannot be looked at.
    pub(super) fn learn(&self) -> io::Result<()> {
        let (teller, roots) = Teller::of(&Snapshot::at_last(RawFile::lent(&self.0.bare.file)?));
        let mut seen = self.seen();
        seen.teller = Some(teller);
        roots.into_iter().for_each(|told| seen.known.tell(told));
        *self.short() = Short::new(self.0.short_bytes);
        Ok(())
    }

    /// Whether that is the page which is to be at `at`. What it tells of others is known from then on.
    fn is_right(&self, at: u64, page: &[u8]) -> bool {
        let Some(teller) = self.seen().teller else {
            return true;
        };
        let known = match self.known(at, page) {
            Knowledge::Of(known) => known,
            Knowledge::NoneNeeded => return true,
            Knowledge::Lost => return false,
        };
        let Some(told) = known.told(at) else {
            return known == Page::written(page);
        };
        let is_it = told.is(page);
        if is_it {
            let below = teller.below(page, told.widths);
            let mut seen = self.seen();
            below.for_each(|told| seen.known.tell(told));
        }
        is_it
    }

    /// What is known of the page at `at`.
    fn known(&self, at: u64, page: &[u8]) -> Knowledge {
        let known = self.seen().known.get(at, page.len());
        if let Some(known) = known {
            return Knowledge::Of(known);
        }
        let told = match self.last().map(|file| file.lead_to(at, page)) {
            Some(Lead::Told(told)) => told,
            Some(Lead::Nothing) => return Knowledge::NoneNeeded,
            Some(Lead::Unclear) | None => return Knowledge::Lost,
        };
        let mut seen = self.seen();
        seen.known.tell(told);
        let known = seen.known.get(at, page.len());
        known.map_or(Knowledge::Lost, Knowledge::Of)
    }

    /// Whether no more is wrong with a long page than that its one row is damaged.
    fn is_one_damaged_row(&self, at: u64, page: &[u8]) -> bool {
        let sum = page_sum(page);
        if self.seen().of_one_row.get(&at) == Some(&sum) {
            return true;
        }
        let is_it = self
            .last()
            .is_some_and(|file| is_one_damaged_row(&file, at, page));
        if is_it {
            self.seen().of_one_row.insert(at, sum);
        }
        is_it
    }

    /// Puts the one bit right that turned in a page, if that is what is wrong with it, in the file too: what leads
    /// from there is looked up in that.
    fn put_right(&self, at: u64, page: &mut [u8]) -> bool {
        if !self.seen().effort.is_enough_for(page.len()) {
            return false;
        }
        let Knowledge::Of(known) = self.known(at, page) else {
            return false;
        };
        let told = known.told(at);
        let is_right = |page: &[u8]| match told {
            Some(told) => told.is_all(page),
            None => known == Page::written(page),
        };
        let Some(bit) = turn_back(page, is_right) else {
            self.seen().effort.spend(page.len());
            return false;
        };
        let written = self.0.bare.file.write(at, page);
        self.short().write(at, page.len());
        tracing::warn!(
            at,
            byte = bit / 8,
            ?written,
            "a bit turned in a page, and is put right"
        );
        true
    }

    /// Puts the bits right that turned in pages which were refused to who reads, where no more is wrong with those. Gives
    /// where they are.
    pub(super) fn put_right_what_was_refused(&self) -> Vec<u64> {
        let refused = std::mem::take(&mut self.seen().refused);
        let is_put_right = |(at, len_bytes)| self.is_put_right(at, len_bytes).then_some(at);
        refused.into_iter().filter_map(is_put_right).collect()
    }

    /// Whether a bit had turned in the page at `at`, and the file has it right from now on. Where it was the read that
    /// failed, nothing had.
    fn is_put_right(&self, at: u64, len_bytes: usize) -> bool {
        let mut page = vec![0; len_bytes];
        let is_right = |page: &mut [u8]| {
            let read = self.0.bare.file.read(at, page);
            read.is_ok().then(|| self.is_right(at, page))
        };
        is_right(&mut page) == Some(false)
            && self.put_right(at, &mut page)
            && is_right(&mut page) == Some(true)
    }

    /// Remembers a page that is refused.
    fn note_refused(&self, at: u64, len_bytes: usize) {
        let mut seen = self.seen();
        if len_bytes <= LONGEST_BYTES && seen.refused.len() < MOST_REFUSED {
            seen.refused.insert(at, len_bytes);
        }
    }

    /// The file as its last commit left it; `None` where it cannot be looked at.
    fn last(&self) -> Option<Snapshot> {
        self.0.bare.at_last()
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn short(&self) -> MutexGuard<'_, Short> {
        self.0.short.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl StorageBackend for Proven {
    fn len(&self) -> io::Result<u64> {
        self.0.bare.file.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let Err(asked) = self.short().get(offset, out) else {
            return Ok(());
        };
        self.0.bare.file.read(offset, out)?;
        if self.is_right(offset, out) {
            self.short().put(offset, out, asked);
            return Ok(());
        }
        // It may be a read that failed.
        self.0.bare.file.read(offset, out)?;
        if self.is_right(offset, out) {
            return Ok(());
        }
        let is_good_enough = match out.len() {
            // Who reads is told of it. What it tells of others is to be known of them.
            ..=LONGEST_BYTES => {
                PUTS_RIGHT.get() && self.put_right(offset, out) && self.is_right(offset, out)
            }
            _ => self.is_one_damaged_row(offset, out),
        };
        if is_good_enough {
            return Ok(());
        }
        if !PUTS_RIGHT.get() {
            self.note_refused(offset, out.len());
        }
        Err(self.0.dead.refuse(NotGiven::altered(offset, out)))
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let set = self.0.bare.file.set_len(len);
        self.short().clear();
        set
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.bare.file.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let written = self.0.bare.file.write(offset, data);
        self.short().write(offset, data.len());
        let mut seen = self.seen();
        seen.of_one_row.remove(&offset);
        match written {
            // What the first page says is the last commit is there by now.
            Ok(()) if offset == 0 => seen.known.commit(),
            Ok(()) => seen.known.write(offset, Page::written(data)),
            // What is there now is not known.
            Err(_) => seen.known.forget(offset),
        }
        written
    }

    fn close(&self) -> io::Result<()> {
        self.0.bare.file.close()
    }

    forward_locks!(self => self.0.bare.file);
}
