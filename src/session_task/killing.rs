//! Signals: to all that belongs to a session, as often as it takes, and what comes of them.
//!
//! Death is proved when nobody is left, and not before: a kill that leaves somebody, or cannot
//! tell, is made again. That waits for the end of who is left; where that cannot be waited for, for
//! a while that grows. Whoever asks meanwhile has it made at once.

mod aim;
mod shim;

use std::io;
use std::time::Duration;

use coven_core::{OrphanReason, SessionId};
use coven_harness::process::{KillError, KillReport, Signalled, until_ended};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::identity::Look;
use super::leaving::Leaving;
use super::live::{Goes, Live, Slot};
use crate::on_the_way::Waypoint;
use crate::recover;

use aim::Aim;
pub(crate) use shim::kill_shim;

/// How long a kill waits for the harness's own id to be looked for: what a busy machine takes for
/// it, and no more than whoever kills will not notice.
const LAST_LOOK: Duration = Duration::from_millis(200);

/// How long the end of an abandoned session's processes is waited for.
const FORCE: Duration = Duration::from_secs(1);

/// The wait between the first two kills of a session of which it cannot be told who is left; it
/// doubles with each.
pub(super) const FIRST_PAUSE: Duration = Duration::from_secs(2);

/// The longest such wait.
pub(super) const MAX_PAUSE: Duration = Duration::from_secs(30);

/// How long a shim may take to tell of the end of a process that is dead for certain, where it cannot
/// be reached.
pub(super) const UNHEARD: Duration = Duration::from_secs(5);

/// How long a shim that is there may take to tell of the end of a process that is dead for certain, before
/// who kills is told that it does not.
const SILENCE: Duration = Duration::from_secs(30);

/// Survivors that are told one by one.
const MAX_NAMED: usize = 8;

/// What came of one kill.
pub(super) type Report = Result<KillReport, KillError>;

/// What became of a kill.
pub(super) struct Killed {
    /// What was learned before the first signal.
    look: Look,
    pub(super) report: Report,
}

/// What is under way to end a session's processes.
#[derive(Default)]
pub(super) struct Killing {
    pub(super) under_way: Slot<Killed>,
    /// Until another kill is worth it, after one that failed.
    pub(super) pause: Slot<()>,
    /// Until the end of the process, which is sure, should have been heard of its shim; and until that is ended.
    pub(super) unheard: Slot<Unheard>,
    /// Since when all but the shim is dead for certain, where the end was not heard of it since.
    unheard_since: Option<Duration>,
    failed: Option<Failed>,
}

/// The end of the process was not heard of its shim.
pub(super) enum Unheard {
    /// It should have been by now.
    Yet,
    /// The shim, which is of no more use, was to be ended: true if there was one.
    Ended(io::Result<bool>),
}

/// Kills have failed so far.
struct Failed {
    survivors: Vec<Signalled>,
    next_pause: Duration,
}

impl Killing {
    /// The last kill is through, and processes may still be there.
    pub(super) const fn has_failed(&self) -> bool {
        self.failed.is_some()
    }

    /// Whether nobody but the shim has been left for so long that it will hardly tell of the end.
    pub(super) fn is_silent(&self, now: Duration) -> bool {
        self.unheard_since
            .is_some_and(|since| now.saturating_sub(since) >= SILENCE)
    }

    /// Whether signals are on their way, and what came of them is not known yet.
    pub(super) const fn is_under_way(&self) -> bool {
        self.under_way.is_some()
    }

    fn survivors(&self) -> Vec<Signalled> {
        let failed = self.failed.as_ref();
        failed.map_or_else(Vec::new, |failed| failed.survivors.clone())
    }
}

impl Live {
    /// Signals the process and all that belongs to the session. It does not wait for the disk.
    pub(super) fn terminate(&mut self) {
        let (aim, grace) = (self.aim(), self.shared.grace);
        let last_look = timeout(LAST_LOOK, self.last_look());
        let on_the_way = self.shared.on_the_way.clone();
        self.begin_kill(async move {
            let look = last_look.await.ok().flatten();
            on_the_way.reached(&Waypoint::Signalling);
            let report = aim.end(grace).await;
            Killed { look, report }
        });
    }

    /// Goes on with a kill that began before the process was driven from here.
    pub(super) fn take_over(&mut self, kill: JoinHandle<Report>) {
        self.begin_kill(async move {
            let panicked = |error| Err(KillError::new(io::Error::other(error)));
            let report = kill.await.unwrap_or_else(panicked);
            Killed { look: None, report }
        });
    }

