//! A log that nobody has open: its two files, and what they have together.

use std::io;
use std::path::Path;

use super::cold::{Inspected, OfJournal, cold_with};
use super::finding::{Finding, Findings, LogFile, Loss};
use super::source::{Source, widths};
use super::{Progress, journal};
use crate::FORMAT;
use crate::database::caught;
use crate::error::OpenError;
use crate::fault::Fault;
use crate::file::{self, Disk, Kind, journal_path, open_error};
use crate::layout::{META, meta};
use crate::raw::{Effort, Last, RawFile, Snapshot};
use crate::stored::Mark;

/// Tables that every file of a kind has.
const COLD_TABLES: [&str; 13] = [
    "meta",
    "slots",
    "ids",
    "gone",
    "segments",
    "order",
    "erasing",
    "trimming",
    "records",
    "by_created",
    "by_conversation",
    "live",
    "output",
];
const JOURNAL_TABLES: [&str; 2] = ["meta", "journal"];

/// The tables that a file of a kind has.
pub(super) const fn tables_of(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Cold => COLD_TABLES.as_slice(),
        Kind::Journal => JOURNAL_TABLES.as_slice(),
    }
}

/// Looks at everything in the log at `path`, which nobody may have open, and tells all that is
/// wrong with it, but not what a salvage comes to.
pub(crate) fn closed(
    disk: &dyn Disk,
    path: &Path,
    progress: &mut dyn FnMut(Progress),
) -> Result<Findings, OpenError> {
    file::refuse_unfinished(path)?;
    let journal_path = journal_path(path);
    let (cold, journal) = OpenFile::both(disk, path)?;
    if matches!((&cold, &journal), (OpenFile::Missing, OpenFile::Missing)) {
        return Err(open_error(path, io::ErrorKind::NotFound.into()));
    }
    let mut findings = Findings::default();
    cold.tell_structure(Kind::Cold, &mut findings);
    journal.tell_structure(Kind::Journal, &mut findings);
    let found = look(&cold, &journal, findings, progress);
    let (mut findings, is_sound) = found.map_err(|fault| file::fault_error(path, &fault))?;
    drop((cold, journal));
    for (path, kind, is_sound) in [
        (path, Kind::Cold, is_sound[0]),
        (&journal_path, Kind::Journal, is_sound[1]),
    ] {
        // On pages that are not what they were it might go round in circles.
        if is_sound && let Some(problem) = own_check(disk, path, kind) {
            findings.add(Finding::new(log_file(kind), problem, Loss::Nothing));
        }
    }
    Ok(findings)
}

/// Looks at both files, and says of each whether all its pages are what they were.
fn look(
    cold: &OpenFile,
    journal: &OpenFile,
    mut findings: Findings,
    progress: &mut dyn FnMut(Progress),
) -> Result<(Findings, [bool; 2]), Fault> {
    let mut is_sound = [cold.is_sound(), journal.is_sound()];
    let of_journal = match journal {
        OpenFile::There(journal) => OfJournal {
            wanted: journal::slots(journal),
            aside: journal::aside(journal).ok().flatten().unwrap_or_default(),
        },
        OpenFile::Missing => OfJournal::default(),
    };
    let mut inspected = match cold {
        OpenFile::There(cold) if is_there(cold) => {
            let inspected = cold_with(Source::Closed(cold), of_journal, progress)?;
            cold.look_at_the_system();
            inspected
        }
        OpenFile::There(_) | OpenFile::Missing => Inspected::nothing(),
    };
    findings.take_in(std::mem::take(&mut inspected.findings));
    if let OpenFile::There(cold) = cold {
        findings.take_pages(LogFile::Cold, cold);
        findings.take_cut_short(LogFile::Cold, cold);
    }
    is_sound[0] &= findings
        .problems
        .iter()
        .all(|it| !is_of_page(it, LogFile::Cold));
    inspected.findings = findings;
    let mut findings = match journal {
        OpenFile::There(journal) if is_there(journal) => {
            let findings = journal::look(journal, inspected, progress);
            journal.look_at_the_system();
            findings
        }
        OpenFile::There(_) => inspected.findings,
        OpenFile::Missing => inspected.without_journal(),
    };
    if let OpenFile::There(journal) = journal {
        findings.take_pages(LogFile::Journal, journal);
        findings.take_cut_short(LogFile::Journal, journal);
    }
    is_sound[1] &= findings
        .problems
        .iter()
        .all(|it| !is_of_page(it, LogFile::Journal));
    if let (OpenFile::There(cold), OpenFile::There(journal)) = (cold, journal)
        && let (Some(this), Some(that)) = (log_id(cold), log_id(journal))
        && this != that
    {
        let problem = "it belongs to another log than the file beside it";
        findings.add(Finding::new(LogFile::Journal, problem, Loss::Commit));
    }
    Ok((findings, is_sound))
}

