//! `coven events`.

use coven_http::client::{Client, EventsQuery};
use coven_http::wire::{Event, Payload, StatusChange};

use super::log::tell_trimmed;
use crate::absence::Absence;
use crate::answers::{self, Answerer};
use crate::args::whole_number;
use crate::ending::lost_because;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::follow::{self, Interrupts};
use crate::home::Home;
use crate::output;
use crate::select;
use crate::text::one_line;

/// Show what happened to a session, event by event
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Its id, the start of it, or @last; with --follow and none, all sessions from now on
    #[arg(required_unless_present = "follow")]
    session: Option<String>,
    /// Go on with what happens from now on, until the session ends or Ctrl-C
    #[arg(short, long, conflicts_with = "offline")]
    follow: bool,
    /// Only events after this place (an event's seq)
    #[arg(long, value_name = "SEQ", value_parser = whole_number::<u64>)]
    after: Option<u64>,
    /// As JSON, one event on a line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    answers: answers::Args,
}

/// Whose events are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whose {
    /// One session's.
    One,
    /// All sessions': each line names its own.
    All,
}

/// Events asked for at once.
const PAGE: usize = 1000;

/// Characters of an event's text that a line shows.
const SHOWN_CHARS: usize = 100;

pub(crate) async fn run(args: &Args, home: &Home) -> Result<Exit, Failure> {
    let look = async |client: &Client| match &args.session {
        Some(word) => select::session(client, word).await.map(Some),
        None => Ok(None),
    };
    let source = args.answers.source();
    let (mut answerer, session) = source.ask(home, look).await?;
    if let Some(session) = &session {
        source.tell_what_waits(home, session);
        tell_trimmed(session.trimmed_bytes);
    }
    let client = answerer.client().clone();
    let whose = if args.session.is_some() {
        Whose::One
    } else {
        Whose::All
    };
    let show = |event: &Event| {
        if args.json {
            output::json_line(event)
        } else {
            Ok(line(event, whose))
        }
    };
    let told = match session {
        None => client.follow_all(args.after),
        Some(session) if args.follow => client.follow(&session.id, args.after),
        Some(session) => {
            pages(&mut answerer, &session.id, args.after, show).await?;
            return Ok(Exit::Done);
        }
    };
    let mut interrupts = Interrupts::listen()?;
    let mut absence = Absence::of(home, &client);
    let told = follow::each(&mut absence, told, show);
    let told = interrupts.during(told).await?;
    Ok(follow::exit_of(told.map_continue(|()| Exit::Done)))
}

async fn pages(
    answerer: &mut Answerer,
    id: &str,
    after: Option<u64>,
    show: impl Fn(&Event) -> Result<String, Failure>,
) -> Result<(), Failure> {
    let mut query = EventsQuery {
        after_seq: after,
        limit: Some(PAGE),
    };
    loop {
        let ask = async |client: &Client| Ok(client.events(id, query).await?);
        let page = answerer.ask(ask).await?;
        let shown: Result<String, Failure> = page.events.iter().map(&show).collect();
        output::print(&shown?)?;
        match page.next_cursor {
            Some(cursor) if page.has_more => query.after_seq = Some(cursor.after_seq),
            _ => return Ok(()),
        }
    }
}

fn line(event: &Event, whose: Whose) -> String {
    let session = match whose {
        Whose::One => String::new(),
        Whose::All => format!("{}  ", event.session_id),
    };
    format!(
        "{:>8}  {}  {session}{:<10}  {}\n",
        event.seq,
        event.created_at,
        one_line(&event.kind),
        what(&event.payload())
    )
}

fn what(payload: &Payload) -> String {
    match payload {
        Payload::Status(StatusChange::Created) => "created".to_owned(),
        Payload::Status(StatusChange::Running { pid }) => match pid {
            Some(pid) => format!("running as process {pid}"),
            None => "running".to_owned(),
        },
        Payload::Status(StatusChange::Orphaned { reason }) => {
            format!("orphaned: {}", lost_because(reason))
        }
        Payload::Output(output) => format!(
            "{} bytes from {}: {}",
            output.bytes,
            output.offset,
            beginning(&output.data)
        ),
        Payload::Input(input) if input.redacted => {
            format!("{} bytes, not recorded", input.bytes.unwrap_or(0))
        }
        Payload::Input(input) => beginning(&format!("{:?}", input.data)),
        Payload::Resize(size) => format!("{} × {}", size.cols, size.rows),
        Payload::Title(change) => beginning(&change.title),
        Payload::Labels(change) => change.labels.join(", "),
        Payload::Identified(identified) => one_line(&identified.harness_conversation_id),
        Payload::Exit(exit) => match (exit.exit_code, exit.signal, &exit.reason) {
            (Some(code), _, _) => format!("status {code}"),
            (None, Some(signal), _) => format!("signal {signal}"),
            (None, None, Some(reason)) => beginning(reason),
            (None, None, None) => String::new(),
        },
        Payload::Undelivered(input) => match input.written {
            Some(0) => format!("an input of {} bytes was not typed", input.bytes),
            Some(written) => format!(
                "of an input of {} bytes only {written} were typed",
                input.bytes
            ),
            None => format!(
                "an input of {} bytes was typed, or not: nobody knows",
                input.bytes
            ),
        },
        Payload::Trimmed(trim) => {
            format!("{} bytes from {} are gone", trim.bytes, trim.offset)
        }
        Payload::Archived | Payload::Summoned | Payload::Kill | Payload::Deleted => String::new(),
        Payload::Other { json } => beginning(&json.to_string()),
        _ => String::new(),
    }
}

fn beginning(text: &str) -> String {
    let line = one_line(text);
    if line.chars().count() <= SHOWN_CHARS {
        return line;
    }
    let mut start: String = line.chars().take(SHOWN_CHARS).collect();
    start.push('…');
    start
}
