//! The command line, whole.

use std::path::PathBuf;

use clap::Parser;

use crate::command::Command;

/// Run coding agents, and keep everything they do.
///
/// A session is one agent (Codex, Claude Code, or one of your own) in a terminal of its own inside
/// a project. A daemon runs it and records all it writes, so it goes on when you close the window,
/// and can be watched, driven and found again.
#[derive(Debug, Parser)]
#[command(
    name = "coven",
    version,
    subcommand_required = true,
    arg_required_else_help = true,
    disable_help_subcommand = true,
    after_help = "\
Begin with:
  coven demo                       what it does, with no agent installed
  coven doctor                     what works here, and what to do about the rest
  coven run codex \"fix the tests\"  your first session

A session is named by its id, the start of it, or @last.
Exit statuses, keys and files: docs/cli.md and docs/home.md."
)]
pub(crate) struct Args {
    /// The directory that holds everything [env: COVEN_HOME] [default: ~/.coven]
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) home: Option<PathBuf>,

    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// A number on the command line.
///
/// # Errors
/// When it is none, or too large.
pub(crate) fn whole_number<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.parse()
        .map_err(|_| "give a whole number, not negative and not too large".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn every_command_and_argument_explains_itself() {
        fn check(command: &clap::Command, path: &str) {
            let path = format!("{path} {}", command.get_name());
            assert!(command.get_about().is_some(), "{path} has no help");
            for argument in command.get_arguments() {
                let id = argument.get_id();
                assert!(argument.get_help().is_some(), "{path}: {id} has no help");
            }
            for below in command.get_subcommands() {
                check(below, &path);
            }
        }
        check(&Args::command(), "");
    }

    #[test]
    fn every_command_is_in_the_documents() {
        let document = include_str!("../../docs/cli.md");
        for command in Args::command().get_subcommands() {
            let name = format!("coven {}", command.get_name());
            assert!(
                command.is_hide_set() || document.contains(&name),
                "docs/cli.md says nothing of `{name}`"
            );
        }
    }
}
