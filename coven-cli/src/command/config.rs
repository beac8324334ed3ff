//! `coven config`.

use clap::Subcommand;
use serde::Serialize;

use crate::config::{Config, Setting};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::home::Home;
use crate::output::{self, Table};

/// What to do with the settings.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show every setting, its value and where that comes from
    Show(Show),
}

/// Show every setting, its value and where that comes from
#[derive(Debug, clap::Args)]
#[command(after_help = "\
A flag wins over the environment (COVEN_*), which wins over config.toml in the home, which wins
over the default.")]
pub(crate) struct Show {
    /// As JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Row {
    key: &'static str,
    value: Option<String>,
    origin: String,
}

pub(crate) fn run(command: &Command, home: &Home) -> Result<Exit, Failure> {
    let Command::Show(show) = command;
    let rows = rows(home, &Config::load(home)?);
    if show.json {
        output::json(&rows)?;
        return Ok(Exit::Done);
    }
    let mut table = Table::new(["SETTING", "VALUE", "FROM"]);
    for row in rows {
        table.row([
            row.key.to_owned(),
            row.value.unwrap_or_else(|| "-".to_owned()),
            row.origin,
        ]);
    }
    output::print(&table.to_string())?;
    Ok(Exit::Done)
}

fn rows(home: &Home, config: &Config) -> Vec<Row> {
    // Named one by one, so that a setting that is added does not compile until it is shown.
    let Config {
        harness,
        detach_keys,
        log,
        kill_grace_ms,
        retention_session_bytes,
        retention_total_bytes,
        retention_max_age,
        spool_session_bytes,
        spool_total_bytes,
    } = config;
    vec![
        Row {
            key: "home",
            value: Some(home.dir().display().to_string()),
            origin: home.origin().to_string(),
        },
        Row {
            key: "harness",
            value: harness.value.clone(),
            origin: harness.origin.to_string(),
        },
        row("detach_keys", detach_keys),
        row("log", log),
        row("kill_grace_ms", kill_grace_ms),
        optional("retention.session_bytes", retention_session_bytes),
        optional("retention.total_bytes", retention_total_bytes),
        optional("retention.max_age", retention_max_age),
        row("spool.session_bytes", spool_session_bytes),
        row("spool.total_bytes", spool_total_bytes),
    ]
}

fn optional<T: ToString>(key: &'static str, setting: &Setting<Option<T>>) -> Row {
    Row {
        key,
        value: setting.value.as_ref().map(ToString::to_string),
        origin: setting.origin.to_string(),
    }
}

fn row<T: ToString>(key: &'static str, setting: &Setting<T>) -> Row {
    Row {
        key,
        value: Some(setting.value.to_string()),
        origin: setting.origin.to_string(),
    }
}
