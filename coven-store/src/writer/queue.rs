//! The queue in front of the writer: bounded by bytes, in order.

use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::Instant;

use coven_core::{Envelope, Seq, SessionId};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use crate::batch::{Appended, Batch, Urgency};
use crate::error::AppendError;
use crate::health::Meter;
use crate::limits::{CONTROL_QUEUE_BYTES, MAX_BATCH_BYTES, MAX_BATCH_EVENTS};
use crate::stored::{EventRow, encode};

/// What the writer is told.
pub(crate) enum Message {
    Append(Job),
    /// Something was folded, and may be taken out of the journal.
    Folded,
    /// Write what is queued, close the files, and answer whoever waits for that.
    Close {
        reply: Option<oneshot::Sender<()>>,
    },
}

/// A batch on its way to the disk.
pub(crate) struct Job {
    pub(crate) session: SessionId,
    pub(crate) after: Option<Seq>,
    pub(crate) urgency: Urgency,
    /// The events; their Seqs are the writer's to fill in.
    pub(crate) events: Vec<Envelope>,
    /// Their bytes.
    pub(crate) rows: Vec<Vec<u8>>,
    pub(crate) len_bytes: u64,
    pub(crate) queued_at: Instant,
    reply: oneshot::Sender<Result<Appended, AppendError>>,
    meter: Arc<Meter>,
    _room: OwnedSemaphorePermit,
}

impl Job {
    /// Answers the caller, who may be gone: the batch is what it is all the same.
    pub(crate) fn answer(self, answer: Result<Appended, AppendError>) {
        self.meter
            .answered(self.events.len() as u64, self.len_bytes);
        let _ = self.reply.send(answer);
    }
}

/// The callers' end.
pub(crate) struct Queue {
    pub(crate) sender: Sender<Message>,
    pub(crate) rooms: Rooms,
    pub(crate) meter: Arc<Meter>,
}

/// How much may wait.
#[derive(Clone)]
pub(crate) struct Rooms {
    output: Arc<Semaphore>,
    output_bytes: usize,
    control: Arc<Semaphore>,
}

impl Rooms {
    pub(crate) fn new(output_bytes: usize) -> Self {
        // A permit counts a byte, and a batch takes its permits in one u32.
        let output_bytes = output_bytes.clamp(1, u32::MAX as usize);
        Self {
            output: Arc::new(Semaphore::new(output_bytes)),
            output_bytes,
            control: Arc::new(Semaphore::new(CONTROL_QUEUE_BYTES)),
        }
    }

    pub(crate) const fn capacity_bytes(&self) -> u64 {
        self.output_bytes as u64
    }

    /// Turns away everybody who waits, and who comes later.
    pub(crate) fn close(&self) {
        self.output.close();
        self.control.close();
    }

    /// Waits until there is room for `len_bytes`. A batch larger than the whole queue waits until
    /// it has the queue to itself.
    async fn enter(
        &self,
        urgency: Urgency,
        len_bytes: usize,
    ) -> Result<OwnedSemaphorePermit, AppendError> {
        let (room, capacity) = match urgency {
            Urgency::Output => (&self.output, self.output_bytes),
            Urgency::Control => (&self.control, CONTROL_QUEUE_BYTES),
        };
        let permits = u32::try_from(len_bytes.min(capacity)).unwrap_or(u32::MAX);
        let permit = Arc::clone(room).acquire_many_owned(permits).await;
        permit.map_err(|_| AppendError::Closed)
    }
}

impl Queue {
    /// Queues a batch and waits for the writer's answer.
    pub(crate) async fn append(&self, batch: Batch) -> Result<Appended, AppendError> {
        // Encoding is done here, on the caller's thread: the one writer has enough to do.
        let (events, rows) = encode_batch(&batch);
        let len_bytes: usize = rows.iter().map(Vec::len).sum();
        if !(1..=MAX_BATCH_EVENTS).contains(&events.len()) || len_bytes > MAX_BATCH_BYTES {
            return Err(AppendError::TooLarge {
                events: events.len(),
                len_bytes,
            });
        }
        let room = self.rooms.enter(batch.urgency, len_bytes).await?;
        let (reply, answer) = oneshot::channel();
        let len_bytes = len_bytes as u64;
        self.meter.queued(events.len() as u64, len_bytes);
        let job = Job {
            session: batch.session,
            after: batch.after,
            urgency: batch.urgency,
            events,
            rows,
            len_bytes,
            queued_at: Instant::now(),
            reply,
            meter: Arc::clone(&self.meter),
            _room: room,
        };
        if let Err(error) = self.sender.send(Message::Append(job))
            && let Message::Append(job) = error.0
        {
            job.answer(Err(AppendError::Closed));
        }
        answer.await.unwrap_or(Err(AppendError::Closed))
    }
}

fn encode_batch(batch: &Batch) -> (Vec<Envelope>, Vec<Vec<u8>>) {
    batch
        .events
        .iter()
        .map(|new| {
            let envelope = Envelope {
                seq: Seq::ZERO,
                session: batch.session.clone(),
                at: new.at,
                actor: new.actor.clone(),
                event: new.event.clone(),
            };
            let row = encode(&EventRow::from(&envelope));
            (envelope, row)
        })
        .unzip()
}
