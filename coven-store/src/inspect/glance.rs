//! Whether a log can be opened at all, as far as a glance tells: its first pages, what it says of
//! itself, and the newest groups of its journal.

use std::io;
use std::path::Path;

use super::closed::{OpenFile, tables_of, value_of};
use super::journal::groups;
use crate::error::OpenError;
use crate::file::{Disk, Kind, journal_path};
use crate::journal;
use crate::layout::meta;
use crate::raw::{RawFile, Snapshot};
use crate::stored::Mark;

/// Looks at a log that nobody should have open, without keeping others from opening it.
pub(crate) fn glance(disk: &dyn Disk, path: &Path) -> Result<(), OpenError> {
    let journal_path = journal_path(path);
    let (Some(cold), journal) = (
        open(disk, path, Kind::Cold)?,
        open(disk, &journal_path, Kind::Journal)?,
    ) else {
        return Ok(());
    };
    check(&cold, path, Kind::Cold)?;
    let folded = mark(&cold, path, meta::FOLDED)?;
    let Some(journal) = journal else {
        return match folded.position {
            0 => Ok(()),
            _ => Err(damaged(
                &journal_path,
                "it is missing, and what was last recorded with it",
            )),
        };
    };
    check(&journal, &journal_path, Kind::Journal)?;
    mark(&journal, &journal_path, meta::TRIMMED)?;
    if value_of(&cold, meta::LOG) != value_of(&journal, meta::LOG) {
        let problem = "it belongs to another log than the file beside it";
        return Err(damaged(&journal_path, problem));
    }
    for group in groups(&journal).filter(|group| group.position > folded.position) {
        if let Err(problem) = journal::read(group.position, &group.bytes.into())
            && !journal.is_uncertain()
        {
            return Err(damaged(&journal_path, &problem.to_string()));
        }
    }
    Ok(())
}

fn open(disk: &dyn Disk, path: &Path, kind: Kind) -> Result<Option<Snapshot>, OpenError> {
    match RawFile::open_unlocked(disk, path) {
        Err(OpenError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(None),
        file => {
            let snapshot = Snapshot::at_last(file?);
            OpenFile::refuse_foreign(&snapshot, path, kind)?;
            Ok(Some(snapshot))
        }
    }
}

/// Whether a file can be opened, and has all its tables.
fn check(file: &Snapshot, path: &Path, kind: Kind) -> Result<(), OpenError> {
    let mut problems = file.header.problems.iter().copied();
    if let Some(problem) = problems.next().or_else(|| file.header.last.problem()) {
        return Err(damaged(path, problem));
    }
    // Of a commit that was interrupted, the one before it is taken.
    if file.is_uncertain() {
        return Ok(());
    }
    match tables_of(kind).iter().find(|table| !file.has(table)) {
        Some(table) => Err(damaged(path, &format!("the table {table} cannot be found"))),
        None => Ok(()),
    }
}

fn mark(file: &Snapshot, path: &Path, key: &str) -> Result<Mark, OpenError> {
    match value_of(file, key).map(|value| Mark::unseal(&value, key)) {
        Some(Ok(mark)) => Ok(mark),
        Some(Err(_)) | None if file.is_uncertain() => Ok(Mark::default()),
        Some(Err(problem)) => Err(damaged(path, &problem.to_string())),
        None => Err(damaged(path, "how far it is is missing")),
    }
}

fn damaged(path: &Path, problem: &str) -> OpenError {
    OpenError::Damaged {
        path: path.to_owned(),
        problem: problem.to_owned(),
    }
}
