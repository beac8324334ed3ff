//! Opening the log: both its files, and what they have together; to write to it, or to read alone.

use std::io;
use std::path::Path;
use std::sync::Arc;

use coven_core::{Phase, SessionId};
use redb::{ReadTransaction, ReadableDatabase};

use crate::database::{caught, guarded, guarded_read};
use crate::error::{OpenError, StorageFault};
use crate::fault::{Fault, storage_fault};
use crate::file::{self, Disk, Kept, Kind, Reserve, Shadow, SharedReserve};
use crate::journal;
use crate::layout::{META, meta};
use crate::limits::TRIM_PARTS;
use crate::options::Options;
use crate::read;
use crate::stored::Mark;
use crate::tail::{Tail, replay};
use crate::writer::journal_position;

/// A log that is open.
pub(crate) struct Files {
    pub(crate) log: file::LogId,
    pub(crate) journal: Kept,
    pub(crate) cold: Kept,
    pub(crate) tail: Tail,
    /// The sessions that were told to end, and whose end is not on record.
    pub(crate) ending: Vec<SessionId>,
    pub(crate) reserve: SharedReserve,
    /// Of which file the last commit was let go of, and why.
    pub(crate) let_go: Option<String>,
}

/// Opens the log at `path`, or makes it. Nothing is written before both files are known to be
/// ours, and whole as far as was looked.
pub(crate) fn open(
    disk: &Arc<dyn Disk>,
    path: &Path,
    options: Options,
) -> Result<Files, OpenError> {
    guard(path, || open_files(disk, path, options))
}

/// A log that is open for reading alone: the journal is in the tail, whole.
pub(crate) struct ReadFiles {
    pub(crate) log: file::LogId,
    pub(crate) cold: redb::Database,
    pub(crate) cold_file: Shadow,
    pub(crate) tail: Tail,
}

/// Opens the log at `path` for reading alone. Nothing is written to either file, then or later.
pub(crate) fn open_to_read(
    disk: &dyn Disk,
    path: &Path,
    options: Options,
) -> Result<ReadFiles, OpenError> {
    guard(path, || open_files_to_read(disk, path, options))
}

/// Even closing a file whose pages contradict each other may panic.
fn guard<T>(path: &Path, open: impl FnOnce() -> Result<T, OpenError>) -> Result<T, OpenError> {
    caught(open).unwrap_or_else(|| {
        Err(OpenError::Damaged {
            path: path.to_owned(),
            problem: "its pages contradict each other".to_owned(),
        })
    })
}

fn open_files_to_read(
    disk: &dyn Disk,
    path: &Path,
    options: Options,
) -> Result<ReadFiles, OpenError> {
    let journal_path = file::journal_path(path);
    file::are_both_there(disk, path, &journal_path)?;
    let cold = file::open_to_read(disk, path, Kind::Cold, options.cache_bytes)?;
    let (log, _) = standing(path, &cold.db)?;
    let journal =
        file::open_journal_to_read(disk, &journal_path, log, options.journal_cache_bytes)?;
    let tail = guarded_read(|| replay(&journal.db.begin_read()?, &cold.db.begin_read()?))
        .map_err(|fault| replay_error(path, &journal_path, &fault))?;
    Ok(ReadFiles {
        log,
        cold: cold.db,
        cold_file: cold.shadow,
        tail,
    })
}

/// Which log a cold file is of, and how far it has everything.
fn standing(path: &Path, cold: &redb::Database) -> Result<(file::LogId, Mark), OpenError> {
    guarded_read(|| {
        let txn = cold.begin_read()?;
        Ok((file::log_id(&txn)?, read::folded(&txn)?))
    })
    .map_err(|fault| file::fault_error(path, &fault))
}

