//! `Input`: bytes typed into a session.

use bytes::Bytes;

use super::not_live;
use crate::command::Echo;
use crate::{Decision, Effect, Event, InputData, InputId, Phase, Refusal, Session, limits};

pub(super) fn decide(
    session: &Session,
    data: Bytes,
    echo: Echo,
    id: Option<InputId>,
) -> Result<Decision, Refusal> {
    accepts(session)?;
    if data.len() > limits::MAX_INPUT_BYTES {
        let len_bytes = data.len();
        return Err(Refusal::InputTooLarge {
            session: session.id.clone(),
            len_bytes,
        });
    }
    if data.is_empty() {
        return Ok(Decision::nothing());
    }
    let recorded = match echo {
        Echo::Shown => InputData::Plain { data: data.clone() },
        Echo::Hidden => InputData::Redacted {
            len_bytes: data.len() as u64,
        },
    };
    Ok(Decision::event(Event::Input { data: recorded, id }).with(Effect::Deliver { data }))
}

impl Session {
    /// Whether the session takes input now, whatever the input is.
    ///
    /// # Errors
    /// The refusal that any input would get.
    pub fn accepts_input(&self) -> Result<(), Refusal> {
        accepts(self)
    }
}

fn accepts(session: &Session) -> Result<(), Refusal> {
    match (&session.phase, session.mode()) {
        (Phase::Elsewhere, _) => Err(Refusal::ExternalTakesNoInput {
            session: session.id.clone(),
        }),
        (Phase::Running { .. }, Some(mode)) if mode.takes_input() => Ok(()),
        (Phase::Running { .. }, Some(mode)) => Err(Refusal::NoInput {
            session: session.id.clone(),
            mode: mode.as_str(),
        }),
        (
            Phase::Created
            | Phase::Cancelled
            | Phase::Running { .. }
            | Phase::Dying { .. }
            | Phase::Ended { .. }
            | Phase::Orphaned { .. }
            | Phase::Deleted,
            _,
        ) => Err(not_live(session)),
    }
}
