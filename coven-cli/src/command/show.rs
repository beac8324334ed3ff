//! `coven show`.

use coven_http::client::Client;
use coven_http::wire::SessionRecord;

use crate::answers;
use crate::ending::{self, Ending, lost_because};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::home::Home;
use crate::output::{self, Table};
use crate::select;

/// Show all there is to know of one session
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Its id, the start of it, or @last
    session: String,
    /// As JSON: its record
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    answers: answers::Args,
}

pub(crate) async fn run(args: &Args, home: &Home) -> Result<Exit, Failure> {
    let look = async |client: &Client| {
        let record = select::session(client, &args.session).await?;
        let reason = if args.json {
            None
        } else {
            ending::why_it_never_ran(client, &record).await?
        };
        Ok((record, reason))
    };
    let source = args.answers.source();
    let (_, (record, reason)) = source.ask(home, look).await?;
    source.tell_what_waits(home, &record);
    if args.json {
        output::json(&record)?;
    } else {
        output::print(&for_people(&record, reason))?;
    }
    Ok(Exit::Done)
}

fn for_people(record: &SessionRecord, reason: Option<String>) -> String {
    let mut table = Table::new(["SESSION", &record.id]);
    let known = |value: Option<String>| value.filter(|value| !value.is_empty());
    let size = record.cols.zip(record.rows);
    for (what, value) in [
        ("title", Some(record.title.clone())),
        ("status", Some(Ending::of(record).to_string())),
        ("reason", reason),
        ("out of reach", ending::out_of_reach(record)),
        ("lost", record.orphan_reason.as_deref().map(lost_because)),
        ("harness", Some(record.harness.clone())),
        ("model", record.model.clone()),
        ("mode", record.launch_mode.map(mode)),
        ("project", Some(record.project_root.clone())),
        ("directory", record.cwd.clone()),
        ("prompt", record.prompt.clone()),
        ("labels", Some(record.labels.join(", "))),
        ("process", record.pid.map(|pid| pid.to_string())),
        (
            "terminal",
            size.map(|(cols, rows)| format!("{cols} × {rows}")),
        ),
        ("conversation", record.conversation_id.clone()),
        ("continues", record.continues.clone()),
        ("transcript", record.transcript_path.clone()),
        ("created", Some(record.created_at.to_string())),
        ("ended", record.ended_at.map(|at| at.to_string())),
        ("archived", record.archived_at.map(|at| at.to_string())),
        ("output", Some(output(record))),
        ("undelivered", undelivered(record)),
        ("last event", Some(record.last_seq.to_string())),
    ] {
        if let Some(value) = known(value) {
            table.row([what.to_owned(), value]);
        }
    }
    table.to_string()
}

fn output(record: &SessionRecord) -> String {
    let recorded = format!("{} bytes", record.output_bytes);
    match record.trimmed_bytes {
        0 => recorded,
        trimmed => format!("{recorded}, of which the first {trimmed} were trimmed"),
    }
}

/// What was typed and did not reach it.
fn undelivered(record: &SessionRecord) -> Option<String> {
    let inputs = match record.undelivered_inputs {
        0 => return None,
        1 => "1 input".to_owned(),
        more => format!("{more} inputs"),
    };
    Some(format!(
        "{inputs} that did not reach it whole: `coven events {}` tells of each",
        record.id
    ))
}

fn mode(mode: coven_http::wire::LaunchMode) -> String {
    use coven_http::wire::LaunchMode;
    match mode {
        LaunchMode::Interactive => "interactive",
        LaunchMode::NonInteractive => "noninteractive",
        LaunchMode::Stream => "stream",
    }
    .to_owned()
}
