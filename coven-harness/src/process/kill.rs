//! Killing a session: its process and everything that came of it.
//!
//! An agent dies of a signal at once, but its tools run in sessions of their own and are handed
//! to pid 1: neither the process group nor the terminal's session is enough. So the members are
//! looked for in `/proc` (`members`), each is held by a pidfd before the first signal, the look is
//! repeated until nobody new turns up, and death is proved by those pidfds and one more look.
//!
//! What it cannot catch: a process that cleared its environment *and* left the session's terminal
//! *and* whose parent has ended; and one of another user (`sudo`), which is told as a survivor.

mod members;

use std::collections::{HashMap, HashSet};
use std::io;
use std::os::fd::OwnedFd;
use std::thread;
use std::time::{Duration, Instant};

use coven_core::{ProcessFacts, SessionId};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Signal, pidfd_send_signal};

use members::{Identity, Look, Member, Searcher};

/// Members that start while others are being ended are looked for this often.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// The next look, when somebody could not be told yet, comes after this.
const DOUBT_INTERVAL: Duration = Duration::from_millis(10);

/// How many looks in a row may find somebody new before the first signal goes out all the same:
/// a member that forks without end must not keep itself alive by it.
const MAX_LOOKS_BEFORE_SIGNAL: usize = 8;

/// How long SIGKILL may take: a process in the midst of a system call ends after it.
const FORCE_LIMIT: Duration = Duration::from_secs(5);

/// A process of a killed session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signalled {
    /// Its process id, which may belong to another process by now.
    pub pid: u32,
    /// When it started, in clock ticks since boot.
    pub start_time: u64,
    /// Its name, as the kernel keeps it (15 bytes).
    pub name: String,
}

/// What a kill did. It is the proof of death, unless somebody survived.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KillReport {
    /// Who ended before SIGKILL.
    pub ended: Vec<Signalled>,
    /// Who ended after it.
    pub forced: Vec<Signalled>,
    /// Who is still there: of another user, or stuck in the kernel. Kill again, as that user.
    pub survivors: Vec<Signalled>,
}

/// Ends every process of `session`, whose first process is or was `leader`: SIGHUP and SIGTERM,
/// then, after `grace`, SIGKILL to who is left. Returns once nobody is, and at the latest some
/// five seconds after `grace`.
///
/// Members are `leader`, who stands in its terminal's session, who carries the session's id in
/// its environment, where a shim is the caller also the shim's children, and all descendants of
/// these. It works with `leader` long dead. A process is signalled only through a pidfd, and only
/// if its start time is the one it was recognised by.
///
/// Needs a tokio runtime, and takes one of its threads for blocking work. Dropping the future
/// does not stop the kill.
///
/// # Errors
/// Those of reading `/proc`: nobody can be found there, and nobody more was signalled.
pub async fn kill(
    leader: &ProcessFacts,
    session: &SessionId,
    grace: Duration,
) -> io::Result<KillReport> {
    let (leader, session) = (leader.clone(), session.clone());
    let killing = tokio::task::spawn_blocking(move || kill_blocking(&leader, &session, grace));
    killing.await.map_err(io::Error::other)?
}

/// [`kill`] for a caller without a runtime: blocks until it is done.
///
/// # Errors
/// As [`kill`].
pub fn kill_blocking(
    leader: &ProcessFacts,
    session: &SessionId,
    grace: Duration,
) -> io::Result<KillReport> {
    let searcher = Searcher::new(leader, session)?;
    let mut hunt = Hunt {
        searcher,
        alive: HashMap::new(),
        report: KillReport::default(),
    };
    for _ in 0..MAX_LOOKS_BEFORE_SIGNAL {
        if hunt.look()?.is_calm() {
            break;
        }
    }
    hunt.signal_all(&ASK);
    if !hunt.ends_by(Instant::now() + grace, Urgency::Asked)? {
        hunt.signal_all(&FORCE);
        hunt.ends_by(Instant::now() + FORCE_LIMIT, Urgency::Forced)?;
    }
    hunt.report.survivors = hunt.alive.into_values().map(|held| held.who).collect();
    Ok(hunt.report)
}

