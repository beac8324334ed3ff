//! Recovery: what was live when an engine ended is taken over, or said to be lost.
//!
//! A session that a shim holds has a folder, and is taken over: its shim lives, or left what became
//! of it. So is one whose folder is gone while it lives: it is looked for until somebody puts that back,
//! or ends it. The terminal of any other is gone with the engine that held it, and the kernel has hung
//! it up. The agent is dead of that as a rule, and its tools, in sessions of their own, are not:
//! whatever is left would run on unseen, so it is ended before the session is told to be orphaned. As long as
//! somebody is left, who may be another user's, it is not.

use std::collections::HashSet;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use coven_core::{
    Command, OrphanReason, OutputEnd, OutputState, Phase, ProcessFacts, Record, SessionId,
};
use coven_harness::process::{boot_id, is_running, kill, kill_marked};
use coven_harness::shim;
use coven_store::{AppendError, ReadError, Urgency};
use tokio::task::{JoinError, JoinHandle, JoinSet};
use tokio::time::timeout;

use crate::commit::Plan;
use crate::on_the_way::Waypoint;
use crate::shared::{Shared, blocking};
use crate::{Error, OpenError, session_task};

/// Sessions whose leftovers are looked for at once: each look reads all processes there are.
pub(crate) const MAX_AT_ONCE: usize = 8;

/// Who is left of a session that was to be ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Left {
    /// Nobody, for certain.
    Nobody,
    /// Somebody, or it cannot be told.
    Somebody,
}

/// How long it waits for what became of sessions whose shim is dead, or whose process is gone.
const SETTLING: Duration = Duration::from_secs(1);

/// Takes over every session that is live on record and has a shim's folder, or was given one and lives;
/// and orphans the others.
///
/// Returns when all of those are on record as orphaned, or wait for a disk that is full or for the end
/// of who is left of them; those that are taken over are being reached. What became of those of them
/// that have ended is on record, too, or takes longer than [`SETTLING`]. Folders that were made for launches that never came to be on record are gone.
pub(crate) async fn recover(shared: &Arc<Shared>) -> Result<(), OpenError> {
    let unreadable = |error: Error| OpenError::Unreadable {
        message: error.to_string(),
    };
    let mut folders = folders(shared).await?;
    let live = shared.read(|store| -> Result<_, ReadError> { store.live() });
    let live = live.await.map_err(unreadable)?;
    let gone = gone(shared, &live, &folders).await.map_err(unreadable)?;
    shared.on_the_way.reached(&Waypoint::Recovering);
    let mut settling = Vec::new();
    let mut orphaned = JoinSet::new();
    let through = |done: Result<Result<(), Error>, JoinError>| {
        done.map_err(|error| Error::internal(&error))
            .and_then(std::convert::identity)
            .map_err(unreadable)
    };
    for record in live {
        let shared = Arc::clone(shared);
        let session = &record.session;
        let has_folder = folders.remove(&session.id);
        if has_folder || session_task::lives(&session.id, session.phase.process()).await {
            let is_gone = gone.contains(&record.session.id);
            let on_the_way = shared.on_the_way.clone();
            let adopted = session_task::adopt(shared, record);
            on_the_way.reached(&Waypoint::TakenOver);
            settling.extend(is_gone.then_some(adopted));
            continue;
        }
        if orphaned.len() == MAX_AT_ONCE
            && let Some(done) = orphaned.join_next().await
        {
            through(done)?;
        }
        orphaned.spawn(orphan(shared, record));
    }
    while let Some(done) = orphaned.join_next().await {
        through(done)?;
    }
    let of = Arc::clone(shared);
    // Before anybody is served: a launch that is asked for again under its key has the same id, and makes
    // the same folder.
    let left = blocking(move || of.spools.remove_empty(folders)).await;
    let left = left.map_err(unreadable)?;
    // What takes longer goes on beside what the engine is asked.
    let _ = timeout(SETTLING, all(settling)).await;
    session_task::dismiss(shared, left);
    Ok(())
}

/// Those of the sessions with a shim's folder that have ended, as far as that is seen at once: their
/// shim is dead, or their process is gone. The task of each soon ends.
async fn gone(
    shared: &Arc<Shared>,
    live: &[Record],
    folders: &HashSet<SessionId>,
) -> Result<HashSet<SessionId>, Error> {
    let held = live.iter().map(|record| &record.session);
    let held = held.filter(|session| folders.contains(&session.id));
    let held: Vec<_> = held
        .map(|session| (session.id.clone(), session.phase.process().cloned()))
        .collect();
    let of = Arc::clone(shared);
    let is_gone = move |(id, process): (SessionId, Option<ProcessFacts>)| {
        let has_ended = process.is_some_and(|process| !is_running(&process));
        let is_dead = || shim::is_dead(&of.spools.folder(&id)).unwrap_or(false);
        (has_ended || is_dead()).then_some(id)
    };
    blocking(move || held.into_iter().filter_map(is_gone).collect()).await
}

/// Waits until all tasks are through.
async fn all(tasks: Vec<JoinHandle<()>>) {
    for task in tasks {
        // One that panicked is through as well.
        let _ = task.await;
    }
}

