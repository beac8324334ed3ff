//! Stopping a home's daemon: it is asked where it answers, signalled where it does not, and waited for until
//! its process is gone.

use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use coven::Code;
use coven_http::HomeWatch;
use coven_http::client::{Client, Error};
use coven_http::wire::{Daemon, SessionsAtStop};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use tokio::time::timeout;

use super::unserved::Unserved;
use crate::connect;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::home::Home;
use crate::output;

/// How long the end of a daemon is waited for that did not hear the question, before it is asked again.
const AGAIN: Duration = Duration::from_secs(1);

/// Until when it is waited for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadline {
    limit: Duration,
    /// None, where that is beyond what a clock can tell.
    at: Option<Instant>,
}

impl Deadline {
    /// `limit` from now.
    pub(super) fn after(limit: Duration) -> Self {
        let at = Instant::now().checked_add(limit);
        Self { limit, at }
    }

    pub(super) fn left(&self) -> Duration {
        self.at.map_or(Duration::MAX, |at| {
            at.saturating_duration_since(Instant::now())
        })
    }

    pub(super) fn is_over(&self) -> bool {
        self.left().is_zero()
    }
}

/// When a daemon stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stopped {
    /// None ran.
    Before,
    /// As asked.
    Now,
}

/// Stops the daemon that has the home, and waits until its process is gone; puts away what one that died
/// left. Who else has the home is waited for: a daemon that begins is stopped, too. Another that is
/// started once that one has ended is not.
///
/// # Errors
/// When it does not end in time, or who has the home does not let go of it; when whoever answers is no
/// daemon.
pub(super) async fn stop(
    deadline: &Deadline,
    sessions: SessionsAtStop,
    home: &Home,
) -> Result<Stopped, Failure> {
    loop {
        // Both from before it is asked: no change after it is missed, and a daemon that has said by now
        // that it serves is asked.
        let changes = HomeWatch::open(home.dir()).ok();
        let unserved = Unserved::of(home);
        let client = connect::client(home)?.timeout(deadline.left());
        let stopped = match client.health().await {
            Ok(health) => ask(&client, &health.daemon, sessions, deadline).await?,
            Err(Error::Unreachable { .. } | Error::NotASocket { .. }) => {
                signal(unserved, changes, deadline, home).await?
            }
            Err(error) => return Err(error.into()),
        };
        if let Some(stopped) = stopped {
            put_away(home);
            return Ok(stopped);
        }
    }
}

/// Has a daemon that answers stop. `None` where it may not have heard that: who has the home is to be looked
/// at again.
async fn ask(
    client: &Client,
    daemon: &Daemon,
    sessions: SessionsAtStop,
    deadline: &Deadline,
) -> Result<Option<Stopped>, Failure> {
    // Held before it is asked to stop, so that it is this process that is waited for.
    let process = hold(daemon)?;
    let asked = client.shutdown(daemon, sessions).await;
    let Some(process) = process else {
        return asked.map(|()| Some(Stopped::Now)).map_err(Failure::from);
    };
    match asked {
        Ok(()) => {}
        // It has ended, and the next one answers.
        Err(error) if error.code() == Some(Code::DaemonIdentityMismatch) => {}
        Err(error @ Error::Timeout { .. }) => return Err(error.into()),
        // It has ended, or is about to.
        Err(error) if error.is_passing() && !deadline.is_over() => {
            let ended = has_ended(process, AGAIN.min(deadline.left())).await;
            return Ok(ended.then_some(Stopped::Now));
        }
        Err(error) => return Err(error.into()),
    }
    wait_for_end(process, daemon.pid, deadline).await?;
    Ok(Some(Stopped::Now))
}

/// Stops a daemon that cannot be asked to, if one is proved to have the home; waits for whoever else has it.
/// `None` where it is worth looking again.
async fn signal(
    unserved: Unserved,
    changes: Option<HomeWatch>,
    deadline: &Deadline,
    home: &Home,
) -> Result<Option<Stopped>, Failure> {
    match unserved {
        Unserved::Free => Ok(Some(Stopped::Before)),
        Unserved::ByDaemon(holder) => {
            // Where that fails, it has ended by itself.
            let _ = holder.terminate();
            let pid = holder.pid();
            wait_for_end(holder, pid, deadline).await?;
            Ok(Some(Stopped::Now))
        }
        Unserved::ByAnother(_) => {
            let found = unserved.in_words(home);
            output::tell(&format!("coven: waiting, since {found}"));
            let turn = timeout(deadline.left(), connect::turn(home, changes)).await;
            turn.map_err(|_| Failure::new(Exit::Unreachable, found))?;
            Ok(None)
        }
        Unserved::WithoutLock(_) if deadline.is_over() => {
            Err(Failure::new(Exit::Unreachable, unserved.in_words(home)))
        }
        Unserved::WithoutLock(holder) => {
            let left = AGAIN.min(deadline.left());
            tokio::select! {
                _ = has_ended(holder, left) => {}
                () = connect::change(changes) => {}
            }
            Ok(None)
        }
    }
}

/// Puts away what a daemon that died has left, where nobody has the home: one that stops does it itself.
fn put_away(home: &Home) {
    if coven_http::is_left(home.dir())
        && let Ok(held) = coven::home::hold(home.dir())
    {
        coven_http::clear(&held);
    }
}

/// The daemon's process, to be waited for; `None` where it has ended.
///
/// # Errors
/// The system does not let it be waited for.
fn hold(daemon: &Daemon) -> Result<Option<OwnedFd>, Failure> {
    let pid = i32::try_from(daemon.pid).ok().and_then(Pid::from_raw);
    let held = pid.ok_or(Errno::SRCH);
    match held.and_then(|pid| pidfd_open(pid, PidfdFlags::empty())) {
        Ok(process) => Ok(Some(process)),
        Err(Errno::SRCH) => Ok(None),
        Err(errno) => Err(Failure::failed(format!(
            "the daemon (process {}) cannot be waited for, and was not stopped: {errno}",
            daemon.pid
        ))),
    }
}

async fn wait_for_end(
    process: impl AsFd + Send + 'static,
    pid: u32,
    deadline: &Deadline,
) -> Result<(), Failure> {
    if has_ended(process, deadline.left()).await {
        return Ok(());
    }
    Err(Failure::new(
        Exit::Unreachable,
        format!(
            "the daemon (process {pid}) has not ended after {} s; see `coven daemon logs`",
            deadline.limit.as_secs()
        ),
    ))
}

/// Whether a process ends `within` a time.
async fn has_ended(process: impl AsFd + Send + 'static, within: Duration) -> bool {
    let limit = Timespec::try_from(within).ok();
    let ended = tokio::task::spawn_blocking(move || {
        let mut fds = [PollFd::new(&process, PollFlags::IN)];
        rustix::io::retry_on_intr(|| poll(&mut fds, limit.as_ref()))
    });
    matches!(ended.await, Ok(Ok(1..)))
}
