//! `coven daemon`.

mod end_sessions;
mod install;
mod logs;
mod start;
mod status;
mod stop;
mod stopping;
mod systemctl;
mod uninstall;
mod unserved;

use clap::Subcommand;
use coven_http::wire::SessionsAtStop;

use crate::command::wait;
use crate::config::Config;
use crate::daemon::{self, Attachment};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::home::Home;

/// What to do with the daemon.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start it, unless it runs
    Start(start::Args),
    /// Stop it; its sessions run on, unless they are to end
    Stop(stop::Args),
    /// Stop it and start it again; its sessions run on
    Restart(stop::Patience),
    /// Show whether it runs, and how it is
    Status(status::Args),
    /// Show its log
    Logs(logs::Args),
    /// Be it, in the foreground: for service managers
    Serve(Serve),
    /// Write a systemd user unit that keeps it running
    Install(install::Args),
    /// Remove the unit that `install` wrote
    Uninstall(uninstall::Args),
}

/// Be it, in the foreground: for service managers
#[derive(Debug, clap::Args)]
#[command(after_help = "It logs to stderr, and ends on TERM, INT and `coven daemon stop`.")]
pub(crate) struct Serve {
    /// Leave whoever started it, log to the home's file, and tell the start on stdout
    #[arg(long, hide = true, conflicts_with = "orphaned")]
    detached: bool,
    /// Start one that is detached, and end, so that it is nobody's child
    #[arg(long, hide = true)]
    orphaned: bool,
}

/// Does it.
///
/// # Errors
/// Whatever kept it from being done.
pub(super) fn run(command: &Command, home: &Home) -> Result<Exit, Failure> {
    match command {
        Command::Start(args) => wait(start::run(args, home)),
        Command::Stop(args) => wait(stop::run(args, home)),
        Command::Restart(args) => wait(async {
            home.check()?;
            // Before the one that runs is stopped: the next would not start.
            Config::load(home)?;
            stopping::stop(&args.deadline(), SessionsAtStop::Keep, home).await?;
            start::run(&start::Args::default(), home).await
        }),
        Command::Status(args) => wait(status::run(args, home)),
        Command::Logs(args) => wait(logs::run(args, home)),
        Command::Serve(args) => serve(args, home),
        Command::Install(args) => install::run(args, home),
        Command::Uninstall(args) => uninstall::run(args),
    }
}

fn serve(args: &Serve, home: &Home) -> Result<Exit, Failure> {
    let attachment = match (args.detached, args.orphaned) {
        (false, false) => Attachment::Foreground,
        (true, _) => Attachment::Detached,
        (false, true) => Attachment::Orphaned,
    };
    daemon::serve(home, attachment)
}
