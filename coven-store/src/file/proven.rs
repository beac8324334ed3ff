//! `Proven`: what the database reads of a cold file, held to what is known of each page.
//!
//! redb believes the pages it reads: one that was altered may lead it to a page of another table, or says that it
//! has fewer rows than it has; who then writes sets free what is in use, or seals the loss. So none is handed to it
//! that is not what was written: known is what this program wrote, and what each page tells of those below it. What
//! is not right is refused as if the disk did not give it ([`DeadSectors`](super::dead_sectors::DeadSectors)), but for
//! the leaf that is to be there, of rows that have checksums of their own, where some of those are damaged and no more
//! ([`proof`](crate::cold::proof)).
//!
//! Of a page that was forgotten, in a log of more than some two hundred thousand, it is looked up again what leads to it.
//! Where nothing does it is handed on as it is: the database reads some to find out which commit is the last, which are
//! looked at before; and who began to read before the last commit may come to one that was forgotten, and is of no use
//! since.

mod known;
#[cfg(test)]
mod tests;

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redb::StorageBackend;

use super::dead_sectors::{DeadSectors, NotGiven};
use super::forward::forward_locks;
use super::shadow::Shadow;
use crate::cold::proof::has_damaged_rows;
use crate::raw::{PAGE, RawFile, Snapshot, Teller};
use known::{Known, Page};

/// How much of a page that was written is looked at: all of one that has many rows, and where they are in a longer
/// one, whose values have checksums of their own.
const LOOKED_AT_BYTES: usize = 4 * PAGE;

#[derive(Clone, Debug)]
pub(super) struct Proven(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    file: Shadow,
    dead: DeadSectors,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    /// `None` until the file is open.
    teller: Option<Teller>,
    known: Known,
}

impl Proven {
    /// Nothing is known yet but what is written through it.
    pub(super) fn new(file: Shadow, dead: DeadSectors) -> Self {
        Self(Arc::new(Inner {
            file,
            dead,
            seen: Mutex::default(),
        }))
    }

    /// From here on what is read has to be what the last commit tells of it. Called once the database has found
    /// out which that is.
    ///
    /// # Errors
    /// Where the file cannot be looked at.
    pub(super) fn learn(&self) -> io::Result<()> {
        let (teller, roots) = Teller::of(&Snapshot::at_last(RawFile::lent(&self.0.file)?));
        let mut seen = self.seen();
        seen.teller = Some(teller);
        roots.into_iter().for_each(|told| seen.known.tell(told));
        Ok(())
    }

    /// Whether that is the page which is to be at `at`. What it tells of others is known from then on.
    fn is_right(&self, at: u64, page: &[u8]) -> bool {
        let (known, teller) = {
            let mut seen = self.seen();
            (seen.known.get(at, page.len()), seen.teller)
        };
        let Some(teller) = teller else {
            return true;
        };
        let told = match known {
            Some(known) => known.told(at),
            None => {
                let told = self.last().and_then(|file| file.told_of(at, page));
                match told {
                    Some(told) => self.seen().known.tell(told),
                    None => return true,
                }
                told
            }
        };
        let Some(told) = told else {
            return known == Some(Page::written(page));
        };
        let is_it = told.is(page);
        if is_it {
            let below = teller.below(page, told.widths);
            let mut seen = self.seen();
            below.for_each(|told| seen.known.tell(told));
        }
        is_it
    }

    /// Whether it is damaged so that no more than some of its rows are.
    fn has_damaged_rows(&self, at: u64, page: &[u8]) -> bool {
        self.last()
            .is_some_and(|file| has_damaged_rows(&file, at, page))
    }

    /// The file as its last commit left it; `None` where it cannot be looked at.
    fn last(&self) -> Option<Snapshot> {
        RawFile::lent(&self.0.file).ok().map(Snapshot::at_last)
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl StorageBackend for Proven {
    fn len(&self) -> io::Result<u64> {
        self.0.file.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.file.read(offset, out)?;
        if self.is_right(offset, out) {
            return Ok(());
        }
        // It may be a read that failed.
        self.0.file.read(offset, out)?;
        if self.is_right(offset, out) || self.has_damaged_rows(offset, out) {
            return Ok(());
        }
        Err(self.0.dead.refuse(NotGiven::altered(offset, out)))
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.file.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.file.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let written = self.0.file.write(offset, data);
        let mut seen = self.seen();
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
        self.0.file.close()
    }

    forward_locks!(self => self.0.file);
}
