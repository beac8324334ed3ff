//! `Database`: the open database, which can be replaced under everybody's feet.
//!
//! After a fault the thread that writes to it closes it and opens it again. Who reads meanwhile waits,
//! for a while, and reads again from the new one.

mod guarded;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Instant;

use redb::{ReadTransaction, ReadableDatabase, WriteTransaction};

use crate::error::{Damage, ReadError, StorageFault};
use crate::fault::Fault;
use crate::file::Bare;
use crate::limits::{READ_PATIENCE, READ_TRIES};
use crate::raw::{LastNotes, Snapshot};

pub use guarded::catches_panics;
pub(crate) use guarded::{caught, guarded, guarded_read, if_given};

pub(crate) struct Database {
    current: Mutex<Current>,
    replaced: Condvar,
    /// For those who read the file without redb, which takes longer.
    notes: LastNotes,
}

struct Current {
    /// Counts the openings, so that who met a fault knows whether this is another one.
    opening: u64,
    /// The opening that is not replaced soon, whatever who reads meets in it.
    stays: Option<u64>,
    state: State,
}

enum State {
    Open {
        db: Arc<Handle>,
        /// The file it is of, for who reads it without redb.
        file: Option<Bare>,
    },
    /// It is being opened again: who reads waits.
    Reopening,
    /// It could not be opened. It will be tried again, but not soon.
    Failed(StorageFault),
    /// For good.
    Closed,
}

/// A database of redb's, until it is closed. To begin a transaction reads the disk, which may hang or fail: it is
/// done with no lock held but this one, which only who closes it waits for.
struct Handle(RwLock<Option<redb::Database>>);

impl Handle {
    fn new(db: redb::Database) -> Arc<Self> {
        Arc::new(Self(RwLock::new(Some(db))))
    }

    fn begin<T>(
        &self,
        begin: impl FnOnce(&redb::Database) -> Result<T, redb::TransactionError>,
    ) -> Result<T, Fault> {
        let db = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let db = db.as_ref().ok_or(Fault::Stale)?;
        Ok(begin(db)?)
    }

    fn begin_read(&self) -> Result<ReadTransaction, Fault> {
        guarded_read(|| self.begin(ReadableDatabase::begin_read))
    }

    fn close(&self) {
        let mut db = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let db = db.take();
        // It may write to the disk, and panic on a damaged file.
        let _ = caught(|| drop(db));
    }
}

impl Database {
    pub(crate) fn new(db: redb::Database, file: Option<Bare>) -> Self {
        Self {
            current: Mutex::new(Current {
                opening: 0,
                stays: None,
                state: State::Open {
                    db: Handle::new(db),
                    file,
                },
            }),
            replaced: Condvar::new(),
            notes: LastNotes::default(),
        }
    }

    /// Runs `read` in a transaction that sees one commit and no later one. Blocks for the disk,
    /// and up to [`READ_PATIENCE`] while the database is being reopened. `alarm` is called with
    /// the number of an opening that met a fault. Who met one of the disk in an opening that is not
    /// replaced soon is told that.
    pub(crate) fn read<T>(
        &self,
        read: impl Fn(&ReadTransaction) -> Result<T, Fault>,
        alarm: impl Fn(u64),
    ) -> Result<T, ReadError> {
        let deadline = Instant::now() + READ_PATIENCE;
        let mut met: Option<(u64, Fault)> = None;
        let mut tries = 0;
        loop {
            let (opening, db) = self.open_now(met.as_ref(), deadline)?;
            match self.read_in(opening, &db, &read) {
                Ok(value) => return Ok(value),
                Err(Fault::Damage(damage)) => return Err(ReadError::Damaged(damage)),
                Err(fault @ (Fault::Disk(_) | Fault::Stale)) => {
                    alarm(opening);
                    // However often it is opened, that stays.
                    if let Fault::Disk(StorageFault::Damaged { message }) = fault {
                        return Err(ReadError::Damaged(Damage {
                            session: None,
                            seq: None,
                            problem: message,
                        }));
                    }
                    tries += 1;
                    if tries == READ_TRIES {
                        let reason = fault.reason();
                        return Err(ReadError::Unavailable { reason });
                    }
                    met = Some((opening, fault));
                }
            }
        }
    }