/// The sessions that have a shim's folder.
async fn folders(shared: &Arc<Shared>) -> Result<HashSet<SessionId>, OpenError> {
    let of = Arc::clone(shared);
    let unlisted = |source| OpenError::Io {
        path: shared.spools.directory().to_owned(),
        source,
    };
    let sessions = blocking(move || of.spools.sessions()).await;
    let sessions = sessions.map_err(|error| unlisted(io::Error::other(error)))?;
    Ok(sessions.map_err(unlisted)?.into_iter().collect())
}

/// Of one that a shim held, that is dead, too, and so is its folder: somebody removed it. One of which somebody is
/// left is not told over yet.
async fn orphan(shared: Arc<Shared>, record: Record) -> Result<(), Error> {
    let process = record.session.phase.process();
    let reason = match reason(&record.session.phase) {
        OrphanReason::EngineDied if process.is_some_and(|process| process.shim_pid.is_some()) => {
            OrphanReason::ShimDied
        }
        other => other,
    };
    let left = match reason {
        OrphanReason::Reboot => Left::Nobody,
        _ => end_processes(&shared, &record.session.id, process).await,
    };
    if left == Left::Somebody {
        session_task::keep(shared, record, reason);
        return Ok(());
    }
    record_loss(&shared, &record, reason, left).await?;
    shared.on_the_way.reached(&Waypoint::LossRecorded);
    Ok(())
}

/// What is to be put on record of a session in this phase whose end nobody saw. One that was to be
/// killed, and of which nobody is left, was: it is not lost. `gone` says how its output ended, where
/// nobody is left for certain.
pub(crate) fn unseen(phase: &Phase, reason: OrphanReason, gone: Option<OutputEnd>) -> Vec<Command> {
    let Some(end) = gone else {
        return vec![Command::RecordLoss { reason }];
    };
    match phase {
        Phase::Dying {
            output: OutputState::Open,
            ..
        } => vec![Command::RecordOutputEnd { end }, Command::RecordDeath],
        Phase::Dying {
            output: OutputState::Closed { .. },
            ..
        } => vec![Command::RecordDeath],
        Phase::Created
        | Phase::Cancelled
        | Phase::Running { .. }
        | Phase::Ended { .. }
        | Phase::Orphaned { .. }
        | Phase::Elsewhere
        | Phase::Deleted => vec![Command::RecordLoss { reason }],
    }
}

/// Says on record that a session is lost, or was killed unseen, as soon as that can be.
///
/// # Errors
/// The log takes it neither now nor later.
pub(crate) async fn record_loss(
    shared: &Shared,
    record: &Record,
    reason: OrphanReason,
    left: Left,
) -> Result<(), Error> {
    let session = &record.session.id;
    tracing::warn!(%session, reason = reason.as_str(), "nobody saw how a session ended");
    let mut plan = Plan::of(&record.session);
    let gone = (left == Left::Nobody).then_some(OutputEnd::Cut);
    for command in unseen(&record.session.phase, reason, gone) {
        plan.add(command, shared.clock.now(), None)?;
    }
    let mut batch = plan.batch(Some(record.last_seq), Urgency::Control);
    match shared.store.append(batch.clone()).await {
        Err(AppendError::Suspended { reason }) => {
            tracing::warn!(%session, %reason, "the loss is put on record once that can be");
            batch.urgency = Urgency::Output;
            let store = shared.store.clone();
            tokio::spawn(async move { store.append(batch).await });
            Ok(())
        }
        // The other sessions are not to be kept from people for it.
        Err(AppendError::Damaged(damage)) => {
            tracing::error!(%session, %damage, "the loss cannot be put on record");
            Ok(())
        }
        appended => Ok(appended.map(drop)?),
    }
}

/// How a session was lost that was in this phase.
pub(crate) fn reason(phase: &Phase) -> OrphanReason {
    match phase {
        Phase::Running { process, .. } | Phase::Dying { process, .. } => {
            if boot_id().is_ok_and(|boot| boot == process.boot_id) {
                OrphanReason::EngineDied
            } else {
                OrphanReason::Reboot
            }
        }
        Phase::Created
        | Phase::Cancelled
        | Phase::Ended { .. }
        | Phase::Orphaned { .. }
        | Phase::Elsewhere
        | Phase::Deleted => OrphanReason::LaunchInterrupted,
    }
}

/// Ends what is left of a lost session: its process, if it outlived its terminal, all that came of
/// it, and its shim, which nobody will look for any more. Of one whose process is not known, whoever
/// carries its mark.
pub(crate) async fn end_processes(
    shared: &Shared,
    session: &SessionId,
    process: Option<&ProcessFacts>,
) -> Left {
    let killed = match process {
        Some(process) => kill(process, session, shared.grace).await,
        None => kill_marked(session, shared.grace).await,
    };
    let ended = session_task::kill_shim(process.cloned(), session.clone()).await;
    if let Err(error) = ended {
        tracing::error!(%session, %error, "the shim of a lost session cannot be ended");
    }
    let Ok(report) = session_task::proved(session, killed) else {
        return Left::Somebody;
    };
    let ended = report.ended.len() + report.forced.len();
    if ended > 0 {
        tracing::warn!(%session, ended, "what was left of a lost session was ended");
    }
    Left::Nobody
}
