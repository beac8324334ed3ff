//! Killing a session: its process and everything that came of it.
//!
//! An agent dies of a signal at once, but its tools run in sessions of their own and are handed
//! to pid 1: neither the process group nor the terminal's session is enough. So the members are
//! looked for among all processes (`search`), each is held before the first signal so that no
//! other can take its place, the look is repeated until nobody new turns up, and death is proved
//! by those holds and one more look.
//!
//! What it cannot catch: a process that cleared its environment *and* left the session's terminal
//! *and* whose parent has ended; one of another user (`sudo`), which is told as a survivor; and
//! one that forks on and on faster than it can be looked for.

mod members;
mod report;
mod search;
mod shim;
mod survivors;
mod table;

use std::collections::HashMap;
use std::io;
use std::thread;
use std::time::{Duration, Instant};

use coven_core::{ProcessFacts, SessionId};
use rustix::process::Signal;
use tokio::sync::oneshot;

use crate::platform::{Handle, until_one_ended};
use members::Identity;
use search::{Look, Program, Searcher};

pub use report::{KillError, KillReport, Signalled};
pub(crate) use shim::is_shim_of;
pub use shim::{in_this_boot, is_shim_running, kill_shim, shims};
pub use survivors::until_ended;

/// Members that start while others are being ended are looked for this often.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// The next look, when somebody could not be told yet, comes after this.
const DOUBT_INTERVAL: Duration = Duration::from_millis(10);

/// How many looks in a row may find somebody new before the first signal goes out all the same, and
/// for how long: a member that forks without end must not keep itself alive by it.
const MAX_LOOKS_BEFORE_SIGNAL: usize = 8;
const MAX_TIME_BEFORE_SIGNAL: Duration = Duration::from_millis(500);

/// How long SIGKILL may take: a process in the midst of a system call ends after it.
const FORCE_LIMIT: Duration = Duration::from_secs(5);

/// The longest grace there is: a day. A longer one is taken for it.
pub const MAX_GRACE: Duration = Duration::from_secs(24 * 60 * 60);

/// Ends every process of `session`, whose first process is or was `leader`: SIGHUP and SIGTERM,
/// then, after `grace` (at most [`MAX_GRACE`]), SIGKILL to who is left. Returns once nobody is, and at the latest some
/// five seconds after `grace`.
///
/// Members are `leader`, who stands in its terminal's session, who carries the session's id in
/// its environment, whose parent is the session's shim, if there is one, unless they say there that
/// they belong elsewhere, and all descendants of these. The shim is none; it is only had go on, should it
/// be stopped. It works with `leader` long dead, and where it is told to be of another boot while its shim lives
/// ([`in_this_boot`]). A process is signalled only through a pidfd, and only
/// if its start time is the one it was recognised by.
///
/// It takes a thread of its own while it lasts; where there is none to be had (an agent may have
/// taken them all) it blocks the caller's. Dropping the future does not stop the kill.
///
/// # Errors
/// Those of reading `/proc` and of taking hold of processes, such as a shortage of file descriptors,
/// that lasted to the end; `TimedOut` when it could not be told in time whether anybody is left. Who
/// was found until then has been signalled, SIGKILL included.
pub async fn kill(
    leader: &ProcessFacts,
    session: &SessionId,
    grace: Duration,
) -> Result<KillReport, KillError> {
    kill_again(leader, session, &[], grace).await
}

/// [`kill`] of a session of which earlier kills left `survivors`. These are members, too, and so is
/// who comes of them: with their parents dead, nothing else may show it.
///
/// # Errors
/// As [`kill`].
pub async fn kill_again(
    leader: &ProcessFacts,
    session: &SessionId,
    survivors: &[Signalled],
    grace: Duration,
) -> Result<KillReport, KillError> {
    let (leader, session) = (leader.clone(), session.clone());
    let known = survivors.to_owned();
    let job = move || end_all(&leader, &session, &known, grace);
    apart(job, survivors).await
}

/// [`kill`] of a session whose first process, if it ever had one, is not known: its members are who
/// carries its id, whose parent is its shim, if one is found, and all descendants of these.
///
/// # Errors
/// As [`kill`].
pub async fn kill_marked(session: &SessionId, grace: Duration) -> Result<KillReport, KillError> {
    let session = session.clone();
    let job = move || {
        let nobody = shim::leader_of(&session).map_err(KillError::new)?;
        end_all(&nobody, &session, &[], grace)
    };
    apart(job, &[]).await
}

