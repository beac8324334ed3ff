//! Keeping to the budgets for as long as the engine is there.

use std::sync::{Arc, Weak};
use std::time::Duration;

use super::{Pruning, Retention, prune};
use crate::shared::Shared;

/// How long after its start an engine looks first: a restart has other things to do.
const FIRST: Duration = Duration::from_secs(60);

/// The time from one look to the next. Between them, output may be over its budget.
const EVERY: Duration = Duration::from_secs(15 * 60);

/// Prunes now and then, until the engine is gone. Without a budget there is no such task.
pub(crate) fn regularly(shared: &Arc<Shared>, retention: Retention) {
    if !retention.keeps_all() {
        tokio::spawn(run(Arc::downgrade(shared), retention));
    }
}

async fn run(engine: Weak<Shared>, retention: Retention) {
    let mut wait = FIRST;
    loop {
        let Some(clock) = engine.upgrade().map(|shared| Arc::clone(&shared.clock)) else {
            return;
        };
        clock.sleep_until(clock.elapsed() + wait).await;
        wait = EVERY;
        let Some(shared) = engine.upgrade() else {
            return;
        };
        if shared.is_shutting_down() {
            return;
        }
        match prune(&shared, retention, Pruning::Real, None).await {
            Ok(pruned) => {
                let bytes: u64 = pruned.sessions.iter().map(|it| it.len_bytes).sum();
                if bytes > 0 {
                    let sessions = pruned.sessions.len();
                    tracing::info!(sessions, bytes, "the oldest output was trimmed");
                }
            }
            Err(error) => tracing::warn!(%error, "output over its budget was not trimmed"),
        }
    }
}
