//! The commands: one file each.

mod archive;
mod attach;
mod completions;
mod config;
mod daemon;
mod demo;
mod demo_agent;
mod doctor;
mod events;
mod export;
mod harnesses;
mod import;
mod input;
mod kill;
mod launching;
mod log;
mod prune;
mod resume;
mod run;
mod sacrifice;
mod sessions;
mod several;
mod show;
mod summon;

use clap::Subcommand;

use crate::args::Args;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::home::Home;

/// What `coven` can be asked to do, in the order of its help.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Launch a session and follow it
    Run(run::Args),
    /// Go on with the conversation of a session that has ended
    Resume(resume::Args),
    /// List sessions, newest first
    #[command(visible_alias = "ls")]
    Sessions(sessions::Args),
    /// Show all there is to know of one session
    Show(show::Args),
    /// Show what a session's agent wrote, as text
    Log(log::Args),
    /// Show what happened to a session, event by event
    Events(events::Args),
    /// Show a session's terminal, live
    Attach(attach::Args),
    /// Type a prompt into a running session and submit it
    Input(input::Args),
    /// End sessions: every process of theirs
    Kill(kill::Args),
    /// Hide ended sessions from plain lists
    Archive(archive::Args),
    /// Bring archived sessions back into plain lists
    Summon(summon::Args),
    /// Delete ended sessions and all their events, for good
    Sacrifice(sacrifice::Args),
    /// Write a session as lines of JSON that anything can read
    Export(export::Args),
    /// Bring a session back from an export, into a home that no daemon has open
    Import(import::Args),
    /// Let the oldest output go that is over a budget
    Prune(prune::Args),
    /// List the harnesses there are, and whether they are installed
    Harnesses(harnesses::Args),
    /// Show the settings and where each comes from
    #[command(subcommand)]
    Config(config::Command),
    /// Tell what works here, what does not, and what to do about it
    Doctor(doctor::Args),
    /// Start, stop and look at the process that runs sessions
    #[command(subcommand)]
    Daemon(daemon::Command),
    /// Print completions for a shell
    Completions(completions::Args),
    /// Show what Coven does, with a small scripted agent, in a throw-away home
    Demo(demo::Args),
    /// Play the demo's agent
    #[command(hide = true)]
    DemoAgent(demo_agent::Args),
}

/// Does what was asked.
///
/// # Errors
/// Whatever kept it from being done, as one sentence and an exit status.
pub(crate) fn run(args: Args) -> Result<Exit, Failure> {
    let home = Home::find(args.home.as_deref());
    match args.command {
        Command::Run(args) => wait(run::run(args, &home?)),
        Command::Resume(args) => wait(resume::run(&args, &home?)),
        Command::Sessions(args) => wait(sessions::run(&args, &home?)),
        Command::Show(args) => wait(show::run(&args, &home?)),
        Command::Log(args) => wait(log::run(&args, &home?)),
        Command::Events(args) => wait(events::run(&args, &home?)),
        Command::Attach(args) => wait(attach::run(&args, &home?)),
        Command::Input(args) => wait(input::run(&args, &home?)),
        Command::Kill(args) => wait(kill::run(&args, &home?)),
        Command::Archive(args) => wait(archive::run(&args, &home?)),
        Command::Summon(args) => wait(summon::run(&args, &home?)),
        Command::Sacrifice(args) => wait(sacrifice::run(&args, &home?)),
        Command::Export(args) => wait(export::run(&args, &home?)),
        Command::Import(args) => import::run(&args, &home?),
        Command::Prune(args) => wait(prune::run(&args, &home?)),
        Command::Harnesses(args) => wait(harnesses::run(&args, &home?)),
        Command::Config(command) => config::run(&command, &home?),
        Command::Daemon(command) => daemon::run(&command, &home?),
        Command::Doctor(args) => wait(doctor::run(&args, &home?)),
        Command::Completions(args) => completions::run(&args),
        Command::Demo(args) => wait(demo::run(&args)),
        Command::DemoAgent(args) => demo_agent::run(&args),
    }
}

/// Runs a command that waits for the daemon or the terminal, on one thread: a signal that stops
/// the process (Ctrl-Z) must stop the very thread that asked for it.
fn wait(command: impl Future<Output = Result<Exit, Failure>>) -> Result<Exit, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::failed(format!("the runtime cannot be started: {error}")))?;
    let ended = runtime.block_on(command);
    // A write to a reader that does not read may never return: nobody waits for it here.
    runtime.shutdown_background();
    ended
}
