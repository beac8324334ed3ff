//! Recovery: what was live when an engine ended is not any more, and is said to be lost.
//!
//! The terminal of such a session is gone with the engine that held it, and the kernel has hung
//! it up. A process that outlived that would run on unseen, so it is ended before the session is
//! told to be orphaned.

use std::sync::Arc;

use coven_core::{Command, OrphanReason, Phase, ProcessFacts, Record, SessionId};
use coven_harness::process::{boot_id, is_running, kill};
use coven_store::{AppendError, ReadError, Urgency};
use tokio::task::JoinSet;

use crate::commit::Plan;
use crate::shared::{Shared, blocking};
use crate::{Error, OpenError};

/// Orphans every session that is live on record. Returns when all are on record, or wait for a
/// disk that is full.
pub(crate) async fn recover(shared: &Arc<Shared>) -> Result<(), OpenError> {
    let unreadable = |error: Error| OpenError::Unreadable {
        message: error.to_string(),
    };
    let live = shared.read(|store| -> Result<_, ReadError> { store.live() });
    let mut orphaned = JoinSet::new();
    for record in live.await.map_err(unreadable)? {
        let shared = Arc::clone(shared);
        orphaned.spawn(async move { orphan(&shared, record).await });
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
    if let (OrphanReason::EngineDied, Some(process)) = (reason, record.session.phase.process()) {
        end_leftover(shared, &session, process).await?;
    }
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

/// Ends a process that outlived its terminal, if it is provably that very one.
async fn end_leftover(
    shared: &Shared,
    session: &SessionId,
    process: &ProcessFacts,
) -> Result<(), Error> {
    let facts = process.clone();
    if !blocking(move || is_running(&facts)).await? {
        return Ok(());
    }
    match kill(process, session, shared.grace).await {
        Ok(report) if report.survivors.is_empty() => {
            tracing::warn!(%session, pid = process.pid, "a process that had lost its terminal was ended");
        }
        Ok(report) => {
            tracing::error!(%session, survivors = ?report.survivors,
                "processes of a lost session could not be ended");
        }
        Err(error) => {
            tracing::error!(%session, pid = process.pid, %error,
                "the process of a lost session could not be ended");
        }
    }
    Ok(())
}
