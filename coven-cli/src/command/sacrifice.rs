//! `coven sacrifice`.

use std::cell::Cell;

use coven::Code;
use coven_http::client::{Client, Error};
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
    let (_, several, sessions) = Several::named(home, &args.sessions).await?;
    let act = async |session: &SessionRecord| {
        if !args.yes {
            return Err(Failure::usage(format!(
                "this deletes session {} ({}) and its {} bytes of output for good; add --yes",
                session.id, session.title, session.output_bytes
            )));
        }
        delete(home, &session.id).await?;
        Ok(format!("{} sacrificed", session.id))
    };
    Ok(several.each(&sessions, act).await)
}

/// Has a session deleted. Where a daemon dies of that, the next one is asked, and finds it gone, where
/// that one had done it.
async fn delete(home: &Home, id: &str) -> Result<(), Failure> {
    let may_be_done = Cell::new(false);
    let ask = async |client: &Client| match client.delete(id).await {
        Err(error) if error.code() == Some(Code::SessionNotFound) && may_be_done.get() => Ok(()),
        Err(error @ Error::Broken { .. }) => {
            may_be_done.set(true);
            Err(error.into())
        }
        deleted => Ok(deleted?),
    };
    connect::ask(home, ask).await.map(|_| ())
}
