//! `coven daemon stop`, and the first half of `restart`.

use std::io::{self, IsTerminal};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use coven_http::client::Error;
use coven_http::wire::{Daemon, SessionsAtStop};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use super::end_sessions;
use super::unserved::Unserved;
use crate::connect;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::home::Home;
use crate::output;

/// Stop it; its sessions run on, unless they are to end
#[derive(Debug, clap::Args)]
#[command(
    after_help = "The next daemon takes the sessions over that run on. On a terminal it is \
                        asked what to do with them, unless that is said."
)]
pub(crate) struct Args {
    /// End the sessions that run, too, and wait until they have
    #[arg(long, conflicts_with = "keep")]
    kill: bool,
    /// Leave the sessions running, without asking
    #[arg(long)]
    keep: bool,
    #[command(flatten)]
    patience: Patience,
}

/// How long a daemon's end is waited for.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct Patience {
    /// How long to wait for it to end, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    timeout: u64,
}

impl Patience {
    const fn limit(self) -> Duration {
        Duration::from_secs(self.timeout)
    }
}

pub(super) async fn run(args: &Args, home: &Home) -> Result<Exit, Failure> {
    if args.kill && !is_served(home, args.patience).await? {
        let stopped = stop_unserved(home, args.patience.limit()).await?;
        end_sessions::end(home).await?;
        return tell_end(stopped, SessionsAtStop::End, home).await;
    }
    let running = running(home, args.patience).await?;
    let sessions = match (args.kill, args.keep) {
        (true, _) => SessionsAtStop::End,
        (false, true) => SessionsAtStop::Keep,
        (false, false) if running == 0 => SessionsAtStop::Keep,
        (false, false) => match what_to_do(running)? {
            Some(sessions) => sessions,
            None => return Ok(Exit::Done),
        },
    };
    let stopped = stop(args.patience, sessions, home).await?;
    if (stopped, sessions) == (Stopped::Before, SessionsAtStop::End) {
        // Its daemon died before it could be asked.
        end_sessions::end(home).await?;
    }
    tell_end(stopped, sessions, home).await
}

/// Tells that no daemon runs, and asks the home itself whether all its sessions have ended that were to,
/// also what began while the daemon was asked to stop.
///
/// # Errors
/// One has not.
async fn tell_end(
    stopped: Stopped,
    sessions: SessionsAtStop,
    home: &Home,
) -> Result<Exit, Failure> {
    let found = match stopped {
        Stopped::Now => "the daemon has stopped",
        Stopped::Before => "no daemon runs",
    };
    let left = match sessions {
        SessionsAtStop::Keep => Vec::new(),
        SessionsAtStop::End => end_sessions::left(home).await?,
    };
    if !left.is_empty() {
        let left = left.join(", ");
        return Err(Failure::failed(format!(
            "{found}; {left} could not be ended: `coven kill` tells why"
        )));
    }
    output::print(&format!("{found}\n"))?;
    Ok(Exit::Done)
}

/// Whether a daemon answers.
///
/// # Errors
/// Whoever is at the socket does not answer as one.
async fn is_served(home: &Home, patience: Patience) -> Result<bool, Failure> {
    let client = connect::client(home)?.timeout(patience.limit());
    match client.health().await {
        Ok(_) => Ok(true),
        Err(Error::Unreachable { .. } | Error::NotASocket { .. }) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// How many sessions run in the daemon; none where none serves.
///
/// # Errors
/// A daemon serves and does not say.
async fn running(home: &Home, patience: Patience) -> Result<usize, Failure> {
    let client = connect::client(home)?.timeout(patience.limit());
    match end_sessions::live(&client).await {
        Ok(live) => Ok(live.ids.len()),
        Err(Error::Unreachable { .. } | Error::NotASocket { .. }) => Ok(0),
        Err(error) => Err(error.into()),
    }
}

/// What is to become of the sessions that run, as somebody at a terminal says; `None`: nothing is to
/// be done. Where there is no terminal, they run on.
fn what_to_do(running: usize) -> Result<Option<SessionsAtStop>, Failure> {
    if !(io::stdin().is_terminal() && io::stderr().is_terminal()) {
        return Ok(Some(SessionsAtStop::Keep));
    }
    loop {
        output::ask(&format!(
            "{running} session(s) run. Leave them running, end them, or cancel? [L/e/c] "
        ));
        let mut answer = String::new();
        let read = io::stdin().read_line(&mut answer);
        if read.map_err(|error| Failure::failed(error.to_string()))? == 0 {
            return Ok(None);
        }
        match answer.trim().to_ascii_lowercase().as_str() {
            "" | "l" | "leave" => return Ok(Some(SessionsAtStop::Keep)),
            "e" | "end" => return Ok(Some(SessionsAtStop::End)),
            "c" | "cancel" => return Ok(None),
            _ => {}
        }
    }
}

/// When a daemon stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stopped {
    /// As asked.
    Now,
    /// None ran.
    Before,
}

/// Stops the daemon and waits until its process is gone.
///
/// # Errors
/// When it does not end in time.
pub(super) async fn stop(
    patience: Patience,
    sessions: SessionsAtStop,
    home: &Home,
) -> Result<Stopped, Failure> {
    let timeout = patience.limit();
    let client = connect::client(home)?.timeout(timeout);
    let daemon = match client.health().await {
        Ok(health) => health.daemon,
        Err(Error::Unreachable { .. } | Error::NotASocket { .. }) => {
            return stop_unserved(home, timeout).await;
        }
        Err(error) => return Err(error.into()),
    };
    // Held before it is asked to stop, so that it is this process that is waited for.
    let process = hold(&daemon)?;
    client.shutdown(&daemon, sessions).await?;
    if let Some(process) = process {
        wait_for_end(process, daemon.pid, timeout).await?;
    }
    Ok(Stopped::Now)
}

/// Stops a daemon that cannot be asked to, if one is proved to have the home.
async fn stop_unserved(home: &Home, timeout: Duration) -> Result<Stopped, Failure> {
    let unserved = Unserved::of(home);
    unserved.clear(home).await;
    match unserved {
        Unserved::Free => Ok(Stopped::Before),
        Unserved::ByDaemon(holder) => {
            // Where that fails, it has ended by itself.
            let _ = holder.terminate();
            let pid = holder.pid();
            wait_for_end(holder, pid, timeout).await?;
            Ok(Stopped::Now)
        }
        Unserved::ByAnother(_) => Err(Failure::new(Exit::Unreachable, unserved.in_words(home))),
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
    timeout: Duration,
) -> Result<(), Failure> {
    let limit = Timespec::try_from(timeout).ok();
    let ended = tokio::task::spawn_blocking(move || {
        let mut fds = [PollFd::new(&process, PollFlags::IN)];
        rustix::io::retry_on_intr(|| poll(&mut fds, limit.as_ref()))
    })
    .await;
    match ended {
        Ok(Ok(1..)) => Ok(()),
        _ => Err(Failure::new(
            Exit::Unreachable,
            format!(
                "the daemon (process {pid}) has not ended after {} s; see `coven daemon logs`",
                timeout.as_secs()
            ),
        )),
    }
}
