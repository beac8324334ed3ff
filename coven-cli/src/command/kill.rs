//! `coven kill`.

mod vigil;

use std::cell::Cell;
use std::time::Duration;

use coven::Code;
use coven_http::client::{Client, Error};
use coven_http::wire::{Payload, SessionRecord, Status, StatusChange};

use super::several::Several;
use crate::absence::{Absence, QUIET};
use crate::connect;
use crate::ending::lost_because;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::follow::{self, Interrupts};
use crate::home::Home;

use vigil::Vigil;

/// How often the daemon is asked whether a kill has failed: no event tells that.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// End sessions: every process of theirs
#[derive(Debug, clap::Args)]
#[command(after_help = "It returns once the death is proved, and fails where processes survive.")]
pub(crate) struct Args {
    /// Their ids, the starts of them, or @last
    #[arg(required = true)]
    sessions: Vec<String>,
    /// Do not wait for their death
    #[arg(long)]
    no_wait: bool,
}

pub(crate) async fn run(args: &Args, home: &Home) -> Result<Exit, Failure> {
    let (client, mut several, sessions) = Several::named(home, &args.sessions).await?;
    let mut dying = Vec::new();
    // All of them at once: none has to wait for the death of another.
    for session in sessions {
        let killed = kill(home, &session.id).await;
        if several.keep(&session.id, killed).is_some() {
            dying.push(session);
        }
    }
    if args.no_wait {
        let told = async |session: &SessionRecord| Ok(format!("{} is being killed", session.id));
        return Ok(several.each(&dying, told).await);
    }
    let vigil = Vigil::new(&client);
    let told = several.each(&dying, async |session: &SessionRecord| {
        tokio::select! {
            biased;
            ended = death(home, &client, session) => ended,
            failure = failure(&client, &session.id) => Err(failure),
            failure = vigil.unrecorded(&session.id) => Err(failure),
        }
    });
    let mut interrupts = Interrupts::listen()?;
    let told = interrupts.during(async { Ok(told.await) }).await?;
    Ok(follow::exit_of(told))
}

/// Asks for a session's death. Where a daemon dies of that, the next one is asked, and finds the session
/// killed, where that one had put it on record.
async fn kill(home: &Home, id: &str) -> Result<(), Failure> {
    let may_be_done = Cell::new(false);
    let ask = async |client: &Client| match client.kill(id).await {
        Err(error) if error.code() == Some(Code::SessionNotLive) && may_be_done.get() => {
            match client.session(id).await?.status {
                Status::Killed => Ok(()),
                _ => Err(error.into()),
            }
        }
        Err(error @ Error::Broken { .. }) => {
            may_be_done.set(true);
            Err(error.into())
        }
        killed => Ok(killed?),
    };
    connect::ask(home, ask).await.map(|_| ())
}

/// Waits until a session is over, and says how; also over the death of its daemon, as the next one ends it.
async fn death(home: &Home, client: &Client, session: &SessionRecord) -> Result<String, Failure> {
    let mut absence = Absence::of(home, client);
    let mut events = client
        .follow(&session.id, Some(session.last_seq))
        .patience(QUIET);
    loop {
        let event = match events.next().await {
            Ok(Some(event)) => event,
            Ok(None) => return Ok(format!("{} killed", session.id)),
            Err(error) => {
                absence.bear(error).await?;
                continue;
            }
        };
        absence.is_over();
        if let Payload::Status(StatusChange::Orphaned { reason }) = event.payload() {
            let reason = lost_because(&reason);
            return Err(Failure::new(
                Exit::Orphaned,
                format!(
                    "session {} was lost: {reason}; whether all of it is dead is not known",
                    session.id
                ),
            ));
        }
    }
}

/// Waits until a kill has failed, if it does. Asked again, the daemon refuses while the kill is
/// under way, and kills once more where it has failed.
async fn failure(client: &Client, id: &str) -> Failure {
    loop {
        tokio::time::sleep(ASK_AGAIN).await;
        // Whatever else is wrong shows where the session is followed.
        if let Err(error @ Error::Answer(_)) = client.kill(id).await
            && error.code() == Some(Code::KillFailed)
        {
            return error.into();
        }
    }
}