/// SIGCONT, because a stopped process does not hear the others.
const ASK: [Signal; 3] = [Signal::HUP, Signal::TERM, Signal::CONT];
const FORCE: [Signal; 1] = [Signal::KILL];

struct Hunt {
    searcher: Searcher,
    alive: HashMap<Identity, Held>,
    report: KillReport,
}

/// A member that cannot be mistaken for another process.
struct Held {
    pidfd: OwnedFd,
    who: Signalled,
}

#[derive(Clone, Copy)]
enum Urgency {
    Asked,
    Forced,
}

/// What a look brought.
struct Found {
    new: Vec<Identity>,
    unsure: bool,
}

impl Found {
    /// Nobody was found, and nobody is in doubt.
    fn is_calm(&self) -> bool {
        self.new.is_empty() && !self.unsure
    }
}

impl Hunt {
    /// Looks for members not held yet, and holds them.
    fn look(&mut self) -> io::Result<Found> {
        let held: HashSet<Identity> = self.alive.keys().copied().collect();
        let Look {
            new: members,
            unsure,
        } = self.searcher.look(&held)?;
        let mut new = Vec::new();
        for Member {
            identity,
            name,
            pidfd,
        } in members
        {
            let Identity { pid, start_time } = identity;
            let who = Signalled {
                pid,
                start_time,
                name,
            };
            self.alive.insert(identity, Held { pidfd, who });
            new.push(identity);
        }
        if unsure && new.is_empty() {
            thread::sleep(DOUBT_INTERVAL);
        }
        Ok(Found { new, unsure })
    }

    /// Waits until all members have ended and no other is found; false when time is up before.
    /// Who turns up meanwhile is signalled too.
    fn ends_by(&mut self, deadline: Instant, urgency: Urgency) -> io::Result<bool> {
        loop {
            self.wait(deadline.min(Instant::now() + LOOK_INTERVAL), urgency)?;
            let found = self.look()?;
            if self.alive.is_empty() && found.is_calm() {
                return Ok(true);
            }
            if Instant::now() >= deadline {
                return Ok(false);
            }
            match urgency {
                Urgency::Asked => {
                    found
                        .new
                        .iter()
                        .for_each(|member| self.alive[member].signal(&ASK));
                }
                // Again to all: a process may have become ours to signal since.
                Urgency::Forced => self.signal_all(&FORCE),
            }
        }
    }

    /// Waits until all held members have ended, or until `pause`. Those who have ended move into
    /// the report.
    fn wait(&mut self, pause: Instant, urgency: Urgency) -> io::Result<()> {
        while !self.alive.is_empty() {
            let left = pause.saturating_duration_since(Instant::now());
            let ended = self.poll(left)?;
            if ended.is_empty() && left.is_zero() {
                break;
            }
            let who = ended.iter().filter_map(|member| self.alive.remove(member));
            match urgency {
                Urgency::Asked => self.report.ended.extend(who.map(|held| held.who)),
                Urgency::Forced => self.report.forced.extend(who.map(|held| held.who)),
            }
        }
        Ok(())
    }

    /// Who has ended, waiting for the first of them at most as long as `timeout`: a pidfd becomes
    /// readable when its process has ended, reaped or not.
    fn poll(&self, timeout: Duration) -> io::Result<Vec<Identity>> {
        let (members, mut fds): (Vec<Identity>, Vec<PollFd<'_>>) = self
            .alive
            .iter()
            .map(|(member, held)| (*member, PollFd::new(&held.pidfd, PollFlags::IN)))
            .unzip();
        let timeout = Timespec::try_from(timeout).map_err(io::Error::other)?;
        match poll(&mut fds, Some(&timeout)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
        let ended = members
            .into_iter()
            .zip(&fds)
            .filter(|(_, fd)| !fd.revents().is_empty());
        Ok(ended.map(|(member, _)| member).collect())
    }

    fn signal_all(&self, signals: &[Signal]) {
        for held in self.alive.values() {
            held.signal(signals);
        }
    }
}

impl Held {
    /// Fails for who has ended, which shows anyway, and for another user's process, which then
    /// survives.
    fn signal(&self, signals: &[Signal]) {
        for signal in signals {
            let _ = pidfd_send_signal(&self.pidfd, *signal);
        }
    }
}
