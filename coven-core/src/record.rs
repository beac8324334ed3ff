//! `Record`: what lists and `GET /sessions/{id}` show of a session.

use crate::{Envelope, Event, IllegalTransition, Seq, Session, Timestamp};

/// A session and the times of its life: the projection that the log keeps beside the events. It
/// can be dropped and folded again to the same value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The session as of `last_seq`.
    pub session: Session,
    /// The place of its first event, which holds the whole launch.
    pub first_seq: Seq,
    /// The place of its last event.
    pub last_seq: Seq,
    /// When it was created or registered.
    pub created_at: Timestamp,
    /// When its last event happened.
    pub updated_at: Timestamp,
    /// When it ended; `None` while it may still be alive.
    pub ended_at: Option<Timestamp>,
    /// When it was archived; `None` when it is in plain lists.
    pub archived_at: Option<Timestamp>,
}

impl Record {
    /// Folds one event into a record; `None` is a session not heard of yet.
    ///
    /// # Errors
    /// [`IllegalTransition`] if the event cannot follow: a bug, or a damaged log.
    pub fn fold(before: Option<Self>, envelope: &Envelope) -> Result<Self, IllegalTransition> {
        match before {
            None => Self::begin(envelope),
            Some(record) => record.apply(envelope),
        }
    }

    fn begin(envelope: &Envelope) -> Result<Self, IllegalTransition> {
        Ok(Self {
            session: Session::begin(envelope.session.clone(), &envelope.event)?,
            first_seq: envelope.seq,
            last_seq: envelope.seq,
            created_at: envelope.at,
            updated_at: envelope.at,
            ended_at: None,
            archived_at: None,
        })
    }

    fn apply(self, envelope: &Envelope) -> Result<Self, IllegalTransition> {
        let session = self.session.evolve(&envelope.event)?;
        let ended_at = self
            .ended_at
            .or_else(|| session.phase.has_ended().then_some(envelope.at));
        let archived_at = match envelope.event {
            Event::Archived => Some(envelope.at),
            Event::Summoned => None,
            Event::Created { .. }
            | Event::Registered { .. }
            | Event::Started { .. }
            | Event::LaunchFailed { .. }
            | Event::Identified { .. }
            | Event::Output { .. }
            | Event::Input { .. }
            | Event::Resized { .. }
            | Event::Titled { .. }
            | Event::Labelled { .. }
            | Event::KillRequested
            | Event::OutputClosed { .. }
            | Event::Exited { .. }
            | Event::Completed { .. }
            | Event::Orphaned { .. }
            | Event::Deleted
            | Event::Trimmed { .. }
            | Event::Undelivered { .. } => self.archived_at,
        };
        Ok(Self {
            session,
            last_seq: envelope.seq,
            updated_at: envelope.at,
            ended_at,
            archived_at,
            ..self
        })
    }
}
