//! The two kinds of file that a log has.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use redb::{Database, Key, ReadTransaction, TableDefinition, Value, WriteTransaction};

use crate::FORMAT;
use crate::database::if_given;
use crate::fault::Fault;
use crate::layout::{self, JOURNAL_MAGIC, MAGIC, META, Tables, meta};
use crate::stored::Mark;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// What was folded: the file that a log is known by.
    Cold,
    /// What was not folded yet, beside it.
    Journal,
}

/// What a journal and a cold file have in common when they are of one log.
pub(crate) type LogId = [u8; 16];

/// Where the journal of the log at `path` is.
pub(crate) fn journal_path(path: &Path) -> PathBuf {
    beside(path, ".journal")
}

/// A file beside `path`, with its name and an ending.
pub(super) fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name: OsString = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

impl Kind {
    pub(crate) const fn magic(self) -> &'static [u8] {
        match self {
            Self::Cold => MAGIC,
            Self::Journal => JOURNAL_MAGIC,
        }
    }

    /// What a file is in whose place one of this kind should be, by its magic.
    pub(crate) fn instead(self, magic: Option<&[u8]>) -> &'static str {
        match (self, magic) {
            (Self::Cold, Some(JOURNAL_MAGIC)) => {
                "it is a log's journal: put both files in their places, or move it away and salvage what the \
                 other has"
            }
            (Self::Journal, Some(MAGIC)) => {
                "it is a log's main file and not its journal: put both files in their places, or move it away \
                 and salvage what the other has"
            }
            _ => "it is a database of another program",
        }
    }

    const fn mark(self) -> &'static str {
        match self {
            Self::Cold => meta::FOLDED,
            Self::Journal => meta::TRIMMED,
        }
    }

    /// Makes an empty one.
    pub(super) fn initialise(self, db: &Database, log: LogId) -> Result<(), Fault> {
        let mut txn = db.begin_write()?;
        // As every commit of a cold file: it is synced before it is named.
        txn.set_quick_repair(self == Self::Cold);
        self.put_meta(&txn, log)?;
        match self {
            Self::Cold => drop(Tables::open(&txn)?),
            Self::Journal => drop(txn.open_table(layout::JOURNAL)?),
        }
        txn.commit()?;
        Ok(())
    }

    fn put_meta(self, txn: &WriteTransaction, log: LogId) -> Result<(), Fault> {
        let mut table = txn.open_table(META)?;
        let mark = Mark::default().seal(self.mark());
        table.insert(meta::MAGIC, self.magic())?;
        table.insert(meta::FORMAT, FORMAT.to_le_bytes().as_slice())?;
        table.insert(meta::LOG, log.as_slice())?;
        table.insert(self.mark(), mark.as_slice())?;
        Ok(())
    }

    /// One that says it is of our format has all its tables, and what is in every one.
    pub(super) fn check_tables(self, txn: &ReadTransaction) -> Result<(), Fault> {
        log_id(txn)?;
        let table = txn.open_table(META)?;
        let row = table.get(self.mark())?;
        let row = row.ok_or_else(|| crate::fault::damage("how far it is is missing"))?;
        Mark::unseal(row.value(), self.mark())?;
        match self {
            Self::Cold => {
                crate::read::imported(txn)?;
                has(txn, layout::SLOTS)?;
                has(txn, layout::IDS)?;
                has(txn, layout::GONE)?;
                has(txn, layout::SEGMENTS)?;
                has(txn, layout::ORDER)?;
                has(txn, layout::ERASING)?;
                has(txn, layout::TRIMMING)?;
                has(txn, layout::RECORDS)?;
                has(txn, layout::BY_CREATED)?;
                has(txn, layout::BY_CONVERSATION)?;
                has(txn, layout::LIVE)?;
                has(txn, layout::OUTPUT)?;
            }
            Self::Journal => drop(txn.open_table(layout::JOURNAL)?),
        }
        Ok(())
    }
}

/// Whether there is a table. To open one is to read its first page, which says nothing of that: what is wrong with it,
/// whoever reads on is told.
fn has<K: Key + 'static, V: Value + 'static>(
    txn: &ReadTransaction,
    table: TableDefinition<'static, K, V>,
) -> Result<(), Fault> {
    match if_given(|| txn.open_table(table).map(drop)) {
        Some(opened) => Ok(opened?),
        None => Ok(()),
    }
}

/// Which log a file belongs to.
pub(crate) fn log_id(txn: &ReadTransaction) -> Result<LogId, Fault> {
    let table = txn.open_table(META)?;
    let row = table.get(meta::LOG)?;
    let id = row.and_then(|row| row.value().try_into().ok());
    id.ok_or_else(|| crate::fault::damage("which log it belongs to is missing"))
}
