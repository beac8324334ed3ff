//! `Draft`: a log that is written under other names, so that it is in its place whole or not at all.
//!
//! Something of it is there from the beginning, and its cold file is the last to be put in place: as long as
//! there is anything of a draft and no cold file, there is no log, and none is made.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use redb::{ReadableDatabase, ReadableTableMetadata};

use super::disk::Disk;
use super::kind::{Kind, LogId, beside, journal_path, log_id};
use super::open::{CHECK_CACHE_BYTES, open_error, open_to_read};
use crate::database::guarded;
use crate::error::OpenError;
use crate::layout::JOURNAL;
use crate::raw::RawFile;

/// Where a log is written that is to be at a path.
pub(crate) struct Draft {
    /// Where it is to be.
    place: PathBuf,
    path: PathBuf,
}

impl Draft {
    pub(crate) fn of(place: &Path) -> Self {
        Self {
            place: place.to_owned(),
            path: beside(place, ".salvage"),
        }
    }

    /// Where it is written: a log's path like any other.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The name that the cold file has before it is one.
    fn beginning(&self) -> PathBuf {
        beside(&self.path, ".new")
    }

    /// Where its journal is, and where that is begun.
    fn journals(&self) -> [PathBuf; 2] {
        let journal = journal_path(&self.path);
        let beginning = beside(&journal, ".new");
        [journal, beginning]
    }

    /// The first of the log's files that is in place already, but for a journal that an earlier draft of it
    /// came to.
    pub(crate) fn taken(&self, disk: &dyn Disk) -> Option<PathBuf> {
        let journal = journal_path(&self.place);
        if is_there(&self.place) {
            Some(self.place.clone())
        } else if is_there(&journal) && !self.has_put(disk, &journal) {
            Some(journal)
        } else {
            None
        }
    }

    /// Whether a journal is in place because the draft was about to be: it is of the same log, and has nothing.
    fn has_put(&self, disk: &dyn Disk, journal: &Path) -> bool {
        let cold = log_of(disk, &self.path, Kind::Cold);
        cold.is_some() && cold == log_of(disk, journal, Kind::Journal)
    }

    /// Makes room for another: what an earlier one left goes, but for the beginning of a cold file, which says
    /// meanwhile that there is no log.
    ///
    /// # Errors
    /// [`OpenError::Locked`]: somebody is writing it.
    pub(crate) fn clear(&self, disk: &dyn Disk) -> Result<(), OpenError> {
        if let Err(locked @ OpenError::Locked { .. }) = RawFile::open(disk, &self.path) {
            return Err(locked);
        }
        let io = |source| open_error(&self.path, source);
        if remove(disk, &journal_path(&self.place)).map_err(io)? {
            disk.sync_folder(&self.place).map_err(io)?;
        }
        if is_there(&self.path) {
            remove(disk, &self.beginning()).map_err(io)?;
            disk.rename(&self.path, &self.beginning()).map_err(io)?;
            disk.sync_folder(&self.place).map_err(io)?;
        }
        let mut is_changed = false;
        for left in self.journals() {
            is_changed |= remove(disk, &left).map_err(io)?;
        }
        if is_changed {
            disk.sync_folder(&self.place).map_err(io)?;
        }
        Ok(())
    }

    /// Leaves the place as if nothing had been begun there, as far as that can be done.
    pub(crate) fn discard(&self, disk: &dyn Disk) {
        if self.clear(disk).is_ok() {
            let _ = remove(disk, &self.beginning());
        }
    }

    /// Puts both files in place, which nobody has open and all of which is on the disk: the journal first, so
    /// that a cold file alone is always half of a log, and the draft of one says that there is none.
    pub(crate) fn put_in_place(&self, disk: &dyn Disk) -> io::Result<()> {
        disk.rename(&journal_path(&self.path), &journal_path(&self.place))?;
        disk.sync_folder(&self.place)?;
        disk.rename(&self.path, &self.place)?;
        disk.sync_folder(&self.place)
    }
}

/// Refuses a place where a log is to be that nobody came to the end of writing.
///
/// # Errors
/// [`OpenError::Unfinished`].
pub(crate) fn refuse_unfinished(place: &Path) -> Result<(), OpenError> {
    let draft = Draft::of(place);
    let [journal, its_beginning] = draft.journals();
    let mut left = [
        draft.path.clone(),
        draft.beginning(),
        journal,
        its_beginning,
    ]
    .into_iter();
    match left.find(|left| is_there(left)) {
        Some(path) if !is_there(place) => Err(OpenError::Unfinished { path }),
        Some(_) | None => Ok(()),
    }
}

/// Which log a file is of that can be opened, and that is a journal with nothing in it where it is one.
fn log_of(disk: &dyn Disk, path: &Path, kind: Kind) -> Option<LogId> {
    let opened = open_to_read(disk, path, kind, CHECK_CACHE_BYTES).ok()?;
    let found = guarded(|| {
        let txn = opened.db.begin_read()?;
        let has_nothing = kind == Kind::Cold || txn.open_table(JOURNAL)?.is_empty()?;
        Ok(has_nothing.then_some(log_id(&txn)?))
    });
    found.ok().flatten()
}

/// Whether it was there.
fn remove(disk: &dyn Disk, path: &Path) -> io::Result<bool> {
    if !is_there(path) {
        return Ok(false);
    }
    disk.remove(path).map(|()| true)
}

fn is_there(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
}
