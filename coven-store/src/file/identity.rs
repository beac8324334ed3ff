//! Whether a database is a log of Coven, and of which format.

use redb::{AccessGuard, Database, ReadableDatabase, TableError};

use super::kind::Kind;
use super::proven::putting_right;
use super::shadow::Shadow;
use crate::FORMAT;
use crate::fault::{Fault, damage};
use crate::inspect::widths;
use crate::layout::{META, meta};
use crate::raw::{RawFile, Snapshot};

/// The newest of the formats of before the first release.
const UNRELEASED: u32 = 2;

pub(super) enum Identity {
    Ours,
    Foreign { problem: &'static str },
    Newer { found: u32 },
}

/// What a file says that it is. One that says it is none of ours is believed only where the page that says so is
/// what was written: else it is damaged.
pub(super) fn of(db: &Database, file: &Shadow, kind: Kind) -> Result<Identity, Fault> {
    // A bit that turned there would keep everybody from the file.
    match putting_right(|| said(db, kind))? {
        Identity::Ours => {
            kind.check_tables(&db.begin_read()?)?;
            Ok(Identity::Ours)
        }
        other => altered(file).map_or(Ok(other), |problem| Err(damage(problem))),
    }
}

/// What is wrong with the page that says what a file is, or with what leads to it, if anything is.
pub(super) fn altered(file: &Shadow) -> Option<String> {
    let file = Snapshot::at_last(RawFile::lent(file).ok()?);
    file.rows("meta", widths(&META)).for_each(drop);
    let page = file.take_bad().into_iter().next()?;
    Some(format!(
        "the page that has its format is not what was written there: {}",
        page.problem
    ))
}

fn said(db: &Database, kind: Kind) -> Result<Identity, Fault> {
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
        Some(FORMAT) => Ok(Identity::Ours),
        Some(found) if found > FORMAT => Ok(Identity::Newer { found }),
        Some(1..=UNRELEASED) => Ok(Identity::Foreign {
            problem: "it has a format that no Coven was ever released with",
        }),
        Some(_) | None => Err(damage("its format is not a number there ever was")),
    }
}
