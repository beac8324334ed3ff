//! `Store`: the log, as everybody else sees it.

mod open;
mod read_again;
mod reading;

use std::sync::{Arc, mpsc};

use coven_core::{Seq, SessionId};
use tokio::sync::{oneshot, watch};

use crate::batch::{Appended, Batch};
use crate::database::Database;
use crate::error::{AppendError, ReadError};
use crate::file::{LogId, Places};
use crate::folder::{self, Mender};
use crate::health::StoreHealth;
use crate::inspect::{self, Findings};
use crate::read::{Cache, Looked};
use crate::tail::SharedTail;
use crate::wake::Wakes;
use crate::writer::{Message, Queue};
use read_again::ReadAgain;

/// The append-only log of all sessions' events, and the records derived from it.
///
/// Cheap to clone. Appending is `async` and goes through one writer thread. Reading blocks for the
/// disk: call it where blocking is allowed. Each read is one short transaction, returns a bounded page and
/// holds nothing open. What it says of a session is as of one commit; where it is of several, as a list, one may
/// be shown as a later commit left it than another.
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
    looked: Looked,
    wakes: Arc<Wakes>,
    opened: Opened,
}

/// What it was opened for.
enum Opened {
    ToWrite { places: Places, mender: Mender },
    ToRead(ReadAgain),
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
    /// suspended, unless it ends a session, or trims one, and the reserve has room for it; and where a
    /// disk hangs in the background, once the room that is kept for such batches is taken. One whose commit
    /// failed is answered when the file could be opened again and says what became of it.
    ///
    /// Dropping the future before it resolves does not recall a batch that is queued already.
    ///
    /// # Errors
    /// [`AppendError`], each with what to do about it. Nothing of the batch was written; after
    /// [`AppendError::Unsettled`] alone it may have been.
    pub async fn append(&self, batch: Batch) -> Result<Appended, AppendError> {
        self.0.queue.append(batch).await
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

    /// How the writing goes. Does not block for the disk: it looks where the log's files are, unless that
    /// hangs.
    pub fn health(&self) -> StoreHealth {
        let queue = &self.0.queue;
        let health = queue.meter.health(queue.rooms.capacity_bytes());
        match &self.0.opened {
            Opened::ToWrite { places, .. } if !health.is_slow() => health.but(places.hold_them()),
            Opened::ToWrite { .. } | Opened::ToRead(_) => health,
        }
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
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store")
            .field("last_seq", &self.last_seq())
            .finish_non_exhaustive()
    }
}
