//! The commands: one file each.

mod completions;
mod config;

use clap::Subcommand;

use crate::args::Args;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::home::Home;

/// What `coven` can be asked to do, in the order of its help.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show the settings and where each comes from
    #[command(subcommand)]
    Config(config::Command),
    /// Print completions for a shell
    Completions(completions::Args),
}

/// Does what was asked.
///
/// # Errors
/// Whatever kept it from being done, as one sentence and an exit status.
pub(crate) fn run(args: Args) -> Result<Exit, Failure> {
    let home = Home::find(args.home.as_deref());
    match args.command {
        Command::Config(command) => config::run(&command, &home?),
        Command::Completions(args) => completions::run(&args),
    }
}