    /// Signals who is left after kills that failed. They had their grace.
    pub(super) fn terminate_again(&mut self) {
        let aim = self.aim();
        self.begin_kill(async move {
            let report = aim.end(Duration::ZERO).await;
            Killed { look: None, report }
        });
    }

    /// Signals all that is left once more, and gives it no time to leave by itself.
    pub(super) fn force(&mut self) {
        let aim = self.aim();
        self.begin_kill(async move {
            let late = |late| Err(KillError::new(io::Error::other(late)));
            let report = timeout(FORCE, aim.end(Duration::ZERO))
                .await
                .unwrap_or_else(late);
            Killed { look: None, report }
        });
    }

    fn aim(&self) -> Aim {
        let session = self.record.session.id.clone();
        let folder = self.shared.spools.folder(&session);
        Aim {
            first: self.process.facts().clone(),
            survivors: self.killing.survivors(),
            shims_folder: self.process.may_have_a_shim().then_some(folder),
            session,
        }
    }

    fn begin_kill(&mut self, kill: impl Future<Output = Killed> + Send + 'static) {
        self.end.kill_began();
        self.process.hold_output(true);
        self.killing.pause = None;
        self.killing.under_way = Some(Box::pin(kill));
    }

    pub(super) fn killed(&mut self, Killed { look, report }: Killed) -> Goes {
        self.killing.under_way = None;
        self.identified(look);
        let failure = match proved(&self.record.session.id, report) {
            Ok(_) => {
                self.shared.on_the_way.reached(&Waypoint::KillDone);
                let now = self.shared.clock.elapsed();
                self.killing.failed = None;
                self.end.kill_done(now);
                self.process.hold_output(false);
                self.wait_for_the_end();
                if self.killing.is_silent(now) {
                    // Its shim may have gone on with the kill: who asks is told once that was waited for.
                    return Goes::On;
                }
                None
            }
            Err(Unproved {
                survivors,
                are_all_known,
                message,
            }) => {
                self.kill_failed(survivors, are_all_known);
                Some(message)
            }
        };
        self.kill_is_through(failure.as_deref());
        Goes::On
    }

    fn wait_for_the_end(&mut self) {
        let is_waited_for = self.process.lives_on() && self.end.has_process();
        let now = self.shared.clock.elapsed();
        let since = self.killing.unheard_since.unwrap_or(now);
        self.killing.unheard_since = is_waited_for.then_some(since);
        if is_waited_for && self.killing.unheard.is_some() {
            // Who asks again and again does not put off what comes of it.
            return;
        }
        self.killing.unheard = is_waited_for.then(|| {
            let clock = self.shared.clock.clone();
            Box::pin(async move {
                clock.sleep_until(clock.elapsed() + UNHEARD).await;
                Unheard::Yet
            }) as _
        });
    }

    /// Nobody of the session is left but its shim, which has not told of the end. One that is there
    /// may take as long as it needs, as on a full disk; who kills is told after a while. One that cannot
    /// be reached, or makes no sense, is of no more use: it is ended, and where it was ended already,
    /// nothing more is heard of it.
    pub(super) fn unheard(&mut self, unheard: Unheard) -> Goes {
        self.killing.unheard = None;
        if !self.end.has_process() || self.killing.is_under_way() {
            return Goes::On;
        }
        let session = &self.record.session.id;
        match unheard {
            Unheard::Yet if self.process.is_out_of_sight() => {
                self.end_its_shim();
                return Goes::On;
            }
            Unheard::Ended(Ok(false)) if self.process.is_out_of_sight() => {
                self.lost_sight(OrphanReason::ShimDied);
                return Goes::On;
            }
            Unheard::Yet | Unheard::Ended(Ok(false)) => {}
            Unheard::Ended(Ok(true)) => {
                tracing::error!(%session, "a shim that tells nothing was ended");
            }
            Unheard::Ended(Err(error)) => {
                tracing::error!(%session, %error, "a shim cannot be ended");
            }
        }
        self.wait_for_the_end();
        if self.killing.is_silent(self.shared.clock.elapsed()) {
            self.tell_silence();
        }
        Goes::On
    }

    /// Whoever else is asked meanwhile does not wait for it.
    fn end_its_shim(&mut self) {
        let (facts, session) = (self.process.facts().clone(), self.record.session.id.clone());
        self.killing.unheard = Some(Box::pin(async move {
            Unheard::Ended(kill_shim(Some(facts), session).await)
        }));
    }

