//! What the engine observed of a process, on its way into the log.
//!
//! These are refused only where they cannot be true: a refusal here is a bug of the engine.

use bytes::Bytes;

use super::output_cut;
use crate::{
    Channel, ConversationId, Decision, Effect, Event, Exit, FailureCause, InputId, Origin,
    OrphanReason, OutputEnd, OutputState, Phase, ProcessFacts, Refusal, Session,
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
        | Phase::Deleted => return Err(out_of_place(session)),
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

pub(super) fn launch_failure(
    session: &Session,
    reason: String,
    cause: FailureCause,
) -> Result<Decision, Refusal> {
    match &session.phase {
        Phase::Created | Phase::Cancelled => {
            Ok(Decision::event(Event::LaunchFailed { reason, cause }))
        }
        Phase::Running { .. }
        | Phase::Dying { .. }
        | Phase::Ended { .. }
        | Phase::Orphaned { .. }
        | Phase::Elsewhere
        | Phase::Deleted => Err(out_of_place(session)),
    }
}

pub(super) fn identity(
    session: &Session,
    conversation: ConversationId,
) -> Result<Decision, Refusal> {
    not_over(session)?;
    let known = match &session.origin {
        Origin::Launched { identity, .. } => identity.as_ref() == Some(&conversation),
        Origin::External { .. } => return Err(out_of_place(session)),
    };
    Ok(if known {
        Decision::nothing()
    } else {
        Decision::event(Event::Identified { conversation })
    })
}

/// One event where `data` fits one, more where it must be cut; none for no data.
pub(super) fn output(
    session: &Session,
    channel: Channel,
    mut data: Bytes,
) -> Result<Decision, Refusal> {
    match output_state(session)? {
        OutputState::Open => {}
        OutputState::Closed { .. } => return Err(out_of_place(session)),
    }
    let mut offset = session.output_bytes;
    let mut events = Vec::with_capacity(1);
    while !data.is_empty() {
        let data = data.split_to(output_cut(&data));
        let end = offset.checked_add(data.len() as u64);
        events.push(Event::Output {
            offset,
            channel,
            data,
        });
        offset = end.ok_or_else(|| out_of_place(session))?;
    }
    Ok(Decision {
        events,
        effects: Vec::new(),
    })
}

pub(super) fn undelivered(
    session: &Session,
    id: InputId,
    len_bytes: u64,
    written_bytes: Option<u64>,
) -> Result<Decision, Refusal> {
    // Whether its output has ended does not matter to what is typed.
    output_state(session)?;
    let is_whole = len_bytes == 0 || written_bytes.is_some_and(|written| written >= len_bytes);
    Ok(if is_whole {
        Decision::nothing()
    } else {
        Decision::event(Event::Undelivered {
            id,
            len_bytes,
            written_bytes,
        })
    })
}

pub(super) fn output_end(session: &Session, end: OutputEnd) -> Result<Decision, Refusal> {
    match output_state(session)? {
        OutputState::Open => Ok(Decision::event(Event::OutputClosed { end })),
        OutputState::Closed { .. } => Err(out_of_place(session)),
    }
}

pub(super) fn exit(session: &Session, exit: Exit) -> Result<Decision, Refusal> {
    match output_state(session)? {
        OutputState::Closed { end: output } => {
            let exit = Some(exit);
            Ok(Decision::event(Event::Exited { exit, output }))
        }
        OutputState::Open => Err(out_of_place(session)),
    }
}

/// Only of what was killed is it enough that it is gone.
pub(super) fn death(session: &Session) -> Result<Decision, Refusal> {
    match &session.phase {
        Phase::Dying {
            output: OutputState::Closed { end },
            ..
        } => Ok(Decision::event(Event::Exited {
            exit: None,
            output: *end,
        })),
        Phase::Created
        | Phase::Cancelled
        | Phase::Running { .. }
        | Phase::Dying { .. }
        | Phase::Ended { .. }
        | Phase::Orphaned { .. }
        | Phase::Elsewhere
        | Phase::Deleted => Err(out_of_place(session)),
    }
}

pub(super) fn loss(session: &Session, reason: OrphanReason) -> Result<Decision, Refusal> {
    not_over(session)?;
    Ok(Decision::event(Event::Orphaned { reason }))
}

/// The output of a session whose process runs.
fn output_state(session: &Session) -> Result<OutputState, Refusal> {
    match &session.phase {
        Phase::Running { output, .. } | Phase::Dying { output, .. } => Ok(*output),
        Phase::Created
        | Phase::Cancelled
        | Phase::Ended { .. }
        | Phase::Orphaned { .. }
        | Phase::Elsewhere
        | Phase::Deleted => Err(out_of_place(session)),
    }
}

/// Only of a session that Coven launched and that is not over is there anything to observe.
fn not_over(session: &Session) -> Result<(), Refusal> {
    match &session.phase {
        Phase::Created | Phase::Cancelled | Phase::Running { .. } | Phase::Dying { .. } => Ok(()),
        Phase::Ended { .. } | Phase::Orphaned { .. } | Phase::Elsewhere | Phase::Deleted => {
            Err(out_of_place(session))
        }
    }
}

fn out_of_place(session: &Session) -> Refusal {
    Refusal::OutOfPlace {
        session: session.id.clone(),
        phase: session.phase.name(),
    }
}
