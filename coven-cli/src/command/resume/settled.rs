//! A session as it stands once the daemon has looked after it.
//!
//! A daemon that has just started answers before it has found what became of every session that its
//! forerunner left, and until then a lost one is on record as it was.

use std::time::Duration;

use coven::environment::SESSION_VARIABLE;
use coven_http::client::Client;
use coven_http::wire::SessionRecord;

use crate::failure::Failure;

/// How long a daemon may take to find that a session is lost.
const PATIENCE: Duration = Duration::from_secs(10);

/// The session as it is on record once what became of it is: at once, unless it is on record as
/// live and no process is seen that would be its own.
///
/// # Errors
/// Whatever the client says.
pub(super) async fn settled(
    client: &Client,
    session: SessionRecord,
) -> Result<SessionRecord, Failure> {
    if session.external || session.ended_at.is_some() || runs(&session) {
        return Ok(session);
    }
    let mut follow = client.follow(&session.id, Some(session.last_seq));
    let to_its_end = async {
        while follow.next().await?.is_some() {}
        Ok::<(), Failure>(())
    };
    match tokio::time::timeout(PATIENCE, to_its_end).await {
        Ok(ended) => ended?,
        // It is as it was, then.
        Err(_elapsed) => {}
    }
    Ok(client.session(&session.id).await?)
}

/// Whether its process is the one that it was, by the mark in its environment: after a restart of
/// the machine another may have its number.
fn runs(session: &SessionRecord) -> bool {
    let Some(pid) = session.pid else {
        return false;
    };
    let mark = format!("{SESSION_VARIABLE}={}", session.id);
    let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    environment
        .split(|byte| *byte == 0)
        .any(|variable| variable == mark.as_bytes())
}
