//! Opening the log, and opening it again after a fault.

use std::collections::BTreeSet;
use std::io;
use std::ops::Bound;
use std::path::Path;

use redb::{
    BackendError, Builder, Database, DatabaseError, ReadableDatabase, StorageBackend, StorageError,
};

use super::dead_sectors::DeadSectors;
use super::disk::{Access, Disk, Forgotten};
use super::identity::{self, Identity};
use super::kind::{Kind, LogId};
use super::last_sync::LastSync;
use super::left;
use super::place::Inode;
use super::proven::Proven;
use super::shadow::{Locking, Shadow};
use crate::database::{caught, guarded_read};
use crate::error::{OpenError, StorageFault};
use crate::fault::{Fault, storage_fault};
use crate::projection;
use crate::raw::{HEADER_BYTES, Header, Made, RawFile, Snapshot, spoilt, without_damaged_system};

/// What every redb file begins with.
pub(super) const REDB_MAGIC: &[u8] = b"redb\x1a\x0a\xa9\x0d\x0a";

/// Bytes of memory for a database that is only checked: each page is looked at once.
pub(super) const CHECK_CACHE_BYTES: usize = 8 << 20;

/// The part of a cold file's cache that is for its short pages: of 4 MiB, 256 of them.
const SHORT_SHARE: usize = 4;

/// A log that is open and is ours; its file is not written to before its shadow is released.
pub(crate) struct Opened {
    pub(crate) db: Database,
    pub(crate) shadow: Shadow,
    /// What the file was opened for: with [`Access::Read`] the shadow cannot be released.
    pub(crate) access: Access,
    pub(super) past: Past,
    pub(super) inode: Inode,
    /// It was not as the last sync left it, and is opened as if it were.
    pub(super) is_restored: bool,
    /// Why its last commit is not in it, where it was let go of.
    pub(crate) let_go: Option<&'static str>,
    /// The projections that are to be made anew, if it was looked which.
    pub(crate) spoilt: BTreeSet<&'static str>,
    /// What holds the pages of a cold file to their checksums.
    pub(super) proven: Option<Proven>,
}

/// What is known of a file from one opening to the next.
#[derive(Clone, Debug, Default)]
pub(super) struct Past {
    pub(super) last_sync: LastSync,
    pub(super) dead: DeadSectors,
}

/// What is looked at of a file before redb opens it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// What the database keeps for itself.
    System,
    /// And the projections, of which a page that is damaged is made one that they can be dropped with.
    Projections,
}

/// Opens a log's cold file at `path`. What is not a log of ours, of this format and whole, is not
/// touched.
pub(crate) fn open_cold(
    disk: &dyn Disk,
    path: &Path,
    cache_bytes: usize,
) -> Result<Opened, OpenError> {
    // Whoever met a sync that failed may be dead. Not all of it: it may be as large as all history.
    disk.forget(path, Forgotten::FirstPage);
    open_first(disk, path, Kind::Cold, cache_bytes, Access::Write)
}

/// Opens the journal of `log` at `path`.
pub(crate) fn open_journal(
    disk: &dyn Disk,
    path: &Path,
    log: LogId,
    cache_bytes: usize,
) -> Result<Opened, OpenError> {
    disk.forget(path, Forgotten::All);
    let opened = open_first(disk, path, Kind::Journal, cache_bytes, Access::Write)?;
    belongs_to(log, opened, path)
}

/// Opens a file of a log for reading alone. Its shadow is never released: what a crash left undone
/// is put in order in memory, and nothing reaches the disk.
pub(crate) fn open_to_read(
    disk: &dyn Disk,
    path: &Path,
    kind: Kind,
    cache_bytes: usize,
) -> Result<Opened, OpenError> {
    // Where it can be opened for writing it can be locked, so that nobody writes meanwhile.
    match open_first(disk, path, kind, cache_bytes, Access::Write) {
        Err(error) if is_denied(&error) => open_first(disk, path, kind, cache_bytes, Access::Read),
        opened => opened,
    }
}

/// Opens the journal of `log` for reading alone.
pub(crate) fn open_journal_to_read(
    disk: &dyn Disk,
    path: &Path,
    log: LogId,
    cache_bytes: usize,
) -> Result<Opened, OpenError> {
    let opened = open_to_read(disk, path, Kind::Journal, cache_bytes)?;
    belongs_to(log, opened, path)
}

fn belongs_to(log: LogId, journal: Opened, path: &Path) -> Result<Opened, OpenError> {
    let found = journal
        .db
        .begin_read()
        .map_err(Fault::from)
        .and_then(|txn| super::kind::log_id(&txn))
        .map_err(|fault| fault_error(path, &fault))?;
    if found == log {
        return Ok(journal);
    }
    let another = || "it belongs to another log than the file beside it".to_owned();
    Err(OpenError::Damaged {
        path: path.to_owned(),
        problem: identity::altered(&journal.shadow).unwrap_or_else(another),
    })
}

