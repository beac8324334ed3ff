//! `coven kill`.

mod vigil;

use std::time::Duration;

use coven::Code;
use coven_http::client::{Client, Error};
use coven_http::wire::{Payload, SessionRecord, StatusChange};

use super::several::Several;
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
    let client = connect::reach(home).await?;
    let (mut several, sessions) = Several::named(&client, &args.sessions).await;
    let mut dying = Vec::new();
    // All of them at once: none has to wait for the death of another.
    for session in sessions {
        let killed = client.kill(&session.id).await.map_err(Failure::from);
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
            ended = death(&client, session) => ended,
            failure = failure(&client, &session.id) => Err(failure),
            failure = vigil.unrecorded(&session.id) => Err(failure),
        }
    });
    let mut interrupts = Interrupts::listen()?;
    let told = interrupts.during(async { Ok(told.await) }).await?;
    Ok(follow::exit_of(told))
}

/// Waits until a session is over, and says how.
async fn death(client: &Client, session: &SessionRecord) -> Result<String, Failure> {
    let mut events = follow::events(client, &session.id, Some(session.last_seq));
    while let Some(event) = events.next().await? {
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
    Ok(format!("{} killed", session.id))
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
