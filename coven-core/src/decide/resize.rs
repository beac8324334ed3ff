//! `Resize`: a terminal's new size.

use super::not_live;
use crate::{Decision, Effect, Event, Phase, Refusal, Session, TermSize};

pub(super) fn decide(session: &Session, size: TermSize) -> Result<Decision, Refusal> {
    match (&session.phase, session.mode()) {
        (Phase::Elsewhere, _) => Err(Refusal::NoTerminal {
            session: session.id.clone(),
        }),
        (Phase::Running { .. }, Some(mode)) if mode.has_terminal() => {
            Ok(Decision::event(Event::Resized { size }).with(Effect::Resize { size }))
        }
        (Phase::Running { .. }, _) => Err(Refusal::NoTerminal {
            session: session.id.clone(),
        }),
        (
            Phase::Created
            | Phase::Cancelled
            | Phase::Dying { .. }
            | Phase::Ended { .. }
            | Phase::Orphaned { .. }
            | Phase::Deleted,
            _,
        ) => Err(not_live(session)),
    }
}