    /// Tells who kills that all is dead but the shim, and nobody leaves only once it has told.
    fn tell_silence(&mut self) {
        if self.leaving == Leaving::OnceKilled {
            self.leave();
        }
        let (named, advice) = match self.process.facts().shim_pid {
            None => (String::new(), String::new()),
            Some(pid) => (
                format!(" (process {pid})"),
                format!(
                    "; `kill -KILL {pid}` ends the shim, and the session is then over by what it has \
                     written down"
                ),
            ),
        };
        let message = format!(
            "all its processes are dead, and its shim{named}, which lives, has not told how it ended for \
             over {} s: that is on record once it does{advice}",
            SILENCE.as_secs()
        );
        self.kill_is_through(Some(&message));
    }

    /// Prepares for another kill.
    fn kill_failed(&mut self, survivors: Vec<Signalled>, are_all_known: bool) {
        if self.leaving == Leaving::OnceKilled && self.process.lives_on() {
            self.leave();
        }
        let earlier = self.killing.failed.take();
        let pause = earlier.map_or(FIRST_PAUSE, |failed| failed.next_pause);
        self.killing.failed = Some(Failed {
            survivors: survivors.clone(),
            next_pause: (pause * 2).min(MAX_PAUSE),
        });
        let clock = self.shared.clock.clone();
        self.killing.pause = Some(Box::pin(async move {
            if !are_all_known || until_ended(&survivors).await.is_err() {
                clock.sleep_until(clock.elapsed() + pause).await;
            }
        }));
    }

    /// What is not recorded must not run on unseen: it is ended, and the session lost, on record
    /// too where the log takes that.
    ///
    /// One that a shim holds goes on: what it writes is kept, and the next engine may record it. It hears kills.
    pub(super) async fn give_up(mut self) {
        if self.process.lives_on() {
            self.views.clear();
            // The next engine may have the home soon.
            self.bookmarks.settle().await;
            match self.observations.refused.take() {
                Some(why) => self.go_on_unrecorded(&why).await,
                // What was asked may be on record, and is answered so.
                None => self.settle_control().await,
            }
            return;
        }
        let left = {
            let (shared, session) = (&self.shared, &self.record.session.id);
            recover::end_processes(shared, session, Some(self.process.facts())).await
        };
        // It may yet be carried out: nobody may be left to ask for it once more.
        self.settle_control().await;
        let (shared, session) = (&self.shared, &self.record.session.id);
        let lost = async {
            let record = shared.record(session).await?;
            if record.session.phase.has_ended() {
                return Ok(());
            }
            recover::record_loss(shared, &record, OrphanReason::EngineDied, left).await
        };
        if let Err(error) = lost.await {
            tracing::error!(%session, %error, "its loss is found at the next start");
        }
    }
}

/// Why a kill is no proof of death.
pub(crate) struct Unproved {
    survivors: Vec<Signalled>,
    /// Nobody but the survivors is left.
    are_all_known: bool,
    /// For people.
    pub(super) message: String,
}

/// What a kill did, if it proves that nobody of a session is left; tells it in the log of this program.
pub(crate) fn proved(session: &SessionId, report: Report) -> Result<KillReport, Unproved> {
    match report {
        Ok(report) if report.survivors.is_empty() => {
            tracing::debug!(%session, ended = report.ended.len(), forced = report.forced.len(),
                "killed");
            Ok(report)
        }
        Ok(KillReport { survivors, .. }) => {
            tracing::warn!(%session, ?survivors,
                "processes of a killed session are still there");
            Err(Unproved {
                message: still_there(&survivors),
                are_all_known: true,
                survivors,
            })
        }
        Err(KillError { source, survivors }) => {
            tracing::error!(%session, error = %source, ?survivors,
                "whether a killed session is dead cannot be told");
            Err(Unproved {
                message: source.to_string(),
                are_all_known: false,
                survivors,
            })
        }
    }
}

fn still_there(survivors: &[Signalled]) -> String {
    let named = survivors.iter().take(MAX_NAMED);
    let mut named: Vec<String> = named
        .map(|who| format!("{} (process {})", who.name.escape_debug(), who.pid))
        .collect();
    if let Some(more) = survivors.len().checked_sub(MAX_NAMED + 1) {
        named.push(format!("and {} more", more + 1));
    }
    let named = named.join(", ");
    format!("still there: {named}; end them as the user whose they are, or ask again")
}
