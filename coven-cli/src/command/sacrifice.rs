//! `coven sacrifice`.

use coven_http::wire::SessionRecord;

use super::several::Several;
use crate::connect;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::home::Home;

/// Delete ended sessions and all their events, for good
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Their ids, the starts of them, or @last
    #[arg(required = true)]
    sessions: Vec<String>,
    /// Really
    #[arg(long)]
    yes: bool,
}

pub(crate) async fn run(args: &Args, home: &Home) -> Result<Exit, Failure> {
    let client = connect::reach(home).await?;
    let (several, sessions) = Several::named(&client, &args.sessions).await;
    let act = async |session: &SessionRecord| {
        if !args.yes {
            return Err(Failure::usage(format!(
                "this deletes session {} ({}) and its {} bytes of output for good; add --yes",
                session.id, session.title, session.output_bytes
            )));
        }
        client.delete(&session.id).await?;
        Ok(format!("{} sacrificed", session.id))
    };
    Ok(several.each(&sessions, act).await)
}