fn is_denied(error: &OpenError) -> bool {
    match error {
        OpenError::ReadOnly { .. } => true,
        OpenError::Io { source, .. } => source.kind() == io::ErrorKind::PermissionDenied,
        OpenError::Locked { .. }
        | OpenError::Foreign { .. }
        | OpenError::Newer { .. }
        | OpenError::Damaged { .. }
        | OpenError::Unfinished { .. } => false,
    }
}

/// Opens a file of the log again after a fault, for reading at least: as its last sync left it, whatever
/// the system says that was written since.
pub(super) fn reopen(
    disk: &dyn Disk,
    path: &Path,
    kind: Kind,
    cache_bytes: usize,
    past: &Past,
    look: Look,
) -> Result<Opened, OpenError> {
    let open = |access| open_held(disk, path, kind, cache_bytes, access, past, look);
    match open(Access::Write) {
        Err(OpenError::ReadOnly { .. }) => open(Access::Read),
        result => result,
    }
}

/// Has the database check a whole file; `false` where it is not as it should be. Nothing is written
/// to the disk.
pub(crate) fn check(disk: &dyn Disk, path: &Path, kind: Kind) -> Result<bool, OpenError> {
    let mut opened = open_to_read(disk, path, kind, CHECK_CACHE_BYTES)?;
    opened
        .db
        .check_integrity()
        .map_err(|error| database_error(path, error))
}

/// Opens a file that this program has not written to yet.
fn open_first(
    disk: &dyn Disk,
    path: &Path,
    kind: Kind,
    cache_bytes: usize,
    access: Access,
) -> Result<Opened, OpenError> {
    let past = Past::default();
    let look = Look::System;
    open_held(disk, path, kind, cache_bytes, access, &past, look)
}

fn open_held(
    disk: &dyn Disk,
    path: &Path,
    kind: Kind,
    cache_bytes: usize,
    access: Access,
    past: &Past,
    look: Look,
) -> Result<Opened, OpenError> {
    let io = |source| open_error(path, source);
    let file = disk.open(path, access).map_err(io)?;
    let locking = match access {
        Access::Write | Access::Create => Locking::Exclusive,
        Access::Read => Locking::None,
    };
    let inode = Inode::of(&file.metadata().map_err(io)?);
    let holes = disk.holes(&file).map_err(io)?;
    let backend = match (disk.backend(file).map_err(io)?, kind) {
        (backend, Kind::Cold) => past.dead.of(backend),
        // What is there is every session's, and a last commit that is not given would be let go of.
        (backend, Kind::Journal) => backend,
    };
    let shadow = Shadow::held(past.last_sync.of(backend), holes, locking).map_err(io)?;
    lock(&shadow, path)?;
    let is_restored = past.last_sync.restore(&shadow).map_err(io)?;
    let header = header(&shadow, path)?;
    if let Some(problem) = header.as_ref().and_then(|header| header.last.problem()) {
        return Err(OpenError::Damaged {
            path: path.to_owned(),
            problem: problem.to_owned(),
        });
    }
    if kind == Kind::Journal {
        left::put_in_order(&shadow, path)?;
    }
    mend_system(&shadow, path)?;
    let short_bytes = cache_bytes / SHORT_SHARE;
    let proven = match kind {
        Kind::Cold => Some(Proven::new(shadow.clone(), past, short_bytes)),
        // Its rows have checksums of their own, and each says how many there are.
        Kind::Journal => None,
    };
    let spoilt = match (look, &proven) {
        (Look::Projections, Some(proven)) => give_up_spoilt_pages(&shadow, proven).map_err(io)?,
        (Look::System | Look::Projections, _) => BTreeSet::new(),
    };
    // redb trusts a file that was closed in order, and may panic on one that was altered since.
    let opened = caught(|| {
        let db = match &proven {
            Some(proven) => builder(cache_bytes - short_bytes).create_with_backend(proven.clone()),
            None => builder(cache_bytes).create_with_backend(shadow.clone()),
        };
        let db = db.map_err(|error| database_error(path, error))?;
        if let Some(proven) = &proven {
            proven.learn().map_err(io)?;
        }
        match guarded_read(|| identity::of(&db, &shadow, kind))
            .map_err(|fault| fault_error(path, &fault))?
        {
            Identity::Ours => Ok(db),
            Identity::Foreign { problem } => Err(OpenError::Foreign {
                path: path.to_owned(),
                problem: problem.to_owned(),
            }),
            Identity::Newer { found } => Err(OpenError::Newer {
                path: path.to_owned(),
                found,
            }),
        }
    });
    let db = opened.unwrap_or_else(|| {
        Err(OpenError::Damaged {
            path: path.to_owned(),
            problem: "its pages contradict each other".to_owned(),
        })
    })?;
    let let_go = what_is_let_go(header.and_then(|it| it.uncertain()), &shadow, path)?;
    Ok(Opened {
        db,
        shadow,
        access,
        past: past.clone(),
        inode,
        is_restored,
        let_go,
        spoilt,
        proven,
    })
}

/// Takes the lock that the database takes, so that nobody writes to what is looked at.
fn lock(shadow: &Shadow, path: &Path) -> Result<(), OpenError> {
    let io = |source| open_error(path, source);
    match shadow.try_lock_range(Bound::Unbounded, Bound::Unbounded) {
        Ok(true) | Err(BackendError::Unsupported) => Ok(()),
        Ok(false) => Err(OpenError::Locked {
            path: path.to_owned(),
        }),
        Err(BackendError::Io(source)) => Err(io(source)),
        Err(other) => Err(io(io::Error::other(other.to_string()))),
    }
}

