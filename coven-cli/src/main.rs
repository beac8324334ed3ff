//! The `coven` command: the only place that prints.
//!
//! `args` is the whole command line; each command is one file of `command/`.
#![forbid(unsafe_code)]

mod absence;
mod all_sessions;
mod answers;
mod args;
mod command;
mod config;
mod connect;
mod daemon;
mod ending;
mod exit;
mod failure;
mod follow;
mod home;
mod installed;
mod live;
mod once;
mod output;
mod select;
mod setbacks;
mod terminal;
mod text;
mod unit;
mod unrecorded;
mod usage;

use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;

use crate::args::Args;
use crate::exit::Exit;
use crate::failure::Failure;

fn main() -> ExitCode {
    // The process that holds one session, which no person starts: it is in no help.
    if let Some(exit) = coven::shim::run_if_invoked() {
        return exit;
    }
    coven::harness::fail_beyond_file_size_limit();
    give_terminal_back_on_panic();
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) if is_help(&error) => return print_help(&error),
        Err(error) => return refuse(&usage::failure(&error)),
    };
    let exit = match command::run(args) {
        Ok(exit) => exit,
        Err(failure) => {
            terminal::give_back();
            return refuse(&failure);
        }
    };
    exit.into()
}

fn refuse(failure: &Failure) -> ExitCode {
    failure.tell();
    failure.exit().into()
}

/// Whether it is no mistake in the line, but a text to show.
fn is_help(error: &clap::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::DisplayHelp
            | ErrorKind::DisplayVersion
            | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
    )
}

/// Help and version that were asked for go to stdout and are a success. Help for a line without a
/// command goes to stderr, and is not.
fn print_help(error: &clap::Error) -> ExitCode {
    let exit = if error.use_stderr() {
        Exit::Usage
    } else {
        Exit::Done
    };
    // Where there is nobody to read it, there is nobody to tell.
    let _ = error.print();
    exit.into()
}

fn give_terminal_back_on_panic() {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if coven::store::catches_panics() {
            // It is told as damage of the log, once it is known where.
            tracing::debug!(%panic, "the database cannot go on with what it has read");
            return;
        }
        terminal::give_back();
        report(panic);
    }));
}
