//! Signals: to all that belongs to a session, as often as it takes, and what comes of them.

use std::io;
use std::time::Duration;

use coven_core::OrphanReason;
use coven_harness::process::{KillReport, kill};
use tokio::time::timeout;

use super::identity::Look;
use super::live::{Goes, Live};
use crate::recover;

/// How long a kill waits for the harness's own id to be looked for: what a busy machine takes for
/// it, and no more than whoever kills will not notice.
const LAST_LOOK: Duration = Duration::from_millis(200);

/// How long the end of an abandoned session's processes is waited for.
const FORCE: Duration = Duration::from_secs(1);

/// What became of a kill.
pub(super) struct Killed {
    /// What was learned before the first signal.
    look: Look,
    report: io::Result<KillReport>,
}

impl Live {
    /// Signals the process and all that belongs to the session. It does not wait for the disk.
    pub(super) fn terminate(&mut self) {
        self.end.kill_began();
        let (facts, grace) = (self.facts.clone(), self.shared.grace);
        let session = self.record.session.id.clone();
        let last_look = timeout(LAST_LOOK, self.last_look());
        self.killing = Some(Box::pin(async move {
            let look = last_look.await.ok().flatten();
            let report = kill(&facts, &session, grace).await;
            Killed { look, report }
        }));
    }

    /// Signals all that is left once more, and gives it no time to leave by itself.
    pub(super) fn force(&mut self) {
        self.end.kill_began();
        let facts = self.facts.clone();
        let session = self.record.session.id.clone();
        self.killing = Some(Box::pin(async move {
            let killed = timeout(FORCE, kill(&facts, &session, Duration::ZERO)).await;
            let report = killed.unwrap_or_else(|late| Err(io::Error::other(late)));
            Killed { look: None, report }
        }));
    }

    /// Whether signals are on their way, and what came of them is not known yet.
    pub(super) const fn is_being_killed(&self) -> bool {
        self.killing.is_some()
    }

    pub(super) fn killed(&mut self, Killed { look, report }: Killed) -> Goes {
        self.killing = None;
        self.identified(look);
        self.end.kill_done(self.shared.clock.elapsed());
        let session = &self.record.session.id;
        let failure = match report {
            Ok(report) if report.survivors.is_empty() => {
                tracing::debug!(%session, ended = report.ended.len(), forced = report.forced.len(),
                    "killed");
                None
            }
            Ok(report) => {
                tracing::warn!(%session, survivors = ?report.survivors,
                    "processes of a killed session are still there");
                Some(format!(
                    "{} of its processes are still there",
                    report.survivors.len()
                ))
            }
            Err(error) => {
                tracing::error!(%session, %error, "the session could not be killed");
                Some(error.to_string())
            }
        };
        self.kill_is_through(failure);
        Goes::On
    }

    /// What is not recorded must not run on unseen: it is ended, and the session lost, on record
    /// too where the log takes that.
    pub(super) async fn give_up(self) {
        let (shared, session) = (&self.shared, &self.record.session.id);
        recover::end_processes(shared, session, Some(&self.facts)).await;
        let lost = async {
            let record = shared.record(session).await?;
            if record.session.phase.has_ended() {
                return Ok(());
            }
            recover::record_loss(shared, &record, OrphanReason::EngineDied).await
        };
        if let Err(error) = lost.await {
            tracing::error!(%session, %error, "its loss is found at the next start");
        }
    }
}
