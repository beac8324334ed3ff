//! `Complete`: the owner of an external session reports its end.

use super::not_live;
use crate::{Decision, Event, Phase, Refusal, Session};

pub(super) fn decide(session: &Session, exit_code: Option<i32>) -> Result<Decision, Refusal> {
    if !session.is_external() {
        return Err(Refusal::NotExternal {
            session: session.id.clone(),
        });
    }
    match &session.phase {
        Phase::Elsewhere => Ok(Decision::event(Event::Completed { exit_code })),
        Phase::Created
        | Phase::Cancelled
        | Phase::Running { .. }
        | Phase::Dying { .. }
        | Phase::Ended { .. }
        | Phase::Orphaned { .. }
        | Phase::Deleted => Err(not_live(session)),
    }
}
