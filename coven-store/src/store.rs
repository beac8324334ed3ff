//! `Store`: the log, as everybody else sees it.

use std::path::Path;
use std::sync::{Arc, mpsc};
use std::thread;

use coven_core::{Envelope, Event, HarnessId, Launch, Record, Seq, SessionId};
use redb::ReadTransaction;
use tokio::sync::{oneshot, watch};

use crate::batch::{Appended, Batch};
use crate::database::Database;
use crate::error::{AppendError, OpenError, ReadError, StorageFault};
use crate::fault::{Fault, storage_fault};
use crate::file::{self, Disk, OsDisk, Reserve};
use crate::health::{Meter, StoreHealth};
use crate::options::Options;
use crate::projection::{self, Findings};
use crate::read::{self, Listing, OutputChunk, Page, ReadLimit};
use crate::wake::Wakes;
use crate::writer::{Message, Queue, Rooms, Writer};

/// The append-only log of all sessions' events, and the records derived from it.
///
/// Cheap to clone. Appending is `async` and goes through one writer thread. Reading blocks for the
/// disk: call it where blocking is allowed. Each read is one short transaction that sees one
/// commit and no later one; it returns a bounded page and holds nothing open.
///
/// When the last clone is dropped, what is queued is still written, in the background, and the
/// file is closed; [`Store::close`] waits for that.
///
/// Following is reading, and waiting for more to read:
///
/// ```
/// use coven_core::Seq;
/// use coven_store::{ReadError, ReadLimit, Store};
///
/// async fn follow(store: Store, mut after: Seq) -> Result<(), ReadError> {
///     let mut more = store.committed();
///     loop {
///         let page = store.read_all(after, ReadLimit::default())?;
///         let Some(last) = page.last() else {
///             if more.changed().await.is_err() {
///                 return Ok(()); // the log was closed
///             }
///             continue;
///         };
///         after = last.seq;
///         for envelope in &page {
///             println!("{} {}: {:?}", envelope.seq, envelope.session, envelope.event.kind());
///         }
///     }
/// }
/// ```
#[derive(Clone)]
pub struct Store(Arc<Inner>);

struct Inner {
    queue: Queue,
    database: Arc<Database>,
    wakes: Arc<Wakes>,
}

impl Store {
    /// Opens the log at `path`, or makes an empty one where nothing is. One `Store` at a time can
    /// have it open. Blocks for the disk: after a crash for as long as repairing takes, which
    /// grows with the file.
    ///
    /// A second file, `path` with `.reserve` at its end, keeps room for a full disk.
    ///
    /// # Errors
    /// [`OpenError`], each with what to do about it. What is at `path` is then as it was.
    pub fn open(path: &Path, options: Options) -> Result<Self, OpenError> {
        Self::open_on(Arc::new(OsDisk), path, options)
    }

    pub(crate) fn open_on(
        disk: Arc<dyn Disk>,
        path: &Path,
        options: Options,
    ) -> Result<Self, OpenError> {
        let opened = file::open(disk.as_ref(), path, options.cache_bytes)?;
        let io = |source| file::open_error(path, source);
        let mut reserve = Reserve::beside(disk.as_ref(), path, options.reserve_bytes);
        if let Err(error) = opened.shadow.release() {
            // Repairing after a crash takes room, and on a full disk the reserve has it.
            if storage_fault(&error) != StorageFault::Full {
                return Err(io(error));
            }
            reserve.give(u64::MAX).map_err(io)?;
            opened.shadow.release().map_err(io)?;
        }
        let database = Arc::new(Database::new(opened.db));
        let counters = database
            .read_once(read::counters)
            .map_err(|fault| file::fault_error(path, &fault))?;
        let meter = Arc::new(Meter::default());
        meter.opened();
        let wakes = Arc::new(Wakes::new(counters.last_seq));
        let rooms = Rooms::new(options.queue_bytes);
        let (sender, inbox) = mpsc::channel();
        let writer = Writer {
            inbox,
            database: Arc::clone(&database),
            path: path.to_owned(),
            cache_bytes: options.cache_bytes,
            reserve,
            disk,
            wakes: Arc::clone(&wakes),
            meter: Arc::clone(&meter),
            rooms: rooms.clone(),
            counters,
            state: crate::writer::State::default(),
        };
        thread::Builder::new()
            .name("coven-log".to_owned())
            .spawn(move || writer.run())
            .map_err(io)?;
        Ok(Self(Arc::new(Inner {
            queue: Queue {
                sender,
                rooms,
                meter,
            },
            database,
            wakes,
        })))
    }

    /// Appends a batch and resolves when it is durable: synced to disk, all of it or nothing.
    ///
    /// Batches are written in the order in which they were queued, many to a sync. An
    /// [`Urgency::Output`](crate::Urgency::Output) batch waits, first for room in the queue and
    /// then for the disk, however long; that wait is the back-pressure its source is to feel.
    /// An [`Urgency::Control`](crate::Urgency::Control) batch is refused while the log is
    /// suspended, unless it ends a session and the reserve has room for it. One whose commit
    /// failed is answered when the file could be opened again and says what became of it.
    ///
    /// Dropping the future before it resolves does not recall a batch that is queued already.
    ///
    /// # Errors
    /// [`AppendError`], each with what to do about it. Nothing of the batch was written; after
    /// [`AppendError::Closed`] alone it may have been, if the disk failed first.
    pub async fn append(&self, batch: Batch) -> Result<Appended, AppendError> {
        self.0.queue.append(batch).await
    }

    /// The record of a session; `None` where there is no such session, or it was deleted.
    ///
    /// # Errors
    /// [`ReadError`], each with what to do about it; so for every read.
    pub fn record(&self, id: &SessionId) -> Result<Option<Record>, ReadError> {
        self.run(|txn| read::record(txn, id))
    }

