//! `Archive`, `Summon`, `Delete`: hide a session, bring it back, be rid of it.
//!
//! None of them touches a session that may still be alive.

use super::not_found;
use crate::{Decision, Event, Phase, Refusal, Session};

pub(super) fn archive(session: &Session) -> Result<Decision, Refusal> {
    over(session)?;
    Ok(if session.archived {
        Decision::nothing()
    } else {
        Decision::event(Event::Archived)
    })
}

pub(super) fn summon(session: &Session) -> Result<Decision, Refusal> {
    if session.phase == Phase::Deleted {
        return Err(not_found(session));
    }
    // A live session is in plain lists already.
    Ok(if session.archived {
        Decision::event(Event::Summoned)
    } else {
        Decision::nothing()
    })
}

pub(super) fn delete(session: &Session) -> Result<Decision, Refusal> {
    over(session)?;
    Ok(Decision::event(Event::Deleted))
}

fn over(session: &Session) -> Result<(), Refusal> {
    match &session.phase {
        Phase::Ended { .. } | Phase::Orphaned { .. } => Ok(()),
        Phase::Deleted => Err(not_found(session)),
        Phase::Created
        | Phase::Cancelled
        | Phase::Running { .. }
        | Phase::Dying { .. }
        | Phase::Elsewhere => Err(Refusal::Live {
            session: session.id.clone(),
        }),
    }
}
