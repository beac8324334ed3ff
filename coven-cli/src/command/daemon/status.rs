//! `coven daemon status`.

use coven_http::client::Error;
use coven_http::wire::{Health, WriterState};
use serde::Serialize;

use crate::connect;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::home::Home;
use crate::output::{self, Table};

/// Show whether it runs, and how it is
#[derive(Debug, clap::Args)]
#[command(after_help = "Ends with 0 when it runs and with 122 when it does not.")]
pub(crate) struct Args {
    /// As JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Shown<'a> {
    running: bool,
    home: String,
    socket: String,
    log: String,
    version: &'static str,
    health: Option<&'a Health>,
}

pub(super) async fn run(args: &Args, home: &Home) -> Result<Exit, Failure> {
    let health = match connect::client(home)?.health().await {
        Ok(health) => Some(health),
        Err(Error::Unreachable { .. }) => None,
        Err(error) => return Err(error.into()),
    };
    if args.json {
        output::json(&Shown {
            running: health.is_some(),
            home: home.dir().display().to_string(),
            socket: home.socket().display().to_string(),
            log: home.daemon_log().display().to_string(),
            version: env!("CARGO_PKG_VERSION"),
            health: health.as_ref(),
        })?;
    } else {
        output::print(&for_people(home, health.as_ref()))?;
    }
    Ok(if health.is_some() {
        Exit::Done
    } else {
        Exit::Unreachable
    })
}

fn for_people(home: &Home, health: Option<&Health>) -> String {
    let Some(health) = health else {
        return format!(
            "no daemon runs for {}; `coven run` and `coven daemon start` start one\n",
            home.dir().display()
        );
    };
    let writer = &health.event_writer;
    let mut log = in_words(writer.state).to_owned();
    if let Some(error) = &writer.last_error {
        log.push_str(&format!(" (last error: {error})"));
    }
    let mut table = Table::new(["DAEMON", "runs"]);
    for (what, value) in [
        ("process", health.daemon.pid.to_string()),
        ("version", health.coven_version.clone()),
        ("since", health.daemon.started_at.clone()),
        ("socket", health.daemon.socket.clone()),
        ("log", home.daemon_log().display().to_string()),
        ("event log", log),
    ] {
        table.row([what.to_owned(), value]);
    }
    table.to_string()
}

const fn in_words(state: WriterState) -> &'static str {
    match state {
        WriterState::Healthy => "healthy",
        WriterState::Pressured => "pressured: agents wait for the disk",
        WriterState::Failed => "failed: nothing can be written, it tries again by itself",
    }
}
