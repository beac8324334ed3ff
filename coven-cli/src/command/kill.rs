//! `coven kill`.

use coven_http::client::Client;

use crate::connect;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::follow;
use crate::home::Home;
use crate::output;
use crate::select;

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
    for word in &args.sessions {
        let record = select::session(&client, word).await?;
        client.kill(&record.id).await?;
        if args.no_wait {
            output::print(&format!("{} is being killed\n", record.id))?;
        } else if let Some(exit) = death(&client, &record.id, record.last_seq).await? {
            return Ok(exit);
        } else {
            output::print(&format!("{} killed\n", record.id))?;
        }
    }
    Ok(Exit::Done)
}

/// Waits for a session's end; `Some` when a signal was faster.
async fn death(client: &Client, id: &str, after: u64) -> Result<Option<Exit>, Failure> {
    follow::each(follow::events(client, id, Some(after)), |_| Ok(())).await
}
