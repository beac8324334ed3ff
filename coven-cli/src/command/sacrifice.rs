//! `coven sacrifice`.

use crate::connect;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::home::Home;
use crate::output;
use crate::select;

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
    for word in &args.sessions {
        let record = select::session(&client, word).await?;
        if !args.yes {
            return Err(Failure::usage(format!(
                "this deletes session {} ({}) and its {} bytes of output for good; add --yes",
                record.id, record.title, record.output_bytes
            )));
        }
        client.delete(&record.id).await?;
        output::print(&format!("{} sacrificed\n", record.id))?;
    }
    Ok(Exit::Done)
}
