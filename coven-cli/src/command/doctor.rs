//! `coven doctor`.

mod harness;
mod home;
mod service;
mod spools;
mod store;

use std::path::PathBuf;

use serde::Serialize;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::home::Home;
use crate::output::{self, Table};

/// Tell what works here, what does not, and what to do about it
#[derive(Debug, clap::Args)]
#[command(after_help = "\
It only looks: no daemon is started, nothing is written. Ends with 1 when something keeps sessions
from being run.

With --store it looks at every byte of the event log instead, which no daemon may have open, and ends
with 119 when the log is damaged. --salvage then writes everything that is whole into a new home; the
damaged one stays as it is.")]
pub(crate) struct Args {
    /// The project whose trust is looked at [default: the one we are in]
    #[arg(long, value_name = "DIR")]
    project: Option<String>,
    /// Look at everything in the event log, which no daemon may have open
    #[arg(long, conflicts_with = "project")]
    store: bool,
    /// Write everything that is whole in the log into a new home, which must not exist or be empty, or
    /// be what a salvage left that was broken off
    #[arg(long, value_name = "NEW_HOME", requires = "store")]
    salvage: Option<PathBuf>,
    /// As JSON: an array of findings; with --store, one object
    #[arg(long)]
    json: bool,
}

/// One thing that was looked at.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Finding {
    /// What.
    subject: String,
    state: State,
    /// What was found.
    found: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    advice: Option<String>,
}

/// How a thing is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    /// It works.
    Ok,
    /// It works, or is not needed, but there is something to know.
    Note,
    /// It keeps sessions from being run.
    Bad,
}

pub(crate) async fn run(args: &Args, home: &Home) -> Result<Exit, Failure> {
    if args.store {
        let form = if args.json {
            store::Form::Json
        } else {
            store::Form::Text
        };
        return store::run(home, args.salvage.as_deref(), form).await;
    }
    let mut findings = home::look(home).await;
    findings.extend(harness::look(home, args.project.as_deref()).await?);
    if args.json {
        output::json(&findings)?;
    } else {
        output::print(&for_people(&findings))?;
    }
    let bad = findings.iter().any(|finding| finding.state == State::Bad);
    Ok(if bad { Exit::Failed } else { Exit::Done })
}

fn for_people(findings: &[Finding]) -> String {
    let mut table = Table::new(["", "WHAT", "FOUND"]);
    for finding in findings {
        table.row([
            finding.state.as_str().to_owned(),
            finding.subject.clone(),
            finding.found.clone(),
        ]);
    }
    let mut text = table.to_string();
    let advice: Vec<String> = findings
        .iter()
        .filter_map(|finding| {
            let advice = finding.advice.as_ref()?;
            Some(format!(
                "  {}: {}\n",
                finding.subject,
                crate::text::one_line(advice)
            ))
        })
        .collect();
    if !advice.is_empty() {
        text.push_str("\nWhat to do:\n");
        text.extend(advice);
    }
    text
}

impl State {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Note => "note",
            Self::Bad => "BAD",
        }
    }
}

impl Finding {
    fn new(subject: impl Into<String>, state: State, found: impl Into<String>) -> Self {
        Self {
            subject: subject.into(),
            state,
            found: found.into(),
            advice: None,
        }
    }

    fn advise(self, advice: impl Into<String>) -> Self {
        Self {
            advice: Some(advice.into()),
            ..self
        }
    }
}
