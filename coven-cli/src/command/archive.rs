//! `coven archive`.

use coven_http::client::Client;
use coven_http::wire::SessionRecord;

use super::several::Several;
use crate::connect;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::home::Home;

/// Hide ended sessions from plain lists
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Their ids, the starts of them, or @last
    #[arg(required = true)]
    sessions: Vec<String>,
}

pub(crate) async fn run(args: &Args, home: &Home) -> Result<Exit, Failure> {
    let (_, several, sessions) = Several::named(home, &args.sessions).await?;
    let act = async |session: &SessionRecord| {
        let ask = async |client: &Client| Ok(client.archive(&session.id).await?);
        connect::ask(home, ask).await?;
        Ok(format!("{} archived", session.id))
    };
    Ok(several.each(&sessions, act).await)
}
