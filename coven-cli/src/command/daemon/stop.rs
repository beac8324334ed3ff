//! `coven daemon stop`, and the first half of `restart`.

use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use coven_http::client::{Client, Error};
use coven_http::wire::{Daemon, Status};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use super::unserved::Unserved;
use crate::connect;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::home::Home;
use crate::output;

/// Stop it, and with it the sessions that run
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// How long to wait for it to end, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    timeout: u64,
}

pub(super) async fn run(args: &Args, home: &Home) -> Result<Exit, Failure> {
    output::print(match stop(args, home).await? {
        Stopped::Now => "the daemon has stopped\n",
        Stopped::Before => "no daemon runs\n",
    })?;
    Ok(Exit::Done)
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
pub(super) async fn stop(args: &Args, home: &Home) -> Result<Stopped, Failure> {
    let timeout = Duration::from_secs(args.timeout);
    let client = connect::client(home)?.timeout(timeout);
    let daemon = match client.health().await {
        Ok(health) => health.daemon,
        Err(Error::Unreachable { .. } | Error::NotASocket { .. }) => {
            return stop_unserved(home, timeout).await;
        }
        Err(error) => return Err(error.into()),
    };
    tell_running(&client).await;
    // Held before it is asked to stop, so that it is this process that is waited for.
    let process = hold(&daemon);
    client.shutdown(&daemon).await?;
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

/// Says how many sessions end with the daemon.
async fn tell_running(client: &Client) {
    let Ok(sessions) = client.sessions().await else {
        return;
    };
    let running = sessions
        .iter()
        .filter(|session| session.status == Status::Running && !session.external)
        .count();
    if running > 0 {
        output::complain(&format!("coven: {running} running session(s) end with it"));
    }
}

fn hold(daemon: &Daemon) -> Option<OwnedFd> {
    let pid = Pid::from_raw(i32::try_from(daemon.pid).ok()?)?;
    pidfd_open(pid, PidfdFlags::empty()).ok()
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
