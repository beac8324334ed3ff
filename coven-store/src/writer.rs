//! The writer: one thread that owns every write to the journal.
//!
//! It takes whatever is queued, writes it in one transaction, commits, and then answers: a disk
//! sync is shared by all who wait. When the disk takes no writes it is *suspended*
//! ([`suspension`]): it answers those who can be refused, keeps what may not be lost, and looks
//! again by itself.

#[cfg(test)]
mod by_hand;
mod commit;
mod folding;
mod group;
mod pace;
mod queue;
mod recent;
mod room;
mod suspension;
mod trim;
mod turn;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use crate::compact::Compaction;
use crate::database::Database;
use crate::error::AppendError;
use crate::file::{Kept, Places, SharedReserve};
use crate::folder::{self, Mender};
use crate::health::Meter;
use crate::limits::{MAX_GROUP_BATCHES, MAX_GROUP_BYTES};
use crate::options::AtClose;
use crate::stored::{Mark, Opened};
use crate::tail::SharedTail;
use crate::wake::Wakes;

use commit::Unsettled;
use folding::Folding;
use pace::Pace;
use recent::Recent;
use room::Known;
use suspension::Suspension;
use turn::Turn;

pub(crate) use group::{makes_room, span};
pub(crate) use queue::{Message, Queue, Rooms};
pub(crate) use recent::Entry;
pub(crate) use room::MARGIN_BYTES;
pub(crate) use trim::{journal_mark, journal_position, journal_trimmed};

/// What the writer works with.
pub(crate) struct Writer {
    pub(crate) inbox: Receiver<Message>,
    pub(crate) journal: Kept,
    pub(crate) cold: Arc<Database>,
    pub(crate) places: Places,
    pub(crate) tail: Arc<SharedTail>,
    pub(crate) mender: Mender,
    pub(crate) folder: Sender<folder::Message>,
    pub(crate) fold_bytes: u64,
    pub(crate) fold_after: Duration,
    pub(crate) reserve: SharedReserve,
    pub(crate) wakes: Arc<Wakes>,
    pub(crate) meter: Arc<Meter>,
    pub(crate) rooms: Rooms,
    pub(crate) at_close: AtClose,
    /// How far the log is.
    pub(crate) mark: Mark,
    pub(crate) state: State,
}

/// What the writer knows beyond what is on disk.
#[derive(Default)]
pub(crate) struct State {
    recent: Recent,
    suspension: Option<Suspension>,
    /// The journal is well, and it is suspended since where a session stands could not be read in the cold file.
    is_blind: bool,
    /// Who watches was told that it is suspended, and not yet that it is over.
    is_told: bool,
    room: Known,
    /// Giving back what the journal does not use.
    giving: Compaction,
    /// How long the last suspension waited before it looked at the disk; zero after a commit.
    backoff: Duration,
    /// A group whose commit failed, until it is known what became of it.
    unsettled: Option<Unsettled>,
    /// Who writes to the journal as it is open; `None` until something is written. Opened anew, it may have let go of
    /// a group that lies in its pages still.
    opened: Option<Opened>,
    /// Batches taken in and not written yet, in order.
    pending: VecDeque<queue::Job>,
    folding: Folding,
    /// What one who is too fast waits for.
    pace: Pace,
    /// Taking out of the journal what is folded.
    trimming: Chore,
    /// What was taken out was given back, where room is short.
    has_given: bool,
    /// Filling the reserve.
    refill: Chore,
    closing: Option<oneshot::Sender<()>>,
    /// The log is about to be closed, and all that waits is to be written.
    last_call: bool,
}

/// Something to do when there is nothing else to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Chore {
    /// There may be something to do.
    #[default]
    Now,
    /// It could not be done; with the next group, or when its room is wanted, it is tried again.
    Later,
    /// There is nothing to do.
    Done,
}

impl Chore {
    fn again(&mut self) {
        if *self == Self::Later {
            *self = Self::Now;
        }
    }
}

/// Whether anybody can still ask for anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Callers {
    Some,
    None,
}

impl Writer {
    /// Runs until nobody can ask for anything any more and all is written.
    pub(crate) fn run(mut self) {
        let mut callers = Callers::Some;
        while callers == Callers::Some || self.has_work() {
            match callers {
                Callers::Some => callers = self.take_in(),
                Callers::None => self.wait_for_a_turn(),
            }
            if self.state.suspension.is_some() {
                self.while_suspended();
                if callers == Callers::None && self.state.suspension.is_some() {
                    // What is not written now is lost, as a rule: the reserve is for nothing else any more.
                    self.state.last_call = self.at_close == AtClose::Write;
                    self.let_endings_through();
                    break;
                }
            } else {
                self.work();
                if self.state.suspension.is_some() {
                    // Nobody may come any more for whom it would be looked at what may pass.
                    self.let_endings_through();
                }
            }
            self.note_oldest();
        }
        self.finish();
    }

    fn has_work(&self) -> bool {
        !self.state.pending.is_empty() || self.state.unsettled.is_some()
    }

