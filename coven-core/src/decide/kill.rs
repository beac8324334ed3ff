//! `Kill`: end a session's process.

use super::not_live;
use crate::{Decision, Effect, Event, Phase, Refusal, Session};

pub(super) fn decide(session: &Session) -> Result<Decision, Refusal> {
    match &session.phase {
        Phase::Created => Ok(Decision::event(Event::KillRequested).with(Effect::CancelSpawn)),
        Phase::Running { process, .. } => Ok(Decision::event(Event::KillRequested).with(
            Effect::Terminate {
                process: process.clone(),
            },
        )),
        Phase::Elsewhere => Err(Refusal::ExternalNotKillable {
            session: session.id.clone(),
        }),
        // Accepted once; the proof of death is the exit event.
        Phase::Cancelled
        | Phase::Dying { .. }
        | Phase::Ended { .. }
        | Phase::Orphaned { .. }
        | Phase::Deleted => Err(not_live(session)),
    }
}
