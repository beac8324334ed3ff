//! Recovery: what was live when an engine ended is not any more, and is said to be lost.
//!
//! The terminal of such a session is gone with the engine that held it, and the kernel has hung
//! it up. What outlived that, be it only a tool in a session of its own, would run on unseen, so it
//! is ended before the session is told to be orphaned.

use std::sync::Arc;

use coven_core::{Command, OrphanReason, Phase, ProcessFacts, Record};
use coven_harness::process::{boot_id, kill};
use coven_store::{AppendError, ReadError, Urgency};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::commit::Plan;
use crate::shared::Shared;
use crate::{Error, OpenError};

/// Sessions whose processes are looked for at once: each look is one at all processes.
const MAX_HUNTS: usize = 4;

/// Orphans every session that is live on record. Returns when all are on record, or wait for a
/// disk that is full.
pub(crate) async fn recover(shared: &Arc<Shared>) -> Result<(), OpenError> {
    let unreadable = |error: Error| OpenError::Unreadable {
        message: error.to_string(),
    };
    let live = shared.read(|store| -> Result<_, ReadError> { store.live() });
    let hunts = Arc::new(Semaphore::new(MAX_HUNTS));
    let mut orphaned = JoinSet::new();
    for record in live.await.map_err(unreadable)? {
        let (shared, hunts) = (Arc::clone(shared), Arc::clone(&hunts));
        orphaned.spawn(async move {
            let turn = hunts.acquire().await;
            end_leftovers(&shared, &record).await;
            drop(turn);
            orphan(&shared, record).await
        });
    }
    while let Some(done) = orphaned.join_next().await {
        done.map_err(|error| Error::internal(&error))
            .and_then(std::convert::identity)
            .map_err(unreadable)?;
    }
    Ok(())
}

async fn orphan(shared: &Shared, record: Record) -> Result<(), Error> {
    let session = record.session.id.clone();
    let reason = reason(&record.session.phase);
    tracing::warn!(%session, reason = reason.as_str(), "a session was lost");
    let mut plan = Plan::of(&record.session);
    plan.add(Command::RecordLoss { reason }, shared.clock.now(), None)?;
    let mut batch = plan.batch(Some(record.last_seq), Urgency::Control);
    match shared.store.append(batch.clone()).await {
        Err(AppendError::Suspended { reason }) => {
            tracing::warn!(%session, %reason, "the loss is put on record once that can be");
            batch.urgency = Urgency::Output;
            let store = shared.store.clone();
            tokio::spawn(async move { store.append(batch).await });
            Ok(())
        }
        appended => Ok(appended.map(drop)?),
    }
}

/// How a session was lost that was in this phase.
fn reason(phase: &Phase) -> OrphanReason {
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

/// Ends all that is left of a session: its process, if it is provably that very one, and whoever
/// carries the session's id in its environment, whether or not that process still lives or is even
/// on record.
async fn end_leftovers(shared: &Shared, record: &Record) {
    let session = &record.session.id;
    let leader = match record.session.phase.process() {
        Some(process) => Ok(process.clone()),
        None => boot_id().map(nobody),
    };
    let report = match leader {
        Ok(leader) => kill(&leader, session, shared.grace).await,
        Err(error) => Err(error),
    };
    match report {
        Ok(report) if !report.survivors.is_empty() => {
            tracing::error!(%session, survivors = ?report.survivors,
                "processes of a lost session could not be ended");
        }
        Ok(report) => {
            let ended = report.ended.len() + report.forced.len();
            if ended > 0 {
                tracing::warn!(%session, ended, "processes that had lost their session were ended");
            }
        }
        Err(error) => {
            tracing::error!(%session, %error, "processes of a lost session may still run");
        }
    }
}

/// Stands for a process that is not on record. The kernel gives this pid to none, so only who
/// carries the session's id is found.
fn nobody(boot_id: &str) -> ProcessFacts {
    ProcessFacts {
        pid: u32::MAX,
        start_time: 0,
        boot_id: boot_id.to_owned(),
        shim_pid: None,
    }
}