    /// A page of all records, newest first. One that is damaged is left out, so that the others can
    /// be seen; [`Store::record`] says what is wrong with it.
    ///
    /// # Errors
    /// As [`Store::record`].
    pub fn list(&self, page: &Page) -> Result<Listing, ReadError> {
        self.run(|txn| read::list(txn, page))
    }

    /// The records of all launched sessions that have not ended: those a restart must look at. Less
    /// damaged ones, as in a page.
    ///
    /// # Errors
    /// As [`Store::record`].
    pub fn live(&self) -> Result<Vec<Record>, ReadError> {
        self.run(read::live)
    }

    /// The first event of a session, which says how it began.
    ///
    /// # Errors
    /// As [`Store::record`].
    pub fn first_event(&self, id: &SessionId) -> Result<Option<Envelope>, ReadError> {
        self.run(|txn| read::first_event(txn, id))
    }

    /// The whole launch of a session, prompt included; `None` where there is no such session or
    /// it is an external one.
    ///
    /// # Errors
    /// As [`Store::record`].
    pub fn launch(&self, id: &SessionId) -> Result<Option<Launch>, ReadError> {
        let first = self.first_event(id)?;
        Ok(first.and_then(|envelope| match envelope.event {
            Event::Created { launch } => Some(*launch),
            _ => None,
        }))
    }

    /// The events of one session after `after`, oldest first; none where there is no such
    /// session, or it was deleted.
    ///
    /// # Errors
    /// As [`Store::record`].
    pub fn read(
        &self,
        id: &SessionId,
        after: Seq,
        limit: ReadLimit,
    ) -> Result<Vec<Envelope>, ReadError> {
        self.run(|txn| read::of_session(txn, id, after, limit))
    }

    /// The events of all sessions after `after`, in the order of their Seqs. Of a deleted session
    /// only its [`Event::Deleted`] is left.
    ///
    /// # Errors
    /// As [`Store::record`].
    pub fn read_all(&self, after: Seq, limit: ReadLimit) -> Result<Vec<Envelope>, ReadError> {
        self.run(|txn| read::of_all(txn, after, limit))
    }

    /// A session's output from `offset` on, without a gap and at most `max_bytes` of it; the
    /// first and the last chunk are cut to fit. None at the end, or where there is no such
    /// session.
    ///
    /// # Errors
    /// As [`Store::record`].
    pub fn output(
        &self,
        id: &SessionId,
        offset: u64,
        max_bytes: usize,
    ) -> Result<Vec<OutputChunk>, ReadError> {
        self.run(|txn| read::output(txn, id, offset, max_bytes))
    }

    /// The newest session that `harness` was launched for under this `conversation_id`.
    ///
    /// # Errors
    /// As [`Store::record`].
    pub fn by_conversation(
        &self,
        harness: &HarnessId,
        conversation_id: &str,
    ) -> Result<Option<SessionId>, ReadError> {
        self.run(|txn| read::by_conversation(txn, harness, conversation_id))
    }

    /// The last Seq that is durable; [`Seq::ZERO`] in an empty log. Does not block.
    pub fn last_seq(&self) -> Seq {
        *self.committed().borrow()
    }

    /// Wakes with every commit. Its value is the last durable Seq; read the log from your own
    /// Seq. It ends when the log is closed.
    pub fn committed(&self) -> watch::Receiver<Seq> {
        self.0.wakes.all()
    }

    /// Wakes with every commit that holds events of this session, its deletion included, whether
    /// or not the session exists yet. Subscribe first, then read, then wait; the value means
    /// nothing. It ends when the log is closed.
    pub fn watch(&self, id: &SessionId) -> watch::Receiver<Seq> {
        self.0.wakes.session(id)
    }

    /// How the writing goes. Does not block for the disk.
    pub fn health(&self) -> StoreHealth {
        let queue = &self.0.queue;
        queue.meter.health(queue.rooms.capacity_bytes())
    }

    /// Folds every session again and compares with what is kept of it. Blocks for reading the
    /// whole log.
    ///
    /// # Errors
    /// As [`Store::record`].
    pub fn verify(&self) -> Result<Findings, ReadError> {
        self.run(projection::verify)
    }

    /// Writes all records and indexes anew from the events. Nothing else is written meanwhile.
    ///
    /// # Errors
    /// - [`AppendError::Damaged`]: an event cannot be read or cannot follow. Nothing was changed.
    /// - [`AppendError::Suspended`], [`AppendError::Closed`]: as for [`Store::append`].
    pub async fn rebuild_projections(&self) -> Result<(), AppendError> {
        let (reply, answer) = oneshot::channel();
        self.tell(Message::Rebuild { reply });
        answer.await.unwrap_or(Err(AppendError::Closed))
    }

    /// Writes what is queued, closes the file and returns when another may open it. All clones
    /// are of no use afterwards. While the disk takes no writes, what waits is lost, and
    /// answered with [`AppendError::Closed`].
    pub async fn close(self) {
        let (reply, answer) = oneshot::channel();
        self.tell(Message::Close { reply });
        // An error means that it is closed already.
        let _ = answer.await;
    }

    pub(crate) fn run<T>(
        &self,
        read: impl Fn(&ReadTransaction) -> Result<T, Fault>,
    ) -> Result<T, ReadError> {
        let alarm = |opening| self.tell(Message::Alarm { opening });
        self.0.database.read(read, alarm)
    }

    /// Tells the writer something, unless it is gone: then whoever waits for an answer sees that.
    fn tell(&self, message: Message) {
        let _ = self.0.queue.sender.send(message);
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store")
            .field("last_seq", &self.last_seq())
            .finish_non_exhaustive()
    }
}
