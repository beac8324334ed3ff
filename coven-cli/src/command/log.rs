//! `coven log`.

use std::io::{self, IsTerminal};

use coven_http::client::Client;
use coven_http::wire::{Output, Payload};
use serde::Serialize;

use crate::connect;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::follow::{self, Interrupts};
use crate::home::Home;
use crate::output;
use crate::select;
use crate::text::{Colours, Readable};

/// Show what a session's agent wrote, as text
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Nothing in the output can steer your terminal: only text, line breaks and colours pass, and
characters that turn text around are shown by name. --raw passes everything.")]
pub(crate) struct Args {
    /// Its id, the start of it, or @last
    session: String,
    /// Go on with what it writes from now on, until it ends or Ctrl-C
    #[arg(short, long)]
    follow: bool,
    /// The bytes exactly as they were written
    #[arg(long, conflicts_with = "json")]
    raw: bool,
    /// As JSON: one object on a line for each line of text
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Line<'a> {
    text: &'a str,
}

pub(crate) async fn run(args: &Args, home: &Home) -> Result<Exit, Failure> {
    let client = connect::reach(home).await?;
    let id = select::session(&client, &args.session).await?.id;
    let mut printer = Printer::new(args);
    let exit = if args.follow {
        followed(&client, &id, args, &mut printer).await?
    } else {
        recorded(&client, &id, &mut printer).await?;
        Exit::Done
    };
    printer.finish()?;
    Ok(exit)
}

/// All that is recorded now.
async fn recorded(client: &Client, id: &str, printer: &mut Printer) -> Result<(), Failure> {
    let mut output = client.output(id, 0).await?;
    while let Some(bytes) = output.next().await? {
        printer.print(&bytes)?;
    }
    Ok(())
}

/// All that is recorded, and what comes.
async fn followed(
    client: &Client,
    id: &str,
    args: &Args,
    printer: &mut Printer,
) -> Result<Exit, Failure> {
    let mut events = follow::events(client, id, None);
    let mut interrupts = Interrupts::listen()?;
    loop {
        let event = tokio::select! {
            event = events.next() => event?,
            exit = interrupts.next() => return Ok(exit),
        };
        let Some(event) = event else {
            return Ok(Exit::Done);
        };
        if let Payload::Output(part) = event.payload() {
            printer.print(&bytes(client, id, args, part).await?)?;
            printer.flush()?;
        }
    }
}

async fn bytes(client: &Client, id: &str, args: &Args, part: Output) -> Result<Vec<u8>, Failure> {
    if args.raw {
        follow::exact(client, id, &part).await
    } else {
        Ok(part.data.into_bytes())
    }
}

/// What becomes of the output.
enum Printer {
    Raw,
    Text { readable: Readable },
    Json { readable: Readable },
}

impl Printer {
    fn new(args: &Args) -> Self {
        if args.raw {
            return Self::Raw;
        }
        if args.json {
            let readable = Readable::new(Colours::Drop);
            Self::Json { readable }
        } else {
            let readable = Readable::new(Colours::suiting(&io::stdout()));
            Self::Text { readable }
        }
    }

    fn print(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        match self {
            Self::Raw => output::bytes(bytes),
            Self::Text { readable } => output::print(&readable.read(bytes)),
            Self::Json { readable } => lines(&readable.read(bytes)),
        }
    }

    /// Shows a line that is not whole yet, where a person looks on.
    fn flush(&mut self) -> Result<(), Failure> {
        match self {
            Self::Text { readable } if io::stdout().is_terminal() => {
                output::print(&readable.flush())
            }
            Self::Raw | Self::Text { .. } | Self::Json { .. } => Ok(()),
        }
    }

    fn finish(self) -> Result<(), Failure> {
        match self {
            Self::Raw => Ok(()),
            Self::Text { readable } => output::print(&readable.finish()),
            Self::Json { readable } => lines(&readable.finish()),
        }
    }
}

fn lines(text: &str) -> Result<(), Failure> {
    text.lines()
        .try_for_each(|text| output::json_line(&Line { text }))
}
