//! Whether a log can be opened at all, as far as a glance tells: its first pages, what it says of
//! itself, and the newest groups of its journal.

use std::io;
use std::path::Path;

use super::closed::{OpenFile, tables_of, value_of};
use super::journal::{Group, groups, trimmed};
use crate::error::OpenError;
use crate::file::{self, Disk, Kind, journal_path};
use crate::fit::Marks;
use crate::journal;
use crate::layout::meta;
use crate::opening;
use crate::options::Options;
use crate::raw::{Effort, RawFile, Snapshot};
use crate::stored::Mark;
use crate::tail::{follows, gap};

/// Looks at a log that nobody should have open, without keeping others from opening it. Where it seems to be damaged,
/// it is opened, to be let go of at once: who opens it does not look at all that is looked at here, and may say the
/// same in other words.
pub(crate) fn glance(disk: &dyn Disk, path: &Path) -> Result<(), OpenError> {
    let seen = look(disk, path);
    if !matches!(seen, Err(OpenError::Damaged { .. })) {
        return seen;
    }
    match opening::open_to_read(disk, path, Options::default()) {
        // Whoever has it open knows better; and what is damaged may look like another program's.
        Err(OpenError::Locked { .. } | OpenError::Foreign { .. }) => seen,
        opened => opened.map(drop),
    }
}

fn look(disk: &dyn Disk, path: &Path) -> Result<(), OpenError> {
    file::refuse_unfinished(path)?;
    let journal_path = journal_path(path);
    let cold = open(disk, path, Kind::Cold)?;
    let journal = open(disk, &journal_path, Kind::Journal)?;
    match (cold, journal) {
        (Some(cold), Some(journal)) => look_at_both(path, &cold, &journal_path, &journal),
        (Some(_), None) => Err(file::journal_is_missing(&journal_path)),
        (None, Some(journal)) if !is_new(&journal) => Err(file::cold_is_missing(path)),
        (None, _) => Ok(()),
    }
}

/// Whether nothing was ever written to a journal, as a crash leaves it on the way to a new log.
fn is_new(journal: &Snapshot) -> bool {
    let trimmed = trimmed(journal);
    groups(journal).next().is_none() && trimmed.is_none_or(|mark| mark == Mark::default())
}

fn look_at_both(
    path: &Path,
    cold: &Snapshot,
    journal_path: &Path,
    journal: &Snapshot,
) -> Result<(), OpenError> {
    check(cold, path, Kind::Cold)?;
    let folded = mark(cold, path, meta::FOLDED)?;
    check(journal, journal_path, Kind::Journal)?;
    let trimmed = mark(journal, journal_path, meta::TRIMMED)?;
    if value_of(cold, meta::LOG) != value_of(journal, meta::LOG) {
        let problem = "it belongs to another log than the file beside it";
        return Err(damaged(journal_path, problem));
    }
    look_at_groups(cold, journal, journal_path, (folded, trimmed))
}

/// Whether the journal goes on from where the cold file is.
fn look_at_groups(
    cold: &Snapshot,
    journal: &Snapshot,
    journal_path: &Path,
    (folded, trimmed): (Option<Mark>, Option<Mark>),
) -> Result<(), OpenError> {
    let damaged = |problem: &str| Err(damaged(journal_path, problem));
    let read = |group: Group| match journal::read(group.position, &group.bytes.into()) {
        Ok(read) => Ok(Some(read)),
        Err(_) if journal.is_uncertain() => Ok(None),
        Err(problem) => damaged(&problem.to_string()).map(|()| None),
    };
    let imported = value_of(cold, meta::IMPORTED);
    let imported = imported.and_then(|value| Mark::unseal(&value, meta::IMPORTED).ok());
    let last = match groups(journal).last() {
        Some(group) => {
            let mut known = folded.into_iter().chain(imported);
            let known = known.find(|mark| mark.position == group.position);
            match (read(group), known) {
                // It is folded: nobody needs what is in it.
                (Err(_), Some(known)) => Some(known),
                (group, _) => group?.map(|(mark, _)| mark),
            }
        }
        None => trimmed,
    };
    if let (Some(folded), Some(trimmed), Some(last)) = (folded, trimmed, last) {
        let marks = Marks {
            folded,
            imported,
            trimmed,
            last,
        };
        if let Some(misfit) = marks.misfit() {
            return damaged(&misfit.to_string());
        }
    }
    let mut before = folded;
    let is_folded = |position| folded.is_some_and(|folded| position <= folded.position);
    for group in groups(journal).filter(|group| !is_folded(group.position)) {
        let position = group.position;
        let Some((mark, batches)) = read(group)? else {
            break;
        };
        if let Some(before) = before
            && !follows(before, mark, &batches)
        {
            return damaged(&gap(before, position));
        }
        before = Some(mark);
    }
    Ok(())
}

fn open(disk: &dyn Disk, path: &Path, kind: Kind) -> Result<Option<Snapshot>, OpenError> {
    match RawFile::open_unlocked(disk, path) {
        Err(OpenError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(None),
        file => {
            let snapshot = match kind {
                Kind::Cold => Snapshot::at_last(file?),
                // It is small enough to be looked at whole, where it was not closed. As who opens it does, one bit that
                // turned is passed over.
                Kind::Journal => Snapshot::open(file?.turning_bits_back(Effort::TO_OPEN)),
            };
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
    // Of a commit that was interrupted, the one before it is taken. The journal was looked at whole, and is known as
    // the one of them left it that is.
    if file.is_uncertain() && kind == Kind::Cold {
        return Ok(());
    }
    match tables_of(kind).iter().find(|table| !file.has(table)) {
        Some(table) => Err(damaged(path, &format!("the table {table} cannot be found"))),
        None => Ok(()),
    }
}

/// What a file says of how far it is; `None` where its last commit may have been interrupted.
fn mark(file: &Snapshot, path: &Path, key: &str) -> Result<Option<Mark>, OpenError> {
    match value_of(file, key).map(|value| Mark::unseal(&value, key)) {
        Some(Ok(mark)) => Ok(Some(mark)),
        Some(Err(_)) | None if file.is_uncertain() => Ok(None),
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
