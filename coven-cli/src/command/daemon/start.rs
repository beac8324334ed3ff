//! `coven daemon start`.

use crate::connect;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::home::Home;
use crate::output;

/// Start it, unless it runs
#[derive(Debug, Default, clap::Args)]
pub(crate) struct Args {}

pub(super) async fn run(_: &Args, home: &Home) -> Result<Exit, Failure> {
    let (_, health) = connect::health_or_start(home).await?;
    output::print(&format!(
        "the daemon runs (process {}) at {}\n",
        health.daemon.pid,
        home.socket().display()
    ))?;
    Ok(Exit::Done)
}
