//! `coven daemon status`.

use std::slice;

use coven::home::Held;
use coven_http::client::Error;
use coven_http::wire::{EventWriter, Health, WriterState};
use serde::Serialize;

use super::unserved::Unserved;
use crate::connect;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::home::Home;
use crate::output::{self, Table};
use crate::unrecorded::{self, unrecorded};

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
    /// Whether it answers.
    running: bool,
    /// The process that has the home.
    pid: Option<u32>,
    home: String,
    socket: String,
    log: String,
    version: &'static str,
    health: Option<&'a Health>,
    /// The agents that run and are of no session on record.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unrecorded: Vec<Unrecorded>,
}

#[derive(Serialize)]
struct Unrecorded {
    session: String,
    /// The process of its shim.
    pid: u32,
}

pub(super) async fn run(args: &Args, home: &Home) -> Result<Exit, Failure> {
    let client = connect::address_to_look(home)?;
    home.check()?;
    match client.health().await {
        Ok(health) => {
            connect::met(home, &health).await;
            // Where they cannot be listed, `coven doctor` says so.
            let found = unrecorded(home, &client, |_| false).await;
            let found = found.unwrap_or_default();
            show(args, home, health.daemon.pid.into(), Ok((&health, &found)))?;
            Ok(Exit::Done)
        }
        Err(error @ (Error::Unreachable { .. } | Error::NotASocket { .. })) => {
            let unserved = Unserved::of(home);
            unserved.clear(home).await;
            if let (Error::NotASocket { .. }, Unserved::Free) = (&error, &unserved) {
                // None can be started before that is mended.
                return Err(error.into());
            }
            show(args, home, unserved.pid(), Err(&unserved))?;
            Ok(Exit::Unreachable)
        }
        Err(error) => Err(error.into()),
    }
}

fn show(
    args: &Args,
    home: &Home,
    pid: Option<u32>,
    found: Result<(&Health, &[Held]), &Unserved>,
) -> Result<(), Failure> {
    if args.json {
        return output::json(&Shown {
            running: found.is_ok(),
            pid,
            home: home.dir().display().to_string(),
            socket: home.socket().display().to_string(),
            log: home.daemon_log().display().to_string(),
            version: env!("CARGO_PKG_VERSION"),
            health: found.ok().map(|(health, _)| health),
            unrecorded: found.map_or_else(|_| Vec::new(), |(_, found)| told(found)),
        });
    }
    output::print(&match found {
        Ok((health, found)) => for_people(home, health, found),
        Err(unserved) => format!("{}\n", unserved.in_words(home)),
    })
}

fn told(unrecorded: &[Held]) -> Vec<Unrecorded> {
    let told = unrecorded.iter().map(|held| Unrecorded {
        session: held.session.to_string(),
        pid: held.shim_pid,
    });
    told.collect()
}

fn for_people(home: &Home, health: &Health, unrecorded: &[Held]) -> String {
    let log = log(&health.event_writer);
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
    for held in unrecorded.iter().map(slice::from_ref) {
        let named = unrecorded::named(held);
        let value = format!("{named} runs and is not on record: see `coven doctor`");
        table.row(["session".to_owned(), value]);
    }
    table.to_string()
}

/// How the log is: what is wrong with it goes before all else.
fn log(writer: &EventWriter) -> String {
    match &writer.last_error {
        Some(error) if writer.why_stuck().is_some() || writer.damage_met().is_some() => {
            error.clone()
        }
        Some(error) => format!("{} (last error: {error})", in_words(writer.state)),
        None => in_words(writer.state).to_owned(),
    }
}

const fn in_words(state: WriterState) -> &'static str {
    match state {
        WriterState::Healthy => "healthy",
        WriterState::Pressured => "pressured: agents wait for the disk",
        WriterState::Failed => "failed: nothing can be written, it tries again by itself",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(state: WriterState, last_error: Option<&str>) -> String {
        log(&EventWriter {
            state,
            queued_events: 0,
            queued_bytes: 0,
            capacity_bytes: 1,
            dropped_output_events: 0,
            dropped_output_bytes: 0,
            connection_opens: 1,
            transactions: 0,
            committed_events: 0,
            last_error: last_error.map(str::to_owned),
        })
    }

    #[test]
    fn a_log_of_which_damage_was_met_is_not_called_healthy() {
        let damage = "the log is damaged at session x: its bytes are not what they were";
        assert_eq!(told(WriterState::Healthy, Some(damage)), damage);
        assert_eq!(told(WriterState::Healthy, None), "healthy");
        assert_eq!(
            told(WriterState::Healthy, Some("the disk is full")),
            "healthy (last error: the disk is full)"
        );
    }
}
