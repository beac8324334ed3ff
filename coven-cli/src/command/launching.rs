//! A launch that is made, whatever becomes of the daemons that are asked for it.
//!
//! Each is asked for under a key, so that the daemons that are asked one after the other make it once.
//! Where one died of it and the next has proof that nothing ran, it is launched again, under another key.
//! What may have run is not, nor what failed for another reason.

use std::time::Duration;

use coven::{FailureCause, OrphanReason};
use coven_http::client::{Client, Error};
use coven_http::wire::{SessionRecord, Status};
use tokio::time::timeout;

use crate::ending::{self, lost_because};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::home::Home;
use crate::text::one_line;
use crate::{connect, follow, output};

/// Launches of which each is proven to have never run before the next is asked for.
const MOST_LAUNCHES: usize = 3;

/// How long it may be unknown what became of a launch whose daemon died.
const PATIENCE: Duration = Duration::from_secs(20);

/// As an exit event has it of a session that never ran because its daemon died.
const ENGINE_DIED: Option<&str> = FailureCause::EngineDied.word();

/// What came of a launch that was asked for.
enum Came {
    /// It runs, or has run.
    Ran,
    /// It provably never ran, because its daemon died.
    NeverRan {
        /// Why, in words.
        why: String,
    },
    /// It provably never ran, and would not if it were launched again.
    Failed {
        /// Why, in words.
        why: String,
    },
}

/// Launches what `ask` asks for under a key: `key`, and after each session that never ran the one that
/// `next_key` makes of it. Gives the session, and the daemon that has it.
///
/// # Errors
/// - What `ask` says, but of a daemon that was gone.
/// - [`Exit::LaunchFailed`]: it failed; its daemons died time and again before it ran; or it cannot be told
///   whether it runs.
/// - [`Exit::Orphaned`]: its daemon died, and it may have run.
pub(super) async fn launch(
    home: &Home,
    mut key: String,
    next_key: impl Fn(&SessionRecord) -> String,
    ask: impl AsyncFn(&Client, &str) -> Result<SessionRecord, Failure>,
) -> Result<(Client, SessionRecord), Failure> {
    let mut launched = 0;
    loop {
        let asking = async |client: &Client| {
            let record = settled(client, ask(client, &key).await?).await?;
            let came = came(client, &record).await?;
            Ok((record, came))
        };
        let (client, (record, came)) = connect::ask_running(home, asking).await?;
        let id = &record.id;
        launched += 1;
        match came {
            Came::Ran => return Ok((client, record)),
            Came::NeverRan { why } if launched < MOST_LAUNCHES => {
                output::complain(&format!(
                    "coven: session {id} never ran: {why}; it is launched again"
                ));
                key = next_key(&record);
            }
            Came::NeverRan { why } | Came::Failed { why } => {
                let told = format!("session {id} could not be started: {why}");
                return Err(Failure::new(Exit::LaunchFailed, told));
            }
        }
    }
}

/// The session once it is known what became of its launch: after the death of a daemon, the next one
/// looks.
async fn settled(client: &Client, record: SessionRecord) -> Result<SessionRecord, Failure> {
    if record.status != Status::Created {
        return Ok(record);
    }
    let id = &record.id;
    let settled = async {
        let mut events = follow::events(client, id, Some(record.last_seq));
        loop {
            events.next().await?;
            let record = client.session(id).await?;
            if record.status != Status::Created {
                return Ok(record);
            }
        }
    };
    match timeout(PATIENCE, settled).await {
        Ok(Ok(record)) => Ok(record),
        // The next daemon is asked the same.
        Ok(Err(error)) if is_gone(&error) => Err(Failure::from(error).unheard()),
        Ok(Err(error)) => Err(error.into()),
        Err(_) => Err(Failure::new(
            Exit::LaunchFailed,
            format!(
                "what became of the launch of session {id} is not known after {} s: it may run; \
                 `coven show {id}` tells, `coven kill {id}` ends it",
                PATIENCE.as_secs()
            ),
        )),
    }
}

fn is_gone(error: &Error) -> bool {
    error.is_stopping()
        || matches!(
            error,
            Error::Unreachable { .. } | Error::Broken { .. } | Error::Away { .. }
        )
}

/// # Errors
/// [`Exit::Orphaned`]: it may have run, and nobody knows.
async fn came(client: &Client, record: &SessionRecord) -> Result<Came, Failure> {
    let interrupted = OrphanReason::LaunchInterrupted.as_str();
    if record.orphan_reason.as_deref() == Some(interrupted) {
        return Err(Failure::new(
            Exit::Orphaned,
            format!(
                "session {} was lost: {}; it may have run, so it was not launched again",
                record.id,
                lost_because(interrupted)
            ),
        ));
    }
    let Some(exit) = ending::never_ran(client, record).await? else {
        return Ok(Came::Ran);
    };
    let why = one_line(
        &exit
            .reason
            .unwrap_or_else(|| "it is not known why".to_owned()),
    );
    let its_daemon_died = exit.cause.is_some() && exit.cause.as_deref() == ENGINE_DIED;
    Ok(if its_daemon_died {
        Came::NeverRan { why }
    } else {
        Came::Failed { why }
    })
}
