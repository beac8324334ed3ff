//! `coven summon`.

use crate::connect;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::home::Home;
use crate::output;
use crate::select;

/// Bring archived sessions back into plain lists
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Their ids, the starts of them, or @last
    #[arg(required = true)]
    sessions: Vec<String>,
}

pub(crate) async fn run(args: &Args, home: &Home) -> Result<Exit, Failure> {
    let client = connect::reach(home).await?;
    for word in &args.sessions {
        let id = select::session(&client, word).await?.id;
        client.summon(&id).await?;
        output::print(&format!("{id} summoned\n"))?;
    }
    Ok(Exit::Done)
}
