//! The queue in front of the writer: bounded by bytes, in order.

#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::Instant;

use coven_core::{Envelope, Seq, SessionId};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot, watch};

use crate::batch::{Appended, Batch, NewEvent, Urgency};
use crate::error::AppendError;
use crate::health::Meter;
use crate::limits::{CONTROL_QUEUE_BYTES, MAX_BATCH_BYTES, MAX_BATCH_EVENTS};
use crate::pool::Pool;
use crate::rows::{ROW_HEAD_BYTES, Rows};

/// What the writer is told.
pub(crate) enum Message {
    Append(Job),
    /// Something was folded, and may be taken out of the journal.
    Folded,
    /// The folder waits for room, which the journal may have to give back.
    RoomWanted,
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
    /// The same as they are stored.
    pub(crate) rows: Rows,
    pub(crate) len_bytes: u64,
    pub(crate) queued_at: Instant,
    reply: oneshot::Sender<Answer>,
    _room: Option<OwnedSemaphorePermit>,
}

/// What the caller is told. What it made is given back with it, so that it lets go of that on its
/// own thread too.
struct Answer {
    result: Result<Appended, AppendError>,
    _spent: (Vec<Envelope>, Rows),
}

impl Job {
    /// Answers the caller, who may be gone: the batch is what it is all the same.
    pub(crate) fn answer(self, meter: &Meter, result: Result<Appended, AppendError>) {
        meter.answered(self.events.len() as u64, self.len_bytes);
        self.reply(result);
    }

    fn reply(self, result: Result<Appended, AppendError>) {
        let _ = self.reply.send(Answer {
            result,
            _spent: (self.events, self.rows),
        });
    }
}

/// Answers each of those who share a commit. They are counted together: what is counted is what callers
/// touch too, who may be many.
pub(super) fn answer_each(
    meter: &Meter,
    jobs: Vec<Job>,
    answers: Vec<Result<Appended, AppendError>>,
) {
    let (mut events, mut bytes) = (0, 0);
    for job in &jobs {
        events += job.events.len() as u64;
        bytes += job.len_bytes;
    }
    meter.answered(events, bytes);
    for (job, answer) in jobs.into_iter().zip(answers) {
        job.reply(answer);
    }
}

/// The callers' end.
pub(crate) struct Queue {
    pub(crate) sender: Sender<Message>,
    pub(crate) rooms: Rooms,
    pub(crate) meter: Arc<Meter>,
    pub(crate) pool: Arc<Pool>,
}

/// How much may wait.
#[derive(Clone)]
pub(crate) struct Rooms {
    output: Arc<Semaphore>,
    output_bytes: usize,
    control: Arc<Semaphore>,
    /// Sessions that were told to end. They do not wait for the room that others have, who may have
    /// it for as long as a disk is full: what they have to say yet is the end of them.
    ending: watch::Sender<HashSet<SessionId>>,
}

impl Rooms {
    pub(crate) fn new(output_bytes: usize) -> Self {
        // A permit counts a byte, and a batch takes its permits in one u32.
        let output_bytes = output_bytes.clamp(1, u32::MAX as usize);
        Self {
            output: Arc::new(Semaphore::new(output_bytes)),
            output_bytes,
            control: Arc::new(Semaphore::new(CONTROL_QUEUE_BYTES)),
            ending: watch::Sender::default(),
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

    /// Whether the writer has written all that it is to write.
    fn are_closed(&self) -> bool {
        self.output.is_closed()
    }

    /// Lets in what a session has to say that was told to end.
    pub(crate) fn ends(&self, session: &SessionId) {
        self.ending.send_modify(|ending| {
            ending.insert(session.clone());
        });
    }

    /// Whether a session was told to end, and its end is not on record.
    pub(crate) fn is_ending(&self, session: &SessionId) -> bool {
        self.ending.borrow().contains(session)
    }

    /// The session's end is on record.
    pub(crate) fn ended(&self, session: &SessionId) {
        self.ending
            .send_if_modified(|ending| ending.remove(session));
    }

    /// Waits until there is room for `len_bytes`; takes none of it for a session that was told to
    /// end. A batch larger than the whole queue waits until it has the queue to itself.
    async fn enter(
        &self,
        session: &SessionId,
        urgency: Urgency,
        len_bytes: usize,
    ) -> Result<Option<OwnedSemaphorePermit>, AppendError> {
        let (room, capacity) = match urgency {
            Urgency::Output => (&self.output, self.output_bytes),
            Urgency::Control => (&self.control, CONTROL_QUEUE_BYTES),
        };
        let permits = u32::try_from(len_bytes.min(capacity)).unwrap_or(u32::MAX);
        if let Ok(permit) = Arc::clone(room).try_acquire_many_owned(permits) {
            return Ok(Some(permit));
        }
        let mut ending = self.ending.subscribe();
        let permit = Arc::clone(room).acquire_many_owned(permits);
        tokio::select! {
            biased;
            permit = permit => permit.map(Some).map_err(|_| AppendError::Closed),
            _ = ending.wait_for(|ending| ending.contains(session)) => Ok(None),
        }
    }
}

impl Queue {
    /// Queues a batch and waits for the writer's answer.
    pub(crate) async fn append(&self, batch: Batch) -> Result<Appended, AppendError> {
        let events = envelopes(&batch.session, batch.events);
        let at_most = Rows::at_most(&events);
        let too_large = |len_bytes| AppendError::TooLarge {
            events: events.len(),
            len_bytes,
        };
        let is_over = at_most > MAX_BATCH_BYTES + ROW_HEAD_BYTES * MAX_BATCH_EVENTS;
        if is_over || !(1..=MAX_BATCH_EVENTS).contains(&events.len()) {
            return Err(too_large(at_most));
        }
        let room = self
            .rooms
            .enter(&batch.session, batch.urgency, at_most)
            .await?;
        // Encoding is done here, on the caller's thread, as the one writer has enough to do; and once there is room,
        // so that nobody who waits has his events twice.
        let rows = Rows::of(&events, at_most, &self.pool);
        let len_bytes = rows.bytes().len();
        if len_bytes > MAX_BATCH_BYTES {
            return Err(too_large(len_bytes));
        }
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
            _room: room,
        };
        if let Err(error) = self.sender.send(Message::Append(job))
            && let Message::Append(job) = error.0
        {
            job.answer(&self.meter, Err(AppendError::Closed));
        }
        match answer.await {
            Ok(answer) => answer.result,
            // It came after the writer took in the last.
            Err(_) if self.rooms.are_closed() => Err(AppendError::Closed),
            // The writer died, and may have written it before.
            Err(_) => Err(AppendError::Unsettled),
        }
    }
}

fn envelopes(session: &SessionId, events: Vec<NewEvent>) -> Vec<Envelope> {
    let placed = events.into_iter().map(|new| Envelope {
        seq: Seq::ZERO,
        session: session.clone(),
        at: new.at,
        actor: new.actor,
        event: new.event,
    });
    placed.collect()
}