fn is_of_page(finding: &Finding, file: LogFile) -> bool {
    finding.file == file
        && finding
            .place
            .as_ref()
            .is_some_and(|it| it.starts_with("page "))
}

/// Whether anything can be read of it at all.
fn is_there(file: &Snapshot) -> bool {
    COLD_TABLES
        .into_iter()
        .chain(JOURNAL_TABLES)
        .any(|name| file.has(name))
}

const fn log_file(kind: Kind) -> LogFile {
    match kind {
        Kind::Cold => LogFile::Cold,
        Kind::Journal => LogFile::Journal,
    }
}

/// How far a cold file has everything.
fn folded(cold: &Snapshot) -> Option<Mark> {
    Mark::unseal(&value_of(cold, meta::FOLDED)?, meta::FOLDED).ok()
}

/// One of the two files, or that it is not there.
pub(crate) enum OpenFile {
    Missing,
    There(Box<Snapshot>),
}

impl OpenFile {
    /// Opens both files of the log at `path`. The journal is emptied only for what the cold file said was its last
    /// commit: where that calls an older one the last now, and is older than the journal's beginning, it is at the newest.
    pub(super) fn both(disk: &dyn Disk, path: &Path) -> Result<(Self, Self), OpenError> {
        Self::both_as(disk, path, |file| file)
    }

    /// The same for who saves what there is: a bit that turned is read as it was before, where that can be told.
    pub(crate) fn both_to_save(disk: &dyn Disk, path: &Path) -> Result<(Self, Self), OpenError> {
        Self::both_as(disk, path, |file| file.turning_bits_back(Effort::TO_SAVE))
    }

    fn both_as(
        disk: &dyn Disk,
        path: &Path,
        to_read: fn(RawFile) -> RawFile,
    ) -> Result<(Self, Self), OpenError> {
        let mut cold = Self::open(disk, path, Kind::Cold, to_read)?;
        let journal = Self::open(disk, &journal_path(path), Kind::Journal, to_read)?;
        if let (Self::There(cold), Self::There(journal)) = (&mut cold, &journal)
            && cold.header.has_one_after
            && let (Some(folded), Some(trimmed)) = (folded(cold), journal::trimmed(journal))
            && folded.position < trimmed.position
        {
            cold.go_to_the_newest();
        }
        Ok((cold, journal))
    }

    /// Opens a file, and refuses one that is whole and no log of ours.
    fn open(
        disk: &dyn Disk,
        path: &Path,
        kind: Kind,
        to_read: fn(RawFile) -> RawFile,
    ) -> Result<Self, OpenError> {
        let file = match RawFile::open(disk, path) {
            Err(OpenError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                return Ok(Self::Missing);
            }
            file => file?,
        };
        let snapshot = Snapshot::open(to_read(file));
        Self::refuse_foreign(&snapshot, path, kind)?;
        Ok(Self::There(Box::new(snapshot)))
    }

    /// Refuses a file that is whole and no log of ours.
    pub(super) fn refuse_foreign(
        file: &Snapshot,
        path: &Path,
        kind: Kind,
    ) -> Result<(), OpenError> {
        let value = |key: &str| value_of(file, key);
        let foreign = |problem: &str| OpenError::Foreign {
            path: path.to_owned(),
            problem: problem.to_owned(),
        };
        let magic = value(meta::MAGIC);
        if magic.as_ref().is_some_and(|magic| magic != kind.magic()) {
            return Err(foreign(kind.instead(magic.as_deref())));
        }
        let format =
            value(meta::FORMAT).and_then(|it| Some(u32::from_le_bytes(it.try_into().ok()?)));
        match format {
            Some(found) if found > FORMAT => Err(OpenError::Newer {
                path: path.to_owned(),
                found,
            }),
            Some(found) if found < FORMAT => Err(foreign(
                "it has a format that no Coven was ever released with",
            )),
            Some(_) | None => Ok(()),
        }
    }

