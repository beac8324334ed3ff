//! What the engine observed of a process, on its way into the log.
//!
//! These are refused only where they cannot be true: a refusal here is a bug of the engine.

use bytes::Bytes;

use super::not_live;
use crate::{
    Channel, ConversationId, Decision, Effect, Event, Exit, Origin, OrphanReason, OutputEnd, Phase,
    ProcessFacts, Refusal, Session,
};

pub(super) fn start(
    session: &Session,
    process: ProcessFacts,
    executable: String,
    argv: Vec<String>,
) -> Result<Decision, Refusal> {
    let terminate = match &session.phase {
        Phase::Created => None,
        // Killed while it was being made.
        Phase::Cancelled => Some(Effect::Terminate {
            process: process.clone(),
        }),
        Phase::Running { .. }
        | Phase::Dying { .. }
        | Phase::Ended { .. }
        | Phase::Orphaned { .. }
        | Phase::Elsewhere
        | Phase::Deleted => return Err(not_live(session)),
    };
    Ok(Decision {
        events: vec![Event::Started {
            process,
            executable,
            argv,
        }],
        effects: terminate.into_iter().collect(),
    })
}

pub(super) fn launch_failure(session: &Session, reason: String) -> Result<Decision, Refusal> {
    match &session.phase {
        Phase::Created | Phase::Cancelled => Ok(Decision::event(Event::LaunchFailed { reason })),
        Phase::Running { .. }
        | Phase::Dying { .. }
        | Phase::Ended { .. }
        | Phase::Orphaned { .. }
        | Phase::Elsewhere
        | Phase::Deleted => Err(not_live(session)),
    }
}

pub(super) fn identity(
    session: &Session,
    conversation: ConversationId,
) -> Result<Decision, Refusal> {
    let known = match &session.origin {
        Origin::Launched { identity, .. } => identity.as_ref() == Some(&conversation),
        Origin::External { .. } => return Err(not_live(session)),
    };
    match &session.phase {
        Phase::Created | Phase::Cancelled | Phase::Running { .. } | Phase::Dying { .. } => {
            Ok(if known {
                Decision::nothing()
            } else {
                Decision::event(Event::Identified { conversation })
            })
        }
        Phase::Ended { .. } | Phase::Orphaned { .. } | Phase::Elsewhere | Phase::Deleted => {
            Err(not_live(session))
        }
    }
}

pub(super) fn output(
    session: &Session,
    channel: Channel,
    data: Bytes,
) -> Result<Decision, Refusal> {
    running_or_dying(session)?;
    let offset = session.output_bytes;
    Ok(Decision::event(Event::Output {
        offset,
        channel,
        data,
    }))
}

pub(super) fn output_end(session: &Session, end: OutputEnd) -> Result<Decision, Refusal> {
    running_or_dying(session)?;
    Ok(Decision::event(Event::OutputClosed { end }))
}

pub(super) fn exit(session: &Session, exit: Exit) -> Result<Decision, Refusal> {
    running_or_dying(session)?;
    Ok(Decision::event(Event::Exited { exit }))
}

pub(super) fn loss(session: &Session, reason: OrphanReason) -> Result<Decision, Refusal> {
    match &session.phase {
        Phase::Created | Phase::Cancelled | Phase::Running { .. } | Phase::Dying { .. } => {
            Ok(Decision::event(Event::Orphaned { reason }))
        }
        Phase::Ended { .. } | Phase::Orphaned { .. } | Phase::Elsewhere | Phase::Deleted => {
            Err(not_live(session))
        }
    }
}

fn running_or_dying(session: &Session) -> Result<(), Refusal> {
    match &session.phase {
        Phase::Running { .. } | Phase::Dying { .. } => Ok(()),
        Phase::Created
        | Phase::Cancelled
        | Phase::Ended { .. }
        | Phase::Orphaned { .. }
        | Phase::Elsewhere
        | Phase::Deleted => Err(not_live(session)),
    }
}
