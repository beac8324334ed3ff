//! The task that owns one session, from its first event to its last.
//!
//! [`launching`] puts the launch on record and makes the process; [`live`] drives it to its end.
//! Nobody else writes to the session's log or touches its process; others hold a mailbox
//! ([`Running`](crate::running::Running)). The task goes on when whoever asked for it has left.

mod control;
mod ending;
mod gather;
mod identity;
mod killing;
mod launching;
mod live;
mod observe;
mod redraw;
mod writer;

use std::sync::Arc;

use coven_core::{Actor, Launch, SessionId};
use coven_harness::process::Spawn;
use coven_harness::{CommandLine, Harness};
use tokio::sync::oneshot;

use crate::shared::Shared;
use crate::{Error, Record};

/// A launch that was checked and is to be carried out.
pub(crate) struct Accepted {
    pub(crate) id: SessionId,
    pub(crate) launch: Launch,
    pub(crate) by: Actor,
    pub(crate) harness: Arc<dyn Harness>,
    /// What to run; or why there is nothing to run, for people.
    pub(crate) run: Result<Run, String>,
}

/// A process to be made.
pub(crate) struct Run {
    pub(crate) spawn: Spawn,
    pub(crate) command: CommandLine,
}

/// Starts the task of a new session. The answer comes once its process runs, or provably never
/// will; the task goes on whether anybody waits for it or not.
pub(crate) fn start(
    shared: Arc<Shared>,
    accepted: Accepted,
) -> oneshot::Receiver<Result<Record, Error>> {
    let (reply, launched) = oneshot::channel();
    let (entry, mailbox) = shared.running.enter(accepted.id.clone());
    tokio::spawn(async move {
        launching::run(shared, accepted, mailbox, reply).await;
        drop(entry);
    });
    launched
}
