//! `coven daemon install`.

use std::path::Path;

use coven::home::Holder;

use super::systemctl;
use crate::config::Origin;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::home::Home;
use crate::output;
use crate::unit::{self, Existing, Found, NAME};

/// Write a systemd user unit that keeps it running
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The unit runs this program in the foreground, starts it again when it fails, and leaves what holds
sessions alone when it stops. It is written to $XDG_CONFIG_HOME/systemd/user/coven.service (else
~/.config), and names the home unless that is ~/.coven. A unit that something else put there is not
touched.")]
pub(crate) struct Args {
    /// Only print the unit
    #[arg(long, conflicts_with = "now")]
    print: bool,
    /// Also enable and start it, with systemctl
    #[arg(long)]
    now: bool,
}

pub(super) fn run(args: &Args, home: &Home) -> Result<Exit, Failure> {
    let text = text(home)?;
    if args.print {
        output::print(&text)?;
        return Ok(Exit::Done);
    }
    let file = unit::file()?;
    if args.now {
        refuse_when_served_elsewhere(home)?;
    }
    let was_written = put(&file, &text)?;
    output::print(&format!("{} {was_written}\n", file.display()))?;
    if args.now {
        systemctl::run(&["daemon-reload"])?;
        systemctl::run(&["enable", "--now", NAME])?;
        return output::print(&format!("{NAME} is enabled and started\n{LINGER}"))
            .map(|()| Exit::Done);
    }
    let stop = match served_elsewhere(home) {
        Some(_) => "  coven daemon stop                       # the one that runs now\n",
        None => "",
    };
    output::print(&format!(
        "Next:\n{stop}  systemctl --user daemon-reload\n  systemctl --user enable --now coven\n{LINGER}"
    ))?;
    Ok(Exit::Done)
}

/// What keeps a user's services running without a login.
const LINGER: &str = "  loginctl enable-linger                  # or a logout ends it\n";

fn text(home: &Home) -> Result<String, Failure> {
    let program = std::env::current_exe()
        .map_err(|error| Failure::failed(format!("this program's path is not known: {error}")))?;
    if !program.exists() {
        return Err(Failure::failed(format!(
            "this program was replaced since it started ({}); call the new one",
            program.display()
        )));
    }
    let named = match home.origin() {
        Origin::Default => None,
        _ => Some(home.dir()),
    };
    unit::text(&program, named)
}

/// Puts the unit in its place; says what that came to.
fn put(file: &Path, text: &str) -> Result<&'static str, Failure> {
    let failed = |error| Failure::failed(format!("{}: {error}", file.display()));
    let (existing, done) = match unit::find(file).map_err(failed)? {
        Found::Foreign { what } => {
            return Err(Failure::failed(format!(
                "{} {what}; it is left as it is: move it away, or take what `coven daemon install \
                 --print` prints",
                file.display()
            )));
        }
        Found::Ours { text: before } if before == text => return Ok("is as it should be"),
        Found::Ours { .. } => (Existing::Replaced, "was written anew"),
        Found::None => (Existing::Kept, "was written"),
    };
    unit::write(file, text, existing).map_err(failed)?;
    Ok(done)
}

/// The process that has the home open, unless it is the service's.
fn served_elsewhere(home: &Home) -> Option<u32> {
    let pid = Holder::of(home.dir())?.pid();
    (!unit::runs(pid)).then_some(pid)
}

fn refuse_when_served_elsewhere(home: &Home) -> Result<(), Failure> {
    match served_elsewhere(home) {
        None => Ok(()),
        Some(pid) => Err(Failure::new(
            Exit::Unreachable,
            format!(
                "process {pid} has the home open, and the service could not: `coven daemon stop` first"
            ),
        )),
    }
}