/// Does this on a thread of its own, or on this one where there is none to be had.
async fn apart(
    job: impl Fn() -> Result<KillReport, KillError> + Clone + Send + 'static,
    survivors: &[Signalled],
) -> Result<KillReport, KillError> {
    let (reply, report) = oneshot::channel();
    let killer = {
        let job = job.clone();
        thread::Builder::new()
            .name("coven-kill".to_owned())
            // Whoever asked may have left.
            .spawn(move || drop(reply.send(job())))
    };
    match killer {
        Ok(_) => report.await.unwrap_or_else(|panicked| {
            Err(KillError {
                source: io::Error::other(panicked),
                survivors: survivors.to_owned(),
            })
        }),
        Err(error) => {
            tracing::warn!(%error, "no thread for a kill, so it holds up others");
            job()
        }
    }
}

/// [`kill`] for a caller without a runtime: blocks until it is done.
///
/// # Errors
/// As [`kill`].
pub fn kill_blocking(
    leader: &ProcessFacts,
    session: &SessionId,
    grace: Duration,
) -> Result<KillReport, KillError> {
    end_all(leader, session, &[], grace)
}

fn end_all(
    leader: &ProcessFacts,
    session: &SessionId,
    survivors: &[Signalled],
    grace: Duration,
) -> Result<KillReport, KillError> {
    let failed = |source, mut held: Vec<Signalled>| {
        let others = survivors.iter().filter(|known| !held.contains(known));
        held.extend(others.cloned().collect::<Vec<_>>());
        let survivors = held;
        KillError { source, survivors }
    };
    let searcher = Searcher::new(leader, session, survivors);
    let mut hunt = Hunt::new(searcher.map_err(|error| failed(error, Vec::new()))?);
    match hunt.end(grace.min(MAX_GRACE)) {
        Ok(()) => {
            let survivors = hunt.held();
            Ok(KillReport {
                survivors,
                ..hunt.report
            })
        }
        Err(error) => Err(failed(error, hunt.held())),
    }
}

/// SIGCONT, because a stopped process does not hear the others.
const ASK: [Signal; 3] = [Signal::HUP, Signal::TERM, Signal::CONT];
const FORCE: [Signal; 1] = [Signal::KILL];

/// Nothing tells of the end of another process's exec but another look at it, and a look at once
/// would take the processor from it.
fn wait_out_an_exec() {
    thread::sleep(DOUBT_INTERVAL);
}

struct Hunt {
    searcher: Searcher,
    /// Members that cannot be mistaken for other processes.
    alive: HashMap<Identity, Handle>,
    /// What the members in `alive` run.
    programs: HashMap<Identity, Program>,
    /// Why the last look did not see everybody, or could not hold who it saw.
    blind: Option<io::Error>,
    report: KillReport,
}

#[derive(Clone, Copy)]
enum Urgency {
    Asked,
    Forced,
}

/// What a look brought.
#[derive(Default)]
struct Found {
    new: Vec<Identity>,
    changed: Vec<Identity>,
    unsure: bool,
}

impl Found {
    /// Nobody was found, and nobody is in doubt.
    fn is_calm(&self) -> bool {
        self.new.is_empty() && !self.unsure
    }
}

impl Hunt {
    fn new(searcher: Searcher) -> Self {
        Self {
            searcher,
            alive: HashMap::new(),
            programs: HashMap::new(),
            blind: None,
            report: KillReport::default(),
        }
    }

    /// Ends all members, but for those who are in `alive` then.
    fn end(&mut self, grace: Duration) -> io::Result<()> {
        let begun_at = Instant::now();
        for _ in 0..MAX_LOOKS_BEFORE_SIGNAL {
            if self.look().is_calm() || begun_at.elapsed() > MAX_TIME_BEFORE_SIGNAL {
                break;
            }
        }
        self.signal_all(&ASK);
        self.wake_shim();
        if self.ends_by(Instant::now() + grace, Urgency::Asked)? {
            return Ok(());
        }
        self.signal_all(&FORCE);
        let is_over = self.ends_by(Instant::now() + FORCE_LIMIT, Urgency::Forced)?;
        // Nobody held and nobody seen are proofs of death only together.
        if let Some(error) = self.blind.take() {
            return Err(error);
        }
        if !is_over && self.alive.is_empty() {
            let doubt = "whether anybody of the session is left could not be told in time";
            return Err(io::Error::new(io::ErrorKind::TimedOut, doubt));
        }
        Ok(())
    }

