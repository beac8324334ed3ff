//! `Batch`: what is appended at once.

use coven_core::{Actor, Event, Record, Seq, SessionId, Timestamp};

/// Events of one session that become durable together or not at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// The session they are about.
    pub session: SessionId,
    /// The events, oldest first: at least one, at most
    /// [`MAX_BATCH_EVENTS`](crate::limits::MAX_BATCH_EVENTS) and, as stored,
    /// [`MAX_BATCH_BYTES`](crate::limits::MAX_BATCH_BYTES).
    pub events: Vec<NewEvent>,
    /// The last [`Seq`] of this session that the caller folded; [`Seq::ZERO`] when the session
    /// must not exist yet; `None` when whatever came between does not matter.
    pub after: Option<Seq>,
    /// Whether it may wait for a disk that is full.
    pub urgency: Urgency,
}

/// An event that has no place in the log yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewEvent {
    /// When it happened.
    pub at: Timestamp,
    /// Who asked for it, where somebody did.
    pub actor: Option<Actor>,
    /// What happened.
    pub event: Event,
}

/// What becomes of a batch that cannot be written now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Urgency {
    /// Somebody asked for it and waits for an answer: while the log is suspended it is refused.
    /// The end of a session (a kill, a deletion) and a trim are given room from the reserve.
    Control,
    /// It was observed (output, an exit) and must not be lost: it waits, however long, and is
    /// written once.
    Output,
}

/// Where a batch went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Appended {
    /// The session's record as of the batch's last event.
    pub record: Record,
    /// The place of its first event.
    pub first: Seq,
    /// The place of its last event; those between follow one another without a gap.
    pub last: Seq,
}
