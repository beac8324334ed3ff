//! `Import`: a session's events brought into a log at rest, all of them or none.
//!
//! They go into the cold file past the journal, all in one transaction of whatever length: what is not
//! committed is not there, whenever the process ends. It says from where it went on, and whoever opens
//! the log next tells the journal, which must be there still, how far the log is.
//!
//! What it wrote until then stays on the disk all the same, in pages that nothing leads to, and nothing but its slot
//! tells it from another's. So the slot is set aside before: whatever comes of it, no other session has that one.

#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use coven_core::{Envelope, Event, IllegalTransition, Record, Replay, SessionId};
use redb::{ReadableTable, Table, WriteTransaction};

use crate::batch::NewEvent;
use crate::cold::fold::{self, Thrift};
use crate::database::guarded;
use crate::error::{OpenError, StorageFault};
use crate::fault::Fault;
use crate::file::{Disk, OsDisk, putting_right};
use crate::layout::{META, meta};
use crate::limits::MAX_BATCH_BYTES;
use crate::opening::{self, Files};
use crate::options::Options;
use crate::read;
use crate::stored::{Aside, EventRow, Mark, encode};
use crate::tail::{Fold, FoldedSlot, Row, Run, Standing};
use crate::writer::span;

/// Bytes of events that are put into the cold file at once.
const CHUNK_BYTES: usize = 1 << 20;

/// An import under way. Dropped, it leaves nothing behind but a slot that no session will have.
pub struct Import {
    files: Files,
    /// `None` once it is over.
    txn: Option<WriteTransaction>,
    id: SessionId,
    /// How far the log was before.
    before: Mark,
    /// The same once the slot was set aside, which is the last one then.
    begun: Mark,
    replay: Replay,
    /// What is not in the cold file yet.
    rows: Vec<Row>,
    rows_bytes: usize,
    chunk_bytes: usize,
}

/// Why a session was not imported. No event of it is there, but for [`ImportError::Unsettled`]; its slot may be taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// The log cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// There is a session with this id. Delete that one first, if it may go.
    #[error("there is a session {session} already")]
    Exists {
        /// The id.
        session: SessionId,
    },
    /// An event cannot follow those before it.
    #[error(transparent)]
    Illegal(#[from] IllegalTransition),
    /// An event is longer than any that a log has.
    #[error("an event of {len_bytes} bytes is over the {MAX_BATCH_BYTES} that one may have")]
    TooLarge {
        /// Its bytes as stored.
        len_bytes: usize,
    },
    /// There are no events.
    #[error("there are no events")]
    Empty,
    /// The session was deleted: of one that was, a log has nothing but that. Leave it out.
    #[error("the session was deleted, and nothing is left of it to bring in")]
    Deleted,
    /// The disk did not take it, or what is there is damaged where it would have its place: then
    /// [`salvage`](crate::salvage()) the log, and import into that.
    #[error(transparent)]
    Storage(StorageFault),
    /// The disk failed as the session was made one of the log: all of it is there, or nothing. Whoever opens the
    /// log finds out.
    #[error("it is not known whether all of the session is there or nothing: {reason}")]
    Unsettled {
        /// What the disk said.
        reason: StorageFault,
    },
}

impl Import {
    /// Opens the log at `path`, as [`Store::open`](crate::Store::open) does, to bring in the session
    /// `id`: one that never was in this log, or was deleted from it. Blocks for the disk.
    ///
    /// # Errors
    /// [`ImportError::Open`], [`ImportError::Exists`], [`ImportError::Storage`].
    pub fn begin(path: &Path, options: Options, id: SessionId) -> Result<Self, ImportError> {
        let disk: Arc<dyn Disk> = Arc::new(OsDisk);
        Self::begin_on(&disk, path, options, id, CHUNK_BYTES)
    }

    pub(crate) fn begin_on(
        disk: &Arc<dyn Disk>,
        path: &Path,
        options: Options,
        id: SessionId,
        chunk_bytes: usize,
    ) -> Result<Self, ImportError> {
        let files = opening::open(disk, path, options)?;
        let before = files.tail.last();
        let mut import = Self {
            txn: None,
            id,
            begun: Mark {
                position: before.position + 1,
                last_slot: before.last_slot + 1,
                ..before
            },
            before,
            replay: Replay::default(),
            rows: Vec::new(),
            rows_bytes: 0,
            chunk_bytes,
            files,
        };
        import.in_cold_file(|| import.fold())?;
        let known = import.in_cold_file(|| {
            let cold = &import.files.cold.database;
            cold.read_once(|txn| read::entry(txn, &import.id))
        })?;
        if known.is_some() {
            return Err(ImportError::Exists {
                session: import.id.clone(),
            });
        }
        import.txn = Some(import.in_cold_file(|| import.set_aside_and_begin())?);
        Ok(import)
    }

    /// Does `work` with the cold file.
    fn in_cold_file<T>(&self, work: impl FnOnce() -> Result<T, Fault>) -> Result<T, ImportError> {
        // What was refused as the file was opened is over.
        self.files.cold.take_refused();
        let done = putting_right(|| guarded(work));
        done.map_err(|fault| ImportError::Storage(self.files.cold.what_befell(fault).reason()))
    }

    /// Folds what the journal has, so that what is imported comes after it.
    fn fold(&self) -> Result<(), Fault> {
        let cold = &self.files.cold.database;
        self.files.tail.fold().map_or(Ok(()), |what| {
            cold.commit_cold(|txn| fold::write(txn, &what, Thrift::Room))
        })
    }

