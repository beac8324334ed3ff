//! The whole loop: decide, fold a copy, append, swap, perform.
//!
//! A [`Plan`] is the pure half: commands become events on a copy of the session, so that an event
//! which would not replay is never written. Who holds the plan appends its events, and performs
//! its effects only once they are durable. [`at_rest`] is the loop for sessions that nothing runs
//! of; a live one has a task of its own (`session_task`).

use coven_core::{
    Actor, Command, Decision, Effect, Phase, Refusal, Seq, Session, SessionId, Timestamp, decide,
};
use coven_store::{AppendError, Appended, Batch, NewEvent, Store, Urgency};

use crate::shared::Shared;
use crate::{Error, Record};

/// Events that follow from commands, each folded into a copy of the session.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    session: Session,
    events: Vec<NewEvent>,
}

impl Plan {
    pub(crate) fn of(session: &Session) -> Self {
        Self {
            session: session.clone(),
            events: Vec::new(),
        }
    }

    /// The session as it will be.
    pub(crate) const fn session(&self) -> &Session {
        &self.session
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// Adds what follows from `command`, and gives the effects that are due once it is durable.
    ///
    /// # Errors
    /// A refusal, or an event that does not fold (a bug). Nothing was added.
    pub(crate) fn add(
        &mut self,
        command: Command,
        at: Timestamp,
        by: Option<&Actor>,
    ) -> Result<Vec<Effect>, Error> {
        let decision = decide(&self.session, command)?;
        self.add_decision(decision, at, by)
    }

    /// Adds a decision that was made already.
    ///
    /// # Errors
    /// An event does not fold (a bug). Nothing was added.
    pub(crate) fn add_decision(
        &mut self,
        decision: Decision,
        at: Timestamp,
        by: Option<&Actor>,
    ) -> Result<Vec<Effect>, Error> {
        let copy = self.session.clone();
        self.session = decision.events.iter().try_fold(copy, Session::evolve)?;
        self.events
            .extend(decision.events.into_iter().map(|event| NewEvent {
                at,
                actor: by.cloned(),
                event,
            }));
        Ok(decision.effects)
    }

    /// The plan's events, to be appended.
    pub(crate) fn batch(self, after: Option<Seq>, urgency: Urgency) -> Batch {
        Batch {
            session: self.session.id.clone(),
            events: self.events,
            after,
            urgency,
        }
    }
}

/// Appends the first events of a new session.
///
/// # Errors
/// [`Error::Refused`] when the id is taken; otherwise the log's reasons.
pub(crate) async fn begin(
    store: &Store,
    session: SessionId,
    decision: Decision,
    at: Timestamp,
    by: Option<Actor>,
) -> Result<Appended, Error> {
    let events = decision.events.into_iter().map(|event| NewEvent {
        at,
        actor: by.clone(),
        event,
    });
    let batch = Batch {
        session: session.clone(),
        events: events.collect(),
        after: Some(Seq::ZERO),
        urgency: Urgency::Control,
    };
    match store.append(batch).await {
        Err(AppendError::Conflict { .. }) => Err(Refusal::IdConflict { session }.into()),
        appended => Ok(appended?),
    }
}

/// Carries out a command on a session that has no task: it has ended, or it runs elsewhere.
pub(crate) async fn at_rest(
    shared: &Shared,
    id: &SessionId,
    command: Command,
    by: Option<&Actor>,
) -> Result<Record, Error> {
    loop {
        let record = shared.record(id).await?;
        let mut plan = Plan::of(&record.session);
        let effects = plan.add(command.clone(), shared.clock.now(), by)?;
        if plan.is_empty() {
            return Ok(record);
        }
        if !effects.is_empty() {
            return Err(nobody_owns(&record.session));
        }
        let batch = plan.batch(Some(record.last_seq), Urgency::Control);
        match shared.store.append(batch).await {
            Ok(appended) => return Ok(appended.record),
            // Somebody was faster: what they wrote may change the decision.
            Err(AppendError::Conflict { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// A session that is live on record, and of which this engine has no task: its end could not be
/// recorded yet, or its task is just ending.
pub(crate) fn nobody_owns(session: &Session) -> Error {
    match session.phase {
        Phase::Created | Phase::Cancelled | Phase::Running { .. } | Phase::Dying { .. } => {
            Refusal::NotLive {
                session: session.id.clone(),
                status: session.status(),
            }
            .into()
        }
        Phase::Ended { .. } | Phase::Orphaned { .. } | Phase::Elsewhere | Phase::Deleted => {
            Error::internal(&"a session at rest has nothing to perform on")
        }
    }
}
