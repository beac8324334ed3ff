//! `Store`: the log, as everybody else sees it.

mod open;

use std::sync::{Arc, mpsc};

use coven_core::{Envelope, Event, HarnessId, Launch, Record, Seq, SessionId};
use redb::ReadTransaction;
use tokio::sync::{oneshot, watch};

use crate::batch::{Appended, Batch};
use crate::database::Database;
use crate::error::{AppendError, ReadError, StorageFault};
use crate::fault::Fault;
use crate::file::LogId;
use crate::folder;
use crate::health::StoreHealth;
use crate::inspect::{self, Findings};
use crate::read::{
    self, AllPage, Cache, Chunks, Listing, Look, OutputChunk, OutputEvent, Page, ReadLimit,
};
use crate::tail::{SharedTail, Standing};
use crate::wake::Wakes;
use crate::writer::{Message, Queue};

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
    log: LogId,
    queue: Queue,
    folder: mpsc::Sender<folder::Message>,
    cold: Arc<Database>,
    cache: Arc<Cache>,
    tail: Arc<SharedTail>,
    wakes: Arc<Wakes>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        // The folder speaks to the writer too, so that nobody is left is not seen there.
        self.close(None);
    }
}

impl Inner {
    fn close(&self, reply: Option<oneshot::Sender<()>>) {
        let told = self.queue.sender.send(Message::Close { reply });
        if told.is_err() {
            // There is no writer, or no more of it: the file is ours to close.
            self.cold.close();
        }
    }
}

impl Store {
    /// Which log this is: made when the log was, the same at every place that it is moved or copied
    /// to, and that of no other.
    pub fn id(&self) -> [u8; 16] {
        self.0.log
    }

