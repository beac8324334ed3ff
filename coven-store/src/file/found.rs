//! Whether there is a log at a place: both its files, neither, or half of one; and making one where there
//! is none.

use std::fs;
use std::io::{self, Read};
use std::path::Path;

use redb::{ReadableDatabase, ReadableTableMetadata};

use super::create::create;
use super::disk::Disk;
use super::draft::refuse_unfinished;
use super::kind::{Kind, LogId};
use super::open::{CHECK_CACHE_BYTES, REDB_MAGIC, fault_error, open_error, open_to_read};
use crate::database::guarded;
use crate::error::OpenError;
use crate::layout;
use crate::stored::Mark;
use crate::writer::journal_trimmed;

/// Makes both files of a log where neither is: the journal first, so that a cold file alone is
/// always half of a log, and never one that was being made.
///
/// # Errors
/// [`OpenError::Damaged`]: one of the two is missing; it is not made anew. [`OpenError::Unfinished`]: they are
/// being written, or were.
pub(crate) fn make_if_new(disk: &dyn Disk, path: &Path, journal: &Path) -> Result<(), OpenError> {
    if are_there(disk, path, journal)? {
        return Ok(());
    }
    create(disk, path, Kind::Cold, || {
        if sniff(path)? == Sniffed::Database {
            return Ok(None);
        }
        if sniff(journal)? == Sniffed::Nothing {
            let log = uuid::Uuid::new_v4().into_bytes();
            create(disk, journal, Kind::Journal, || Ok(Some(log)))?;
            return Ok(Some(log));
        }
        let log = new_log(disk, journal)?;
        log.map(Some).ok_or_else(|| cold_is_missing(path))
    })
}

/// Looks whether both files of a log are there.
///
/// # Errors
/// [`OpenError::Io`] of the kind `NotFound` where there is no log; [`OpenError::Damaged`] where there
/// is half of one.
pub(crate) fn are_both_there(
    disk: &dyn Disk,
    path: &Path,
    journal: &Path,
) -> Result<(), OpenError> {
    if are_there(disk, path, journal)? {
        Ok(())
    } else {
        Err(open_error(path, io::ErrorKind::NotFound.into()))
    }
}

/// Whether both files are there, or the log is not made yet.
fn are_there(disk: &dyn Disk, path: &Path, journal: &Path) -> Result<bool, OpenError> {
    refuse_unfinished(path)?;
    match (sniff(path)?, sniff(journal)?) {
        (Sniffed::Database, Sniffed::Database) => Ok(true),
        (Sniffed::Database, Sniffed::Nothing) => {
            // It may be no log at all.
            open_to_read(disk, path, Kind::Cold, CHECK_CACHE_BYTES)?;
            Err(journal_is_missing(journal))
        }
        (Sniffed::Nothing, Sniffed::Nothing) => Ok(false),
        (Sniffed::Nothing, Sniffed::Database) => match new_log(disk, journal)? {
            Some(_) => Ok(false),
            None => Err(cold_is_missing(path)),
        },
    }
}

/// Which log a journal is of that nothing was ever written to, as a crash leaves it on the way to a
/// new log.
fn new_log(disk: &dyn Disk, journal: &Path) -> Result<Option<LogId>, OpenError> {
    let opened = open_to_read(disk, journal, Kind::Journal, CHECK_CACHE_BYTES)?;
    guarded(|| {
        let txn = opened.db.begin_read()?;
        let is_new = txn.open_table(layout::JOURNAL)?.is_empty()?
            && journal_trimmed(&txn)? == Mark::default();
        Ok(if is_new {
            Some(super::kind::log_id(&txn)?)
        } else {
            None
        })
    })
    .map_err(|fault| fault_error(journal, &fault))
}

pub(crate) fn journal_is_missing(path: &Path) -> OpenError {
    OpenError::Damaged {
        path: path.to_owned(),
        problem: "it is missing, and what was last recorded with it; the file beside it is not \
                  the whole log: put both back from one copy"
            .to_owned(),
    }
}

pub(crate) fn cold_is_missing(path: &Path) -> OpenError {
    OpenError::Damaged {
        path: path.to_owned(),
        problem: "it is missing, and only the journal beside it is there, which has what was last \
                  recorded: put both back from one copy"
            .to_owned(),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sniffed {
    Nothing,
    Database,
}

/// Looks at what is at `path` without opening it as a database.
fn sniff(path: &Path) -> Result<Sniffed, OpenError> {
    let foreign = |problem: &str| OpenError::Foreign {
        path: path.to_owned(),
        problem: problem.to_owned(),
    };
    let kind = match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Sniffed::Nothing),
        result => result.map_err(|source| open_error(path, source))?,
    };
    if !kind.is_file() {
        return Err(foreign("it is not a regular file"));
    }
    let mut head = Vec::new();
    fs::File::open(path)
        .and_then(|file| file.take(REDB_MAGIC.len() as u64).read_to_end(&mut head))
        .map_err(|source| open_error(path, source))?;
    if head == REDB_MAGIC {
        Ok(Sniffed::Database)
    } else if head.is_empty() {
        Err(foreign("it is empty"))
    } else {
        Err(foreign("it is not a database"))
    }
}
