//! Whether a database is a log of Coven, and of which format.

use redb::{AccessGuard, Database, ReadableDatabase, TableError};

use super::kind::Kind;
use crate::FORMAT;
use crate::fault::Fault;
use crate::layout::{META, meta};

/// The newest of the formats of before the first release.
const UNRELEASED: u32 = 2;

pub(super) enum Identity {
    Ours,
    Foreign { problem: &'static str },
    Newer { found: u32 },
}

pub(super) fn of(db: &Database, kind: Kind) -> Result<Identity, Fault> {
    let txn = db.begin_read()?;
    let table = match txn.open_table(META) {
        Ok(table) => table,
        Err(TableError::Storage(error)) => return Err(error.into()),
        Err(_) => {
            return Ok(Identity::Foreign {
                problem: kind.instead(None),
            });
        }
    };
    let row = table.get(meta::MAGIC)?;
    let magic = row.as_ref().map(AccessGuard::value);
    if magic != Some(kind.magic()) {
        return Ok(Identity::Foreign {
            problem: kind.instead(magic),
        });
    }
    let format = table.get(meta::FORMAT)?;
    let format = format.and_then(|row| row.value().try_into().ok());
    match format.map(u32::from_le_bytes) {
        Some(FORMAT) => {
            kind.check_tables(&txn)?;
            Ok(Identity::Ours)
        }
        Some(found) if found > FORMAT => Ok(Identity::Newer { found }),
        Some(1..=UNRELEASED) => Ok(Identity::Foreign {
            problem: "it has a format that no Coven was ever released with",
        }),
        Some(_) | None => Err(crate::fault::damage(
            "its format is not a number there ever was",
        )),
    }
}
