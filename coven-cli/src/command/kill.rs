//! `coven kill`.

use coven_http::wire::SessionRecord;

use super::several::Several;
use crate::connect;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::follow::{self, Interrupts};
use crate::home::Home;

/// End sessions: every process of theirs
#[derive(Debug, clap::Args)]
#[command(after_help = "It returns once the death is proved.")]
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
    let told = several.each(&dying, async |session: &SessionRecord| {
        let mut events = follow::events(&client, &session.id, Some(session.last_seq));
        while events.next().await?.is_some() {}
        Ok(format!("{} killed", session.id))
    });
    let mut interrupts = Interrupts::listen()?;
    let told = interrupts.during(async { Ok(told.await) }).await?;
    Ok(follow::exit_of(told))
}
