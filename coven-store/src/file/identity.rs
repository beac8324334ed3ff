//! Whether a database is a log of Coven, and of which format.

use redb::{Database, ReadTransaction, ReadableDatabase, TableError};

use crate::FORMAT;
use crate::fault::Fault;
use crate::layout::{self, MAGIC, META, meta};

pub(super) enum Identity {
    Ours,
    Foreign { problem: &'static str },
    Newer { found: u32 },
}

pub(super) fn of(db: &Database) -> Result<Identity, Fault> {
    let txn = db.begin_read()?;
    let table = match txn.open_table(META) {
        Ok(table) => table,
        Err(TableError::Storage(error)) => return Err(error.into()),
        Err(_) => {
            return Ok(Identity::Foreign {
                problem: "it is a database of another program",
            });
        }
    };
    if table
        .get(meta::MAGIC)?
        .is_none_or(|row| row.value() != MAGIC)
    {
        return Ok(Identity::Foreign {
            problem: "it is a database of another program",
        });
    }
    let format = table.get(meta::FORMAT)?;
    let format = format.and_then(|row| row.value().try_into().ok());
    match format.map(u32::from_le_bytes) {
        Some(FORMAT) => {
            check_tables(&txn)?;
            Ok(Identity::Ours)
        }
        Some(found) if found > FORMAT => Ok(Identity::Newer { found }),
        Some(_) | None => Err(crate::fault::damage(
            "its format is not a number there ever was",
        )),
    }
}

/// A log that says it is of our format has all its tables, and its counters.
fn check_tables(txn: &ReadTransaction) -> Result<(), Fault> {
    let table = txn.open_table(META)?;
    for key in [meta::LAST_SEQ, meta::LAST_SLOT] {
        let row = table.get(key)?;
        let row = row.ok_or_else(|| crate::fault::damage("a counter is missing"))?;
        layout::counter(row.value())?;
    }
    txn.open_table(layout::SLOTS)?;
    txn.open_table(layout::IDS)?;
    txn.open_table(layout::GONE)?;
    txn.open_table(layout::EVENTS)?;
    txn.open_table(layout::ORDER)?;
    txn.open_table(layout::ERASING)?;
    txn.open_table(layout::RECORDS)?;
    txn.open_table(layout::BY_CREATED)?;
    txn.open_table(layout::BY_CONVERSATION)?;
    txn.open_table(layout::LIVE)?;
    txn.open_table(layout::OUTPUT)?;
    Ok(())
}
