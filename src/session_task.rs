//! The task that owns one session, from its first event to its last.
//!
//! [`launching`] puts the launch on record and makes the process, [`adopting`] takes over one that a
//! shim holds; [`live`] drives it to its end.
//! Nobody else writes to the session's log or touches its process; others hold a mailbox
//! ([`Running`](crate::running::Running)). The task goes on when whoever asked for it has left.

mod adopting;
mod beginning;
mod bookmark;
mod control;
mod deliveries;
mod dismissing;
mod echo;
mod ending;
mod first_message;
mod gather;
mod happened;
mod heard_again;
mod hidden;
mod identity;
mod killing;
mod launching;
mod leaving;
mod live;
#[cfg(test)]
mod made_up;
#[cfg(test)]
mod made_up_shim;
mod observe;
mod owed;
mod process;
mod redraw;
mod rooms;
mod typing;
mod unrecorded;
mod writer;

use std::sync::Arc;

use coven_core::{Actor, Launch, OrphanReason, SessionId};
use coven_harness::process::Spawn;
use coven_harness::{CommandLine, Harness};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::shared::Shared;
use crate::{Error, Record};

#[cfg(test)]
pub(crate) use bookmark::waits_in;
pub(crate) use killing::{kill_shim, proved};
pub(crate) use process::lives;
pub(crate) use typing::is_of;

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
        launching::run(Arc::clone(&shared), accepted, mailbox, reply).await;
        drop(entry);
        shared.share_spools().await;
    });
    launched
}

/// Takes over a session that is live on record, and whose shim has a folder; what is given ends with
/// it.
pub(crate) fn adopt(shared: Arc<Shared>, record: Record) -> JoinHandle<()> {
    let (entry, mailbox) = shared.running.enter(record.session.id.clone());
    tokio::spawn(async move {
        adopting::run(Arc::clone(&shared), record, mailbox).await;
        drop(entry);
        shared.share_spools().await;
    })
}

/// Keeps a session of which somebody is left, without a shim, until nobody is: then it is told to be lost like this.
pub(crate) fn keep(shared: Arc<Shared>, record: Record, reason: OrphanReason) {
    let (entry, mailbox) = shared.running.enter(record.session.id.clone());
    tokio::spawn(async move {
        adopting::outlived(shared, record, mailbox, reason).await;
        drop(entry);
    });
}

/// Lets go of what is left of sessions that have ended on record.
pub(crate) fn dismiss(shared: &Arc<Shared>, sessions: Vec<SessionId>) {
    let shared = Arc::clone(shared);
    tokio::spawn(async move { dismissing::all(&shared, sessions).await });
}
