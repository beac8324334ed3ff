//! The `coven` command: the only place that prints.
//!
//! `args` is the whole command line; each command is one file of `command/`.
#![forbid(unsafe_code)]

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
mod output;
mod select;
mod terminal;
mod text;

use std::process::ExitCode;

use clap::Parser;

use crate::args::Args;
use crate::exit::Exit;

fn main() -> ExitCode {
    give_terminal_back_on_panic();
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => return print_usage(&error),
    };
    let exit = match command::run(args) {
        Ok(exit) => exit,
        Err(failure) => {
            terminal::give_back();
            failure.tell();
            failure.exit()
        }
    };
    exit.into()
}

/// Help and version go to stdout and are a success; anything else is the caller's mistake.
fn print_usage(error: &clap::Error) -> ExitCode {
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
        terminal::give_back();
        report(panic);
    }));
}