    /// An opening other than `met`.
    fn open_now(
        &self,
        met: Option<&(u64, Fault)>,
        deadline: Instant,
    ) -> Result<(u64, Arc<Handle>), ReadError> {
        let met_in = met.map(|(opening, _)| *opening);
        let mut current = self.lock();
        loop {
            match (&current.state, met) {
                (State::Open { db, .. }, _) if met_in != Some(current.opening) => {
                    return Ok((current.opening, Arc::clone(db)));
                }
                (State::Open { .. }, Some((_, Fault::Disk(reason)))) if current.stays == met_in => {
                    return Err(ReadError::Unavailable {
                        reason: reason.clone(),
                    });
                }
                (State::Open { .. } | State::Reopening, _) => {}
                (State::Failed(reason), _) => {
                    return Err(ReadError::Unavailable {
                        reason: reason.clone(),
                    });
                }
                (State::Closed, _) => return Err(ReadError::Closed),
            }
            let patience = deadline.saturating_duration_since(Instant::now());
            if patience.is_zero() {
                let reason = Fault::Stale.reason();
                return Err(ReadError::Unavailable { reason });
            }
            let waited = self.replaced.wait_timeout(current, patience);
            current = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Runs `read` once on the database as it is, and raises no alarm. For the writer and the folder, who
    /// see to it themselves that a database with a fault is replaced, or try again.
    pub(crate) fn read_once<T>(
        &self,
        read: impl Fn(&ReadTransaction) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let (opening, db) = self.handle()?;
        self.read_in(opening, &db, read)
    }

    /// The opening that is in use.
    fn handle(&self) -> Result<(u64, Arc<Handle>), Fault> {
        let current = self.lock();
        match &current.state {
            State::Open { db, .. } => Ok((current.opening, Arc::clone(db))),
            State::Reopening | State::Failed(_) | State::Closed => Err(Fault::Stale),
        }
    }

    /// Runs `read` beside a transaction, on the file as its last commit left it, read without redb. For who met
    /// damage, and waits as [`Database::read`] does; `None` where what the last commit is cannot be told, or the
    /// disk does not give it.
    pub(crate) fn read_verified<T>(
        &self,
        read: impl Fn(&ReadTransaction, &Snapshot) -> Result<T, Fault>,
    ) -> Option<Result<T, Fault>> {
        self.read_verified_in(|_, txn, file| read(txn, file))
    }

    /// The same for who remembers something of the commit: `read` is told the number of the opening too. After a fault
    /// a number may be given once more, to another commit.
    pub(crate) fn read_verified_in<T>(
        &self,
        read: impl Fn(u64, &ReadTransaction, &Snapshot) -> Result<T, Fault>,
    ) -> Option<Result<T, Fault>> {
        self.read_verified_by(Instant::now() + READ_PATIENCE, read)
    }

    /// The same, with no wait for a file that is being opened.
    pub(crate) fn read_verified_at_once<T>(
        &self,
        read: impl Fn(u64, &ReadTransaction, &Snapshot) -> Result<T, Fault>,
    ) -> Option<Result<T, Fault>> {
        self.read_verified_by(Instant::now(), read)
    }

    fn read_verified_by<T>(
        &self,
        deadline: Instant,
        read: impl Fn(u64, &ReadTransaction, &Snapshot) -> Result<T, Fault>,
    ) -> Option<Result<T, Fault>> {
        for _ in 0..READ_TRIES {
            let (opening, db) = self.open_now(None, deadline).ok()?;
            let (Ok(txn), Some(file)) = (db.begin_read(), self.file(opening)) else {
                continue;
            };
            // The commit that is the last one now is that of the transaction or a later one: for as long as that
            // is there, none of its pages is written anew.
            let mut snapshot = file.at_last()?;
            snapshot.notes = self.notes.of(opening, snapshot.commit_number());
            let is_sound = snapshot.header.is_sound();
            match self.told_by(opening, guarded_read(|| read(opening, &txn, &snapshot))) {
                Err(Fault::Stale) => {}
                Err(Fault::Disk(_)) => return None,
                found => return is_sound.then_some(found),
            }
        }
        None
    }

    /// The file of an opening, if that is in use.
    fn file(&self, opening: u64) -> Option<Bare> {
        let current = self.lock();
        match &current.state {
            State::Open { file, .. } if current.opening == opening => file.clone(),
            State::Open { .. } | State::Reopening | State::Failed(_) | State::Closed => None,
        }
    }

    /// Runs `read` in a transaction of an `opening`.
    fn read_in<T>(
        &self,
        opening: u64,
        db: &Handle,
        read: impl Fn(&ReadTransaction) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let txn = db.begin_read();
        self.told_by(opening, txn.and_then(|txn| guarded_read(|| read(&txn))))
    }

    /// What was found or met in an `opening`, if that is still in use: the pages of one that was closed meanwhile
    /// may be read as whoever opened the file again has written them.
    fn told_by<T>(&self, opening: u64, found: Result<T, Fault>) -> Result<T, Fault> {
        if self.is_open(opening) {
            found
        } else {
            Err(Fault::Stale)
        }
    }

    /// Which opening of the database is in use, if it is open.
    pub(crate) fn opening(&self) -> Option<u64> {
        let current = self.lock();
        matches!(current.state, State::Open { .. }).then_some(current.opening)
    }

    /// Whether the database is open, and this is the opening that is in use.
    pub(crate) fn is_open(&self, opening: u64) -> bool {
        let current = self.lock();
        matches!(current.state, State::Open { .. }) && current.opening == opening
    }

    /// The one write transaction. Of each file one thread alone calls this, the writer of the journal and
    /// the folder of the cold file, so it does not wait.
    pub(crate) fn begin_write(&self) -> Result<WriteTransaction, Fault> {
        let (_, db) = self.handle()?;
        db.begin(redb::Database::begin_write)
    }

    /// The same of a cold file, and of which opening it is. After a crash that is as large as all history: it
    /// must open without a look at all of it.
    pub(crate) fn begin_cold(&self) -> Result<(u64, WriteTransaction), Fault> {
        // Who may begin is the one who opens it again.
        let opening = self.lock().opening;
        Ok((opening, self.begin_noting_what_is_free()?))
    }

    /// The same of one whose commit is to say which pages are free after it, for who gives them back.
    pub(crate) fn begin_noting_what_is_free(&self) -> Result<WriteTransaction, Fault> {
        let mut txn = self.begin_write()?;
        txn.set_quick_repair(true);
        Ok(txn)
    }

    /// Does `work` in a transaction of a cold file that nobody else reads, and commits it.
    pub(crate) fn commit_cold(
        &self,
        work: impl FnOnce(&WriteTransaction) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        guarded(|| {
            let (_, txn) = self.begin_cold()?;
            work(&txn)?;
            Ok(txn.commit()?)
        })
    }

    /// Closes the database, if it is open, to open it again. Reads wait from now on.
    pub(crate) fn take_away(&self) {
        self.replace(State::Reopening);
    }

    /// Puts a newly opened database in place.
    pub(crate) fn put(&self, db: redb::Database, file: Option<Bare>) {
        self.lock().opening += 1;
        let db = Handle::new(db);
        self.replace(State::Open { db, file });
    }

    /// An opening that met a fault stays in use for a while: who met it there need not wait.
    pub(crate) fn stay(&self, opening: u64) {
        self.lock().stays = Some(opening);
        self.replaced.notify_all();
    }

    /// It cannot be opened now. Reads fail from now on.
    pub(crate) fn fail(&self, reason: StorageFault) {
        self.replace(State::Failed(reason));
    }

    /// Closes the database for good.
    pub(crate) fn close(&self) {
        self.replace(State::Closed);
    }

    fn replace(&self, state: State) {
        let before = std::mem::replace(&mut self.lock().state, state);
        self.replaced.notify_all();
        // Nobody who reads is to wait for that.
        if let State::Open { db, .. } = before {
            db.close();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