fn open_files(disk: &Arc<dyn Disk>, path: &Path, options: Options) -> Result<Files, OpenError> {
    let journal_path = file::journal_path(path);
    file::make_if_new(disk.as_ref(), path, &journal_path)?;
    let cold = file::open_cold(disk.as_ref(), path, options.cache_bytes)?;
    let (log, folded) = standing(path, &cold.db)?;
    let journal = file::open_journal(
        disk.as_ref(),
        &journal_path,
        log,
        options.journal_cache_bytes,
    )?;
    let tail = guarded_read(|| replay(&journal.db.begin_read()?, &cold.db.begin_read()?))
        .map_err(|fault| replay_error(path, &journal_path, &fault))?;
    let ending = match guarded_read(|| ending(&cold.db.begin_read()?, &tail)) {
        Ok(ending) => ending,
        // They wait for room then, as all others do.
        Err(Fault::Damage(_)) => Vec::new(),
        Err(fault) => return Err(file::fault_error(path, &fault)),
    };
    let folder = file::folder_of(path).map_err(|source| file::open_error(path, source))?;
    let room = disk.room(&folder);
    // Of a small disk it is not to take more than it leaves to the log, which then would have no room.
    let most_bytes = room.map_or(u64::MAX, |room| room.size_bytes / 2);
    let reserve_bytes = options.reserve_bytes.min(most_bytes);
    let mut reserve = Reserve::beside(disk.as_ref(), path, reserve_bytes);
    level(&journal.db, &cold.db, folded)
        .map_err(|fault| file::fault_error(&journal_path, &fault))?;
    for shadow in [&cold.shadow, &journal.shadow] {
        release(shadow, &mut reserve).map_err(|source| file::open_error(path, source))?;
    }
    let folder = Arc::new(folder);
    let told = |path: &Path, why| format!("{}: {why}", path.display());
    let let_go = [(&cold, path), (&journal, &journal_path)]
        .into_iter()
        .find_map(|(opened, path)| Some(told(path, opened.let_go?)));
    let kept = |opened, path: &Path, kind, cache_bytes| {
        let (path, folder) = (path.to_owned(), Arc::clone(&folder));
        Kept::writable(opened, Arc::clone(disk), path, folder, kind, cache_bytes)
    };
    let (cold_bytes, journal_bytes) = (options.cache_bytes, options.journal_cache_bytes);
    Ok(Files {
        log,
        journal: kept(journal, &journal_path, Kind::Journal, journal_bytes),
        cold: kept(cold, path, Kind::Cold, cold_bytes),
        tail,
        ending,
        reserve: SharedReserve::new(reserve),
        let_go,
    })
}

/// The sessions that were told to end, and whose end is not on record.
fn ending(cold: &ReadTransaction, tail: &Tail) -> Result<Vec<SessionId>, Fault> {
    let live = read::live(cold, &tail.standings())?.into_iter();
    let ending = live.filter(|record| {
        let phase = &record.session.phase;
        matches!(phase, Phase::Cancelled | Phase::Dying { .. })
    });
    Ok(ending.map(|record| record.session.id.clone()).collect())
}

/// Has the journal count on from `folded`, where the cold file came to that without it: by an import that
/// went on from where the journal is. While its file is held, so that a full disk cuts it nowhere.
fn level(journal: &redb::Database, cold: &redb::Database, folded: Mark) -> Result<(), Fault> {
    guarded(|| {
        if journal_position(&journal.begin_read()?)? >= folded.position {
            return Ok(());
        }
        let txn = journal.begin_write()?;
        while !journal::remove(&txn, folded.position, TRIM_PARTS)?.is_all {}
        let mark = folded.seal(meta::TRIMMED);
        let mut of_journal = txn.open_table(META)?;
        of_journal.insert(meta::TRIMMED, mark.as_slice())?;
        // Whatever import there was is over.
        if let Some(aside) = cold.begin_read()?.open_table(META)?.get(meta::ASIDE)? {
            of_journal.insert(meta::ASIDE, aside.value())?;
        }
        drop(of_journal);
        txn.commit()?;
        Ok(())
    })
}

/// Lets a file's writes through. Repairing after a crash takes room, and on a full disk the reserve has
/// it: it gives what they are, and more only where that is not enough.
fn release(file: &Shadow, reserve: &mut Reserve) -> io::Result<()> {
    let mut given_bytes = file.held_bytes().max(1);
    loop {
        match file.release() {
            Err(error)
                if storage_fault(&error) == StorageFault::Full && reserve.held_bytes() > 0 =>
            {
                reserve.give(given_bytes)?;
                given_bytes = given_bytes.saturating_mul(2);
            }
            result => return result,
        }
    }
}

/// Where the two do not fit together, it is told of the journal: the cold file alone is whole.
fn replay_error(path: &Path, journal: &Path, fault: &Fault) -> OpenError {
    match fault {
        Fault::Damage(damage) => OpenError::Damaged {
            path: journal.to_owned(),
            problem: damage.to_string(),
        },
        Fault::Disk(_) | Fault::Stale => file::fault_error(path, fault),
    }
}