    fn work(&mut self) {
        self.write_group();
        self.trim_alone();
        self.fill_reserve();
        self.fold_if_due();
    }

    /// Takes in what is queued, up to a group's worth; waits when there is nothing to do, and while it is
    /// nobody's turn.
    fn take_in(&mut self) -> Callers {
        let mut bytes: u64 = self.state.pending.iter().map(|job| job.len_bytes).sum();
        let patience = self.patience();
        let is_busy = patience == Some(Duration::ZERO);
        let mut pause = self.end_of_pause().filter(|_| !is_busy);
        let mut message = match patience {
            None => self
                .inbox
                .recv()
                .map_err(|_| RecvTimeoutError::Disconnected),
            Some(patience) => self.inbox.recv_timeout(patience),
        };
        loop {
            match message {
                Ok(Message::Append(job)) => {
                    bytes += job.len_bytes;
                    if turn::is_control(&job) {
                        pause = None;
                    }
                    self.state.pending.push_back(job);
                }
                Ok(Message::Folded) => {
                    self.state.trimming = Chore::Now;
                    self.state.has_given = false;
                    self.there_was_a_fold();
                    pause = None;
                }
                Ok(Message::RoomWanted) => self.state.trimming.again(),
                Ok(Message::Close { reply }) => {
                    self.state.closing = reply;
                    self.hurry();
                    return Callers::None;
                }
                Err(RecvTimeoutError::Timeout) => return Callers::Some,
                Err(RecvTimeoutError::Disconnected) => {
                    self.hurry();
                    return Callers::None;
                }
            }
            if let Some(end) = pause {
                let left = end.saturating_duration_since(Instant::now());
                message = self.inbox.recv_timeout(left);
                continue;
            }
            let full =
                bytes >= MAX_GROUP_BYTES as u64 || self.state.pending.len() >= MAX_GROUP_BATCHES;
            if full && self.state.suspension.is_none() {
                return Callers::Some;
            }
            message = self.inbox.try_recv().map_err(|error| match error {
                std::sync::mpsc::TryRecvError::Empty => RecvTimeoutError::Timeout,
                std::sync::mpsc::TryRecvError::Disconnected => RecvTimeoutError::Disconnected,
            });
        }
    }

    /// How long to wait for a message; `None` is for ever.
    fn patience(&self) -> Option<Duration> {
        let state = &self.state;
        if let Some(suspension) = &state.suspension {
            if self.may_trim() {
                return Some(Duration::ZERO);
            }
            let patience = suspension.until_next_look();
            let until_refusal = self.until_refusal();
            return Some(until_refusal.map_or(patience, |due| patience.min(due)));
        }
        if state.trimming == Chore::Now || state.refill == Chore::Now {
            return Some(Duration::ZERO);
        }
        match self.turn() {
            Turn::All if state.pending.is_empty() => self.until_fold(),
            Turn::All | Turn::Control => Some(Duration::ZERO),
            Turn::Nobody { patience } => Some(patience),
        }
    }

    /// Until when it is nobody's turn, whatever else was observed.
    fn end_of_pause(&self) -> Option<Instant> {
        if self.state.suspension.is_some() {
            return None;
        }
        match self.turn() {
            Turn::Nobody { patience } => Some(Instant::now() + patience),
            Turn::All | Turn::Control => None,
        }
    }

    fn note_oldest(&self) {
        let queued = self.state.pending.iter().map(|job| job.queued_at);
        let unsettled = self.state.unsettled.iter().flat_map(Unsettled::queued_at);
        let oldest: Option<Instant> = queued.chain(unsettled).min();
        self.meter.oldest(oldest);
    }

    /// Has everything folded, so that the next who opens the log finds an empty journal.
    fn close_files(&mut self) {
        let (reply, answer) = mpsc::channel();
        if self.folder.send(folder::Message::Close { reply }).is_ok() {
            let _ = answer.recv();
        }
        if self.state.suspension.is_none() {
            self.state.trimming = Chore::Now;
            while self.state.trimming == Chore::Now && self.state.suspension.is_none() {
                self.trim_alone();
            }
        }
        self.journal.database.close();
    }

    fn tell_folder(&self, message: folder::Message) {
        // It ends after this writer, unless it died: then reading and writing go on without it,
        // until the tail is full.
        let _ = self.folder.send(message);
    }

    /// Answers whoever is left, and closes the files.
    fn finish(mut self) {
        self.rooms.close();
        if let Some(unsettled) = self.state.unsettled.take() {
            unsettled.give_up(&self.meter);
        }
        for job in self.state.pending.drain(..) {
            job.answer(&self.meter, Err(AppendError::Closed));
        }
        // Whoever asked after the close was queued.
        while let Ok(message) = self.inbox.try_recv() {
            if let Message::Append(job) = message {
                job.answer(&self.meter, Err(AppendError::Closed));
            }
        }
        self.close_files();
        self.wakes.close();
        let closing = self.state.closing.take();
        // With it goes the reserve.
        drop(self);
        if let Some(reply) = closing {
            let _ = reply.send(());
        }
    }
}