/// Has the database make anew what it keeps for itself, where that is damaged: in memory, as all
/// that is done to a file that is held.
fn mend_system(shadow: &Shadow, path: &Path) -> Result<(), OpenError> {
    let io = |source| open_error(path, source);
    let file = RawFile::lent(shadow).map_err(io)?;
    if let Some(patch) = without_damaged_system(file).map_err(io)? {
        let place = patch.found.at;
        tracing::error!(path = %path.display(), ?place, problem = patch.found.problem,
            "what the database keeps of free pages is damaged, and is made anew from all others");
        shadow.write(patch.at, &patch.bytes).map_err(io)?;
    }
    Ok(())
}

/// Has damaged pages of what can be made anew lead nowhere: in memory, as all that is done to a file that is
/// held. Says of which tables.
fn give_up_spoilt_pages(shadow: &Shadow, proven: &Proven) -> io::Result<BTreeSet<&'static str>> {
    let snapshot = Snapshot::at_last(RawFile::lent(shadow)?);
    let can_be_made = projection::that_can_be_made(&snapshot);
    let mut tables = BTreeSet::new();
    for patch in spoilt(RawFile::lent(shadow)?, &can_be_made) {
        proven.write(patch.at, &patch.bytes)?;
        tables.insert(patch.found.table);
    }
    Ok(tables)
}

/// The first page of a file; `None` where the database will complain of it. A file whose last commit was
/// damaged after it was made is to be refused: the database would go back to the one before, and what was
/// recorded since would be gone without a word.
fn header(file: &Shadow, path: &Path) -> Result<Option<Header>, OpenError> {
    let mut header = [0; HEADER_BYTES];
    match file.read(0, &mut header) {
        Ok(()) if header.starts_with(REDB_MAGIC) => Ok(Some(Header::of(&header))),
        Ok(()) => Ok(None),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(open_error(path, error)),
    }
}

/// Says where the database has gone back to the commit before the last one of a file that was not closed.
fn what_is_let_go(
    last: Option<Made>,
    file: &Shadow,
    path: &Path,
) -> Result<Option<&'static str>, OpenError> {
    let Some(last) = last else {
        return Ok(None);
    };
    let is_gone = header(file, path)?.is_some_and(|header| !header.has(last));
    if is_gone {
        tracing::warn!(path = %path.display(), "{LET_GO}");
    }
    Ok(is_gone.then_some(LET_GO))
}

/// It cannot be told which of the two it is.
const LET_GO: &str = "its last commit is not whole and was let go: the power failed as it was made, and \
                      nothing that was acknowledged is lost; or it was damaged since, and what it recorded is";

pub(super) fn builder(cache_bytes: usize) -> Builder {
    let mut builder = Builder::new();
    builder.set_cache_size(cache_bytes);
    builder
}

/// An error of the system, sorted.
pub(crate) fn open_error(path: &Path, source: io::Error) -> OpenError {
    let path = path.to_owned();
    match storage_fault(&source) {
        StorageFault::ReadOnly => OpenError::ReadOnly { path },
        StorageFault::Full
        | StorageFault::Io { .. }
        | StorageFault::Damaged { .. }
        | StorageFault::Displaced { .. } => OpenError::Io { path, source },
    }
}

/// An error of redb while it opens, sorted.
pub(super) fn database_error(path: &Path, error: DatabaseError) -> OpenError {
    let path_buf = path.to_owned();
    match error {
        DatabaseError::DatabaseAlreadyOpen | DatabaseError::LockProtocolMismatch => {
            OpenError::Locked { path: path_buf }
        }
        DatabaseError::UpgradeRequired(_) => OpenError::Foreign {
            path: path_buf,
            problem: "it is a database of a kind that no Coven ever wrote".to_owned(),
        },
        // A file too short for what it says it holds: not the disk's fault.
        DatabaseError::Storage(StorageError::Io(source))
            if matches!(
                source.kind(),
                io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof
            ) =>
        {
            OpenError::Damaged {
                path: path_buf,
                problem: source.to_string(),
            }
        }
        DatabaseError::Storage(StorageError::Io(source)) => open_error(path, source),
        other => OpenError::Damaged {
            path: path_buf,
            problem: other.to_string(),
        },
    }
}

/// A fault in the first look at a database.
pub(crate) fn fault_error(path: &Path, fault: &Fault) -> OpenError {
    match fault.reason() {
        StorageFault::Damaged { message } => OpenError::Damaged {
            path: path.to_owned(),
            problem: message,
        },
        StorageFault::ReadOnly => OpenError::ReadOnly {
            path: path.to_owned(),
        },
        reason
        @ (StorageFault::Full | StorageFault::Io { .. } | StorageFault::Displaced { .. }) => {
            OpenError::Io {
                path: path.to_owned(),
                source: io::Error::other(reason),
            }
        }
    }
}
