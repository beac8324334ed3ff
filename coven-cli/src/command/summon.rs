//! `coven summon`.

use coven_http::wire::SessionRecord;

use super::several::Several;
use crate::connect;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::home::Home;

/// Bring archived sessions back into plain lists
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Their ids, the starts of them, or @last
    #[arg(required = true)]
    sessions: Vec<String>,
}

pub(crate) async fn run(args: &Args, home: &Home) -> Result<Exit, Failure> {
    let client = connect::reach(home).await?;
    let (several, sessions) = Several::named(&client, &args.sessions).await;
    let act = async |session: &SessionRecord| {
        client.summon(&session.id).await?;
        Ok(format!("{} summoned", session.id))
    };
    Ok(several.each(&sessions, act).await)
}