    /// Sets the slot aside, durably, before anything is written of it.
    fn set_aside_and_begin(&self) -> Result<WriteTransaction, Fault> {
        let cold = &self.files.cold.database;
        cold.commit_cold(|txn| {
            let mut meta = txn.open_table(META)?;
            set_aside(&mut meta, |aside| {
                aside.0.insert(self.begun.last_slot);
            })?;
            let folded = self.begun.seal(meta::FOLDED);
            meta.insert(meta::FOLDED, folded.as_slice())?;
            self.say_where_it_went_on(&mut meta)
        })?;
        Ok(cold.begin_cold()?.1)
    }

    /// The slot is a session's, once that is committed.
    fn take_out_of_aside(&self) -> Result<(), ImportError> {
        let txn = self.txn.as_ref().expect("it is there until the end");
        self.in_cold_file(|| {
            let mut meta = txn.open_table(META)?;
            set_aside(&mut meta, |aside| {
                aside.0.remove(&self.begun.last_slot);
            })?;
            self.say_where_it_went_on(&mut meta)
        })
    }

    fn say_where_it_went_on(&self, meta: &mut Table<'_, &str, &[u8]>) -> Result<(), Fault> {
        let before = self.before.seal(meta::IMPORTED);
        meta.insert(meta::IMPORTED, before.as_slice())?;
        Ok(())
    }

    /// The session as of the events so far; `None` before the first.
    pub const fn record(&self) -> Option<&Record> {
        self.replay.so_far()
    }

    /// Adds an event behind those so far. Blocks for the disk now and then.
    ///
    /// # Errors
    /// [`ImportError::Illegal`], [`ImportError::TooLarge`], [`ImportError::Deleted`],
    /// [`ImportError::Storage`]: the import is of no use any more.
    pub fn push(&mut self, new: &NewEvent) -> Result<(), ImportError> {
        if new.event == Event::Deleted {
            return Err(ImportError::Deleted);
        }
        let last = self.record().map(|record| record.last_seq);
        let envelope = Envelope {
            seq: last.unwrap_or_else(|| self.before.seq()).next(),
            session: self.id.clone(),
            at: new.at,
            actor: new.actor.clone(),
            event: new.event.clone(),
        };
        let bytes = encode(&EventRow::from(&envelope));
        if bytes.len() > MAX_BATCH_BYTES {
            return Err(ImportError::TooLarge {
                len_bytes: bytes.len(),
            });
        }
        self.replay = std::mem::take(&mut self.replay).fold(&envelope)?;
        self.rows_bytes += bytes.len();
        self.rows.push(Row {
            seq: envelope.seq,
            output: span(&envelope),
            bytes: Bytes::from(bytes),
        });
        if self.rows_bytes >= self.chunk_bytes {
            self.put()?;
        }
        Ok(())
    }

    /// Puts what was pushed into the transaction.
    fn put(&mut self) -> Result<(), ImportError> {
        let rows = std::mem::take(&mut self.rows);
        self.rows_bytes = 0;
        let (Some(first), Some(last), Some(record)) = (rows.first(), rows.last(), self.record())
        else {
            return Ok(());
        };
        let run = Run {
            first: first.seq,
            last: last.seq,
            slot: self.begun.last_slot,
            len_bytes: rows.iter().map(|row| row.bytes.len() as u64).sum(),
        };
        let what = Fold {
            mark: self.after(record),
            runs: vec![run],
            slots: vec![FoldedSlot {
                slot: self.begun.last_slot,
                id: self.id.clone(),
                standing: Standing::Living(Arc::new(record.clone())),
                rows,
            }],
        };
        let txn = self.txn.as_ref().expect("it is there until the end");
        self.in_cold_file(|| fold::write(txn, &what, Thrift::Room))
    }

    /// How far the log is with the session as it is in `record`.
    const fn after(&self, record: &Record) -> Mark {
        Mark {
            position: self.begun.position + 1,
            last_seq: record.last_seq.get(),
            ..self.begun
        }
    }

    /// Makes the session one of the log, durably, closes the log and gives the session's record.
    ///
    /// # Errors
    /// [`ImportError::Empty`], [`ImportError::Storage`]; [`ImportError::Illegal`] where output is
    /// missing that no event says was trimmed; [`ImportError::Unsettled`].
    pub fn commit(mut self) -> Result<Record, ImportError> {
        self.put()?;
        let record = std::mem::take(&mut self.replay).finish()?;
        let record = record.ok_or(ImportError::Empty)?;
        self.take_out_of_aside()?;
        let txn = self.txn.take().expect("it is there until the end");
        match self.in_cold_file(|| Ok(txn.commit()?)) {
            Err(ImportError::Storage(reason)) => Err(ImportError::Unsettled { reason }),
            committed => committed.map(|()| record),
        }
    }
}

/// Changes which slots are set aside.
fn set_aside(
    meta: &mut Table<'_, &str, &[u8]>,
    change: impl FnOnce(&mut Aside),
) -> Result<(), Fault> {
    let row = meta.get(meta::ASIDE)?;
    let aside = row.map(|row| Aside::unseal(row.value())).transpose()?;
    let mut aside = aside.unwrap_or_default();
    change(&mut aside);
    if aside.0.is_empty() {
        meta.remove(meta::ASIDE)?;
    } else {
        meta.insert(meta::ASIDE, aside.seal().as_slice())?;
    }
    Ok(())
}

impl Drop for Import {
    fn drop(&mut self) {
        let txn = self.txn.take();
        let _ = guarded(|| {
            drop(txn);
            Ok(())
        });
        self.files.cold.database.close();
        self.files.journal.database.close();
    }
}

impl std::fmt::Debug for Import {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Import")
            .field("session", &self.id)
            .finish_non_exhaustive()
    }
}
