//! `coven daemon uninstall`.

use super::systemctl;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;
use crate::unit::{self, Found, NAME};

/// Remove the unit that `install` wrote
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Also stop it first, with systemctl
    #[arg(long)]
    now: bool,
}

pub(super) fn run(args: &Args) -> Result<Exit, Failure> {
    let file = unit::file()?;
    let failed = |error| Failure::failed(format!("{}: {error}", file.display()));
    match unit::find(&file).map_err(failed)? {
        Found::None => {
            output::complain(&format!("coven: there is no {}", file.display()));
            return Ok(Exit::Done);
        }
        Found::Foreign { what } => {
            return Err(Failure::failed(format!(
                "{} {what}; it is left as it is",
                file.display()
            )));
        }
        Found::Ours { .. } => {}
    }
    if args.now {
        systemctl::run(&["disable", "--now", NAME])?;
    }
    unit::remove(&file).map_err(failed)?;
    output::print(&format!("{} was removed\n", file.display()))?;
    if args.now {
        systemctl::run(&["daemon-reload"])?;
    } else {
        output::print("Next:\n  systemctl --user stop coven\n  systemctl --user daemon-reload\n")?;
    }
    Ok(Exit::Done)
}
