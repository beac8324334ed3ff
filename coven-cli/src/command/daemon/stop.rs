//! `coven daemon stop`.

use std::collections::BTreeSet;
use std::io::{self, IsTerminal};
use std::time::Duration;

use coven_http::client::Error;
use coven_http::wire::SessionsAtStop;

use super::end_sessions::{self, NotEnded, Outcome};
use super::stopping::{self, Deadline, Stopped};
use crate::connect;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::home::Home;
use crate::output;
use crate::unrecorded;

/// How long is waited for what a stop is only to tell of.
const LISTING: Duration = Duration::from_secs(2);

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

    /// That long from now.
    pub(super) fn deadline(self) -> Deadline {
        Deadline::after(self.limit())
    }
}

pub(super) async fn run(args: &Args, home: &Home) -> Result<Exit, Failure> {
    let sessions = match (args.kill, args.keep) {
        (true, _) => SessionsAtStop::End,
        (false, true) => SessionsAtStop::Keep,
        (false, false) => match what_to_do(args.patience, home).await? {
            Some(sessions) => sessions,
            None => return Err(cancelled()),
        },
    };
    let deadline = args.patience.deadline();
    match sessions {
        SessionsAtStop::Keep => {
            let stopped = stopping::stop(&deadline, sessions, home).await?;
            tell(stopped, &Outcome::default())
        }
        SessionsAtStop::End => end_all(&deadline, home).await,
    }
}

/// Somebody at the terminal would rather have it go on.
fn cancelled() -> Failure {
    Failure::failed("nothing was ended: the daemon and its sessions go on")
}

/// Stops the daemon, which ends its sessions, and ends in this process whoever is left: of a daemon that
/// died, or that left them running since somebody else stopped it. It goes on until nobody has the home
/// and all have ended, also what began meanwhile.
///
/// # Errors
/// One has not, or that cannot be told.
async fn end_all(deadline: &Deadline, home: &Home) -> Result<Exit, Failure> {
    let mut stopped = Stopped::Before;
    let mut live = BTreeSet::new();
    loop {
        live.extend(who_lives(deadline, home).await?);
        stopped = stopped.max(stopping::stop(deadline, SessionsAtStop::End, home).await?);
        match end_sessions::end(home, &live).await {
            Err(NotEnded::InUse(_)) if !deadline.is_over() => {}
            outcome => return tell(stopped, &outcome?),
        }
    }
}

/// Which sessions live, only to be told of: where no daemon says it, or takes long to, the log does.
async fn who_lives(deadline: &Deadline, home: &Home) -> Result<BTreeSet<String>, Failure> {
    let patience = LISTING.min(deadline.left() / 4);
    let client = connect::client(home)?.timeout(patience);
    let found = tokio::time::timeout(patience, end_sessions::live(&client)).await;
    Ok(found
        .ok()
        .and_then(Result::ok)
        .map_or_else(BTreeSet::new, |live| live.ids))
}

/// Tells that no daemon runs, and which sessions have ended.
///
/// # Errors
/// Some could not be ended.
fn tell(stopped: Stopped, sessions: &Outcome) -> Result<Exit, Failure> {
    let ended = sessions.ended.iter().map(|id| format!("{id} has ended\n"));
    output::print(&ended.collect::<String>())?;
    let found = match stopped {
        Stopped::Now => "the daemon has stopped",
        Stopped::Before => "no daemon runs",
    };
    let mut problems = Vec::new();
    if !sessions.left.is_empty() {
        let left: Vec<&str> = sessions.left.iter().map(String::as_str).collect();
        let left = left.join(", ");
        problems.push(format!("{left} could not be ended: `coven kill` tells why"));
    }
    if !sessions.unrecorded.is_empty() {
        problems.push(format!(
            "agents of no session on record live on: {}; {} hangs each of them up",
            unrecorded::named(&sessions.unrecorded),
            unrecorded::end(&sessions.unrecorded)
        ));
    }
    if !problems.is_empty() {
        let problems = problems.join("; ");
        return Err(Failure::failed(format!("{found}; {problems}")));
    }
    output::print(&format!("{found}\n"))?;
    Ok(Exit::Done)
}

/// How many sessions run in the daemon; none where none serves, or it is about to end.
///
/// # Errors
/// A daemon serves and does not say.
async fn running(patience: Patience, home: &Home) -> Result<usize, Failure> {
    let client = connect::client(home)?.timeout(patience.limit());
    match end_sessions::live(&client).await {
        Ok(live) => Ok(live.ids.len()),
        Err(Error::Unreachable { .. } | Error::NotASocket { .. }) => Ok(0),
        Err(error) if error.is_stopping() => Ok(0),
        Err(error) => Err(error.into()),
    }
}

/// What is to become of the sessions that run, as somebody at a terminal says; `None`: nothing is to
/// be done. Where there is no terminal, or none runs, they run on.
///
/// # Errors
/// It cannot be told whether any runs.
async fn what_to_do(patience: Patience, home: &Home) -> Result<Option<SessionsAtStop>, Failure> {
    if !(io::stdin().is_terminal() && io::stderr().is_terminal()) {
        return Ok(Some(SessionsAtStop::Keep));
    }
    let running = running(patience, home).await?;
    if running == 0 {
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