    fn is_sound(&self) -> bool {
        match self {
            Self::Missing => false,
            Self::There(file) => file.header.is_sound(),
        }
    }

    /// Tells what is wrong with the file as a file.
    fn tell_structure(&self, kind: Kind, findings: &mut Findings) {
        let tell = |problem: &str, loss| Finding::new(log_file(kind), problem, loss);
        let tables = tables_of(kind);
        let file = match self {
            Self::Missing if kind == Kind::Cold => {
                return findings.add(tell("it is missing", Loss::File));
            }
            // Whether anything is lost by that is told of what is in the cold file.
            Self::Missing => return,
            Self::There(file) => file,
        };
        let is_there = is_there(file);
        for problem in &file.header.problems {
            let loss = if is_there { Loss::Unopened } else { Loss::File };
            findings.add(tell(problem, loss));
        }
        if let Some(problem) = file.header.last.problem().filter(|_| is_there) {
            let loss = match file.header.last {
                Last::Lost => Loss::Newest,
                Last::Told | Last::Hidden | Last::Mended => Loss::Unopened,
            };
            findings.add(tell(problem, loss));
        }
        // Every commit of the cold file has two phases, so a crash may have left that there.
        if kind == Kind::Journal && file.header.has_one_after {
            let problem = "its first page has a commit after the one that it calls the last";
            findings.add(tell(problem, Loss::LastCommit));
        }
        if file.header.has_odd_flags {
            let problem = "its first page says how it was left in a way that it is never said";
            findings.add(tell(problem, Loss::Nothing));
        }
        findings.take_pages(log_file(kind), file);
        if file.has_lost_its_last {
            let problem = "its last commit is not whole, and is taken back when it is opened";
            findings.add(tell(problem, Loss::LastCommit));
        }
        if !is_there {
            return findings.add(tell("no table can be found in it", Loss::File));
        }
        for name in tables {
            if !file.has(name) {
                let finding = tell("the table is missing", Loss::Rows);
                findings.add(Finding {
                    table: Some(name),
                    ..finding
                });
            }
        }
    }
}

impl Inspected {
    /// What a cold file comes to that cannot be read.
    fn nothing() -> Self {
        Self {
            findings: Findings::default(),
            mark: None,
            imported: None,
            met: std::collections::BTreeMap::new(),
            records: std::collections::BTreeMap::new(),
        }
    }

    /// What is told where there is no journal: every log has one.
    fn without_journal(mut self) -> Findings {
        let problem = "it is missing, and what was last recorded with it";
        let finding = Finding::new(LogFile::Journal, problem, Loss::Commit);
        self.findings.add(finding);
        self.findings
    }
}

impl Findings {
    fn take_in(&mut self, more: Self) {
        self.sessions += more.sessions;
        self.events += more.events;
        self.untold += more.untold;
        self.unreadable.extend(more.unreadable);
        self.read.extend(more.read);
        for finding in more.problems {
            self.add(finding);
        }
    }

    fn take_pages(&mut self, file: LogFile, snapshot: &Snapshot) {
        for page in snapshot.take_bad() {
            self.add(Finding::of_page(file, page));
        }
    }

    fn take_cut_short(&mut self, file: LogFile, snapshot: &Snapshot) {
        for page in snapshot.take_cut_short() {
            self.add(Finding::of_cut_short(file, page));
        }
    }
}

pub(super) fn value_of(file: &Snapshot, key: &str) -> Option<Vec<u8>> {
    let mut rows = file.rows("meta", widths(&META));
    let row = rows.find(|row| row.is_sound && row.key == key.as_bytes());
    row.map(|row| row.value)
}

fn log_id(file: &Snapshot) -> Option<Vec<u8>> {
    value_of(file, meta::LOG)
}

/// The database's own check of a file, which is not written to. It sees what is kept of free pages,
/// which nothing else does.
fn own_check(disk: &dyn Disk, path: &Path, kind: Kind) -> Option<String> {
    let checked = caught(|| file::check(disk, path, kind));
    match checked {
        Some(Ok(true)) => None,
        Some(Ok(false)) => Some("the database had to mend what it keeps of free pages".to_owned()),
        Some(Err(error)) => Some(format!("the database cannot open it: {error}")),
        None => Some("the database cannot read it: its pages contradict each other".to_owned()),
    }
}
