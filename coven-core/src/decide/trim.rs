//! `Trim`: a session's oldest output goes.

use super::not_found;
use crate::{Decision, Event, Phase, Refusal, Session};

pub(super) fn decide(
    session: &Session,
    offset: u64,
    len_bytes: u64,
    sha256: [u8; 32],
) -> Result<Decision, Refusal> {
    if session.phase == Phase::Deleted {
        return Err(not_found(session));
    }
    let end = offset.saturating_add(len_bytes);
    // Somebody was faster: it is gone already.
    if end <= session.trimmed_bytes {
        return Ok(Decision::nothing());
    }
    if offset != session.trimmed_bytes || end > session.output_bytes {
        return Err(Refusal::OutOfPlace {
            session: session.id.clone(),
            phase: session.phase.name(),
        });
    }
    Ok(Decision::event(Event::Trimmed {
        offset,
        len_bytes,
        sha256,
    }))
}