    /// Looks for members not held yet, and holds them. A look that fails leaves everything in
    /// doubt: those that are held are to be signalled all the same.
    fn look(&mut self) -> Found {
        let mut found = Found::default();
        match self.searcher.look(&self.programs) {
            Ok(mut look) => {
                self.blind = look.refused.take();
                found = self.hold(look);
            }
            Err(error) => {
                self.blind = Some(error);
                found.unsure = true;
            }
        }
        if found.unsure && found.new.is_empty() {
            wait_out_an_exec();
        }
        found
    }

    fn hold(&mut self, look: Look) -> Found {
        let mut found = Found {
            unsure: look.unsure,
            ..Found::default()
        };
        for member in look.new {
            self.alive.insert(member.identity, member.handle);
            self.programs.insert(member.identity, member.program);
            found.new.push(member.identity);
        }
        for (member, program) in look.changed {
            self.programs.insert(member, program);
            found.changed.push(member);
        }
        found
    }

    /// Waits until all members have ended and no other is found; false when time is up before.
    /// Who turns up meanwhile is signalled too.
    fn ends_by(&mut self, deadline: Instant, urgency: Urgency) -> io::Result<bool> {
        loop {
            self.wait(deadline.min(Instant::now() + LOOK_INTERVAL), urgency)?;
            let found = self.look();
            if self.alive.is_empty() && found.is_calm() {
                return Ok(true);
            }
            if Instant::now() >= deadline {
                return Ok(false);
            }
            match urgency {
                // Of who runs another program since, the one before may have taken the signals
                // between its fork and its exec, by a handler that is gone. Others are asked
                // once: many programs take a second signal for impatience.
                Urgency::Asked => {
                    for member in found.new.iter().chain(&found.changed) {
                        self.signal(member, &ASK);
                    }
                }
                // Again to all: a process may have become ours to signal since.
                Urgency::Forced => {
                    self.signal_all(&FORCE);
                    self.chase();
                }
            }
        }
    }

    /// Ends those that go from process to process faster than a look takes.
    fn chase(&mut self) {
        let until = Instant::now() + LOOK_INTERVAL;
        while Instant::now() < until {
            // What goes wrong here shows in the look that follows.
            let Ok(look) = self.searcher.glance(&self.programs) else {
                return;
            };
            let found = self.hold(look);
            if found.is_calm() {
                return;
            }
            for member in &found.new {
                self.signal(member, &FORCE);
            }
        }
    }

    /// Waits until all held members have ended, or until `pause`. Those who have ended move into
    /// the report.
    fn wait(&mut self, pause: Instant, urgency: Urgency) -> io::Result<()> {
        while !self.alive.is_empty() {
            let left = pause.saturating_duration_since(Instant::now());
            let ended = until_one_ended(self.alive.values(), left)?;
            let ended: Vec<Identity> = self
                .alive
                .keys()
                .zip(ended)
                .filter_map(|(member, ended)| ended.then_some(*member))
                .collect();
            if ended.is_empty() && left.is_zero() {
                break;
            }
            for member in ended {
                let who = self.who(&member);
                self.alive.remove(&member);
                self.programs.remove(&member);
                match urgency {
                    Urgency::Asked => self.report.ended.push(who),
                    Urgency::Forced => self.report.forced.push(who),
                }
            }
        }
        Ok(())
    }

    /// One that is stopped tells nobody how the session ended.
    fn wake_shim(&self) {
        if let Some(shim) = self.searcher.shim() {
            // It has ended meanwhile, and so is known to have.
            let _ = shim.signal(Signal::CONT);
        }
    }

    fn signal_all(&self, signals: &[Signal]) {
        for member in self.alive.keys() {
            self.signal(member, signals);
        }
    }

    /// Fails for who has ended, which shows anyway, and for another user's process, which then
    /// survives.
    fn signal(&self, member: &Identity, signals: &[Signal]) {
        for signal in signals {
            let _ = self.alive[member].signal(*signal);
        }
    }

    fn held(&self) -> Vec<Signalled> {
        self.alive.keys().map(|member| self.who(member)).collect()
    }

    fn who(&self, member: &Identity) -> Signalled {
        Signalled {
            pid: member.pid,
            start_time: member.start_time,
            name: self.programs[member].name.clone(),
        }
    }
}
