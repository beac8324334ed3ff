//! `Proven`: what the database reads of a cold file, held to what is known of each page.
//!
//! redb believes the pages it reads: one that was altered may lead it to a page of another table, or says that it
//! has fewer rows than it has; who then writes sets free what is in use, or seals the loss. So none is handed to it
//! that is not what was written: known is what this program wrote, and what each page tells of those below it. What
//! is not right is refused as if the disk did not give it ([`DeadSectors`](super::dead_sectors::DeadSectors)), but for a leaf
//! whose rows are where they were and have checksums of their own: there a row is damaged, and no more.
//!
//! A page of which nothing is known is handed on as it is: those that the database reads to find out which commit is the
//! last, which are looked at before, and in a log of more than some hundred thousand pages those that nobody has asked
//! for in a long time though what leads to them stayed in the database's memory ([`known`]).

mod known;

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redb::StorageBackend;

use super::dead_sectors::{DeadSectors, NotGiven};
use super::forward::forward_locks;
use super::shadow::Shadow;
use crate::cold::proof::proves_itself;
use crate::raw::{PAGE, RawFile, Snapshot, Teller, has_its_rows, is_alone};
use known::{Known, Page};

/// How much of a page is looked at: all of one that has many rows, and where they are in a longer one. Such a page with
/// one value in it proves what it is by its head; the value has a checksum of its own.
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
        let Some(known) = known else {
            return true;
        };
        if page.len() > LOOKED_AT_BYTES && is_alone(page) {
            return true;
        }
        match known.told(at) {
            None => known == Page::written(page) || has_its_rows(page, None, proves_itself),
            Some(told) if told.is(page) => {
                let below = teller.map(|teller| teller.below(page, told.widths));
                let mut seen = self.seen();
                let below = below.into_iter().flatten();
                below.for_each(|told| seen.known.tell(told));
                true
            }
            Some(told) => has_its_rows(page, Some(told.widths), proves_itself),
        }
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
        if self.is_right(offset, out) {
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
        if offset > 0 {
            let mut seen = self.seen();
            match written {
                Ok(()) => seen.known.put(offset, Page::written(data)),
                // What is there now is not known.
                Err(_) => seen.known.forget(offset),
            }
        }
        written
    }

    fn close(&self) -> io::Result<()> {
        self.0.file.close()
    }

    forward_locks!(self => self.0.file);
}
