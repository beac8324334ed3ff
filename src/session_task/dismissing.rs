//! Letting go of shims whose sessions are over and on record: the engine before died between the
//! last event and its word to the shim.

use std::time::Duration;

use coven_core::SessionId;
use coven_harness::shim::{Child, Record};
use tokio::time::timeout;

use super::process::{Reached, reach};
use crate::shared::{Shared, blocking};

/// How long a shim may take to say all it has and to end. One that does not is asked again by the
/// next engine.
const PATIENCE: Duration = Duration::from_secs(10);

/// Lets go of them one after the other. A folder whose session is not on record is left alone: it
/// may be of a log that somebody put elsewhere.
pub(super) async fn all(shared: &Shared, sessions: Vec<SessionId>) {
    for session in sessions {
        match shared.record(&session).await {
            Ok(record) if record.session.phase.has_ended() => {}
            Ok(_) => continue,
            Err(error) => {
                tracing::warn!(%session, %error, "a shim's folder is of no session on record");
                continue;
            }
        }
        let folder = shared.spools.folder(&session);
        match timeout(PATIENCE, one(folder, &session)).await {
            Ok(Ok(())) => tracing::info!(%session, "a shim was let go"),
            Ok(Err(problem)) => tracing::warn!(%session, %problem, "a shim is left"),
            Err(_) => tracing::warn!(%session, "a shim does not end, and is left"),
        }
    }
}

async fn one(folder: std::path::PathBuf, session: &SessionId) -> Result<(), String> {
    match reach(folder, session.clone(), None).await {
        Reached::Alive(child) => dismiss(child).await,
        Reached::Dead { remains, .. } if remains.summary.damage.is_some() => {
            Err("its spool is damaged: look at it, and remove it".to_owned())
        }
        Reached::Dead { remains, .. } => {
            let removed = blocking(move || remains.remove()).await;
            removed
                .map_err(|error| error.to_string())?
                .map_err(|error| error.to_string())
        }
        Reached::Missing => Ok(()),
    }
}

/// Hears a shim to the end of its session, and closes it.
async fn dismiss(child: Child) -> Result<(), String> {
    let Child {
        mut records,
        control,
        ..
    } = child;
    let (mut has_exited, mut is_closed) = (false, false);
    while !(has_exited && is_closed) {
        let recorded = records.next().await.map_err(|lost| lost.to_string())?;
        match recorded.record {
            Record::Exited { .. } => has_exited = true,
            Record::OutputClosed { .. } => is_closed = true,
            Record::LaunchFailed { .. } => (has_exited, is_closed) = (true, true),
            _ => {}
        }
        control.ack(recorded.number);
    }
    control.close().await.map_err(|error| error.to_string())
}