    /// Appends a batch and resolves when it is durable: synced to disk, all of it or nothing.
    ///
    /// Batches are written in the order in which they were queued, many to a sync. An
    /// [`Urgency::Output`](crate::Urgency::Output) batch waits, first for room in the queue and
    /// then for the disk, however long; that wait is the back-pressure its source is to feel.
    /// An [`Urgency::Control`](crate::Urgency::Control) batch is refused while the log is
    /// suspended, unless it ends a session, or trims one, and the reserve has room for it. One whose commit
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
        if let Some((_, standing)) = self.0.tail.look().standing(id) {
            return Ok(match standing {
                Standing::Living(record) => Some(Record::clone(record)),
                Standing::Deleted { .. } => None,
            });
        }
        let entry = self.run(|txn| read::entry(txn, id))?;
        Ok(entry.map(|entry| Arc::unwrap_or_clone(entry.record)))
    }

    /// Whether there was a session of this id, which was deleted, and there is none now.
    ///
    /// # Errors
    /// As [`Store::record`].
    pub fn was_deleted(&self, id: &SessionId) -> Result<bool, ReadError> {
        if let Some((_, standing)) = self.0.tail.look().standing(id) {
            return Ok(matches!(standing, Standing::Deleted { .. }));
        }
        self.run(|txn| Ok(read::entry(txn, id)?.is_none() && read::gone(txn, id)?.is_some()))
    }

    /// A page of all records, newest first. One that is damaged is left out, so that the others can
    /// be seen; [`Store::record`] says what is wrong with it.
    ///
    /// # Errors
    /// As [`Store::record`].
    pub fn list(&self, page: &Page) -> Result<Listing, ReadError> {
        let tail = self.0.tail.look().standings();
        self.run(|txn| read::list(txn, &tail, page))
    }

    /// The records of all launched sessions that have not ended: those a restart must look at. Less
    /// damaged ones, as in a page.
    ///
    /// # Errors
    /// As [`Store::record`].
    pub fn live(&self) -> Result<Vec<Record>, ReadError> {
        let tail = self.0.tail.look().standings();
        self.run(|txn| read::live(txn, &tail))
    }

    /// The first event of a session, which says how it began.
    fn first_event(&self, id: &SessionId) -> Result<Option<Envelope>, ReadError> {
        let one = ReadLimit {
            events: 1,
            bytes: 0,
        };
        Ok(self.read(id, Seq::ZERO, one)?.pop())
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
        let page = read::OfSession::begin(&self.0.tail, id, after, limit);
        match page.without_the_cold_file() {
            Some(events) => events.map_err(ReadError::from),
            None => self.run_cached(
                |look| page.in_memory(look),
                |txn, look| page.read(txn, look),
            ),
        }
    }

    /// The events of all sessions after `after`, in the order of their Seqs. Of a deleted session
    /// only its [`Event::Deleted`] is left. Where something of them is damaged they end before that;
    /// [`Store::page_of_all`] reads on.
    ///
    /// # Errors
    /// As [`Store::record`]; [`ReadError::Damaged`] where what comes next is.
    pub fn read_all(&self, after: Seq, limit: ReadLimit) -> Result<Vec<Envelope>, ReadError> {
        let AllPage {
            mut events, lost, ..
        } = self.page_of_all(after, limit)?;
        if let Some(lost) = lost.into_iter().next() {
            events.retain(|event| event.seq < lost.first);
            if events.is_empty() {
                return Err(lost.damage.into());
            }
        }
        Ok(events)
    }

    /// The same past what is damaged, which is told beside the events: nobody's damage keeps the
    /// others from whoever follows all.
    ///
    /// # Errors
    /// As [`Store::record`].
    pub fn page_of_all(&self, after: Seq, limit: ReadLimit) -> Result<AllPage, ReadError> {
        let page = read::OfAll::begin(&self.0.tail, after, limit);
        match page.without_the_cold_file() {
            Some(page) => page.map_err(ReadError::from),
            None => self.run_cached(|_| None, |txn, look| page.read(txn, look)),
        }
    }

    /// A session's output from `offset` on, without a gap and at most `max_bytes` of it; the
    /// first and the last chunk are cut to fit. None at the end, or where there is no such
    /// session. Where what is at `offset` was trimmed, from where the output that is left begins.
    ///
    /// # Errors
    /// As [`Store::record`].
    pub fn output(
        &self,
        id: &SessionId,
        offset: u64,
        max_bytes: usize,
    ) -> Result<Vec<OutputChunk>, ReadError> {
        Ok(self.chunks(id, offset, max_bytes)?.found)
    }

    /// The output event that has the byte at `offset`, or the first one left where that was
    /// trimmed. None at the end, or where there is no such session.
    ///
    /// # Errors
    /// As [`Store::record`].
    pub fn output_event(
        &self,
        id: &SessionId,
        offset: u64,
    ) -> Result<Option<OutputEvent>, ReadError> {
        Ok(self.chunks(id, offset, 1)?.last)
    }

    fn chunks(&self, id: &SessionId, offset: u64, max_bytes: usize) -> Result<Chunks, ReadError> {
        let range = read::OutputRange::begin(&self.0.tail, id, offset, max_bytes);
        match range.without_the_cold_file() {
            Some(chunks) => chunks.map_err(ReadError::from),
            None => self.run_cached(
                |look| range.in_memory(look),
                |txn, look| range.read(txn, look),
            ),
        }
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
        let (here, deleted) = self.0.tail.look().of_conversation(harness, conversation_id);
        let there =
            self.run(|txn| read::by_conversation(txn, harness, conversation_id, &deleted))?;
        let newest = here.into_iter().chain(there).max_by_key(|(slot, _)| *slot);
        Ok(newest.map(|(_, id)| id))
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

    /// Whether the writer lets in what a session has to say, since that was told to end.
    #[cfg(test)]
    pub(crate) fn is_ending(&self, id: &SessionId) -> bool {
        self.0.queue.rooms.is_ending(id)
    }

    #[cfg(test)]
    pub(crate) fn tail(&self) -> &SharedTail {
        &self.0.tail
    }

    /// Folds what there is; with it goes one step of whatever else the folder has to do.
    #[cfg(test)]
    pub(crate) fn fold(&self) {
        folder::fold_all(&self.0.folder);
    }

    /// Looks at everything in the cold file: folds every session again and compares with what is
    /// kept of it. Blocks for reading the whole log. What the disk does not let into the cold file
    /// is not looked at; a log that nobody has open is looked at as a whole by
    /// [`inspect`](crate::inspect()). For whoever embeds the log and must not close it to have it
    /// checked, and for tests.
    ///
    /// # Errors
    /// As [`Store::record`].
    pub fn verify(&self) -> Result<Findings, ReadError> {
        folder::fold_all(&self.0.folder);
        self.run(|txn| inspect::cold(inspect::Source::Open(txn)))
    }

    /// Writes all records and indexes anew from the events. For whoever embeds the log, where
    /// [`Store::verify`] finds that those do not follow from the events, which are whole. Blocks
    /// nobody who reads; what is appended meanwhile waits to be folded.
    ///
    /// # Errors
    /// - [`AppendError::Damaged`]: an event cannot be read or cannot follow. Nothing was changed.
    /// - [`AppendError::Suspended`], [`AppendError::Closed`]: as for [`Store::append`].
    pub async fn rebuild_projections(&self) -> Result<(), AppendError> {
        let (reply, answer) = oneshot::channel();
        let _ = self.0.folder.send(folder::Message::Rebuild { reply });
        answer.await.unwrap_or(Err(AppendError::Closed))
    }

    /// Writes what is queued, closes the file and returns when another may open it. All clones
    /// are of no use afterwards. While the disk takes no writes, what waits is lost, and
    /// answered with [`AppendError::Closed`].
    pub async fn close(self) {
        let (reply, answer) = oneshot::channel();
        self.0.close(Some(reply));
        // An error means that it is closed already.
        let _ = answer.await;
    }

    /// Takes what is asked for out of the cache, or has it read in the cold file.
    fn run_cached<T>(
        &self,
        in_memory: impl FnOnce(&Look<'_>) -> Option<T>,
        read: impl Fn(&ReadTransaction, &Look<'_>) -> Result<T, Fault>,
    ) -> Result<T, ReadError> {
        let Inner { cold, cache, .. } = self.0.as_ref();
        let opening = cold.opening();
        let look = cache.look(opening);
        if let Some(found) = in_memory(&look) {
            return Ok(found);
        }
        let found = self.run(|txn| match opening {
            // This is what the transaction is of, then.
            Some(opening) if cold.is_open(opening) => read(txn, &look),
            _ => read(txn, &Look::blind()),
        });
        if cache.begins_to_hold() {
            let _ = self.0.folder.send(folder::Message::Cached);
        }
        found
    }

    pub(crate) fn run<T>(
        &self,
        read: impl Fn(&ReadTransaction) -> Result<T, Fault>,
    ) -> Result<T, ReadError> {
        let alarm = |opening| {
            let told = self.0.folder.send(folder::Message::Alarm { opening });
            if told.is_err() && self.0.cold.is_open(opening) {
                // Nobody opens it again.
                let message = "a read failed".to_owned();
                self.0.cold.fail(StorageFault::Io { message });
            }
        };
        self.0.cold.read(read, alarm)
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store")
            .field("last_seq", &self.last_seq())
            .finish_non_exhaustive()
    }
}
