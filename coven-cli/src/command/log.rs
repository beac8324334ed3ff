//! `coven log`.

use std::io::{self, IsTerminal};
use std::ops::ControlFlow;

use coven::Code;
use coven_http::client::{Client, Output};
use serde::Serialize;

use crate::answers::{self, Answerer};
use crate::ending;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::follow::{self, ExactOutput, Interrupts, Piece};
use crate::home::Home;
use crate::output::{self, Stdout};
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
    #[arg(short, long, conflicts_with = "offline")]
    follow: bool,
    /// The bytes exactly as they were written
    #[arg(long, conflicts_with = "json")]
    raw: bool,
    /// As JSON: one object on a line for each line of text
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    answers: answers::Args,
}

#[derive(Serialize)]
struct Line<'a> {
    text: &'a str,
}

pub(crate) async fn run(args: &Args, home: &Home) -> Result<Exit, Failure> {
    let look = async |client: &Client| select::session(client, &args.session).await;
    let source = args.answers.source();
    let (mut answerer, session) = source.ask(home, look).await?;
    tell_trimmed(session.trimmed_bytes);
    source.tell_what_waits(home, &session);
    if args.follow {
        ending::tell_out_of_reach(&session);
    }
    let (id, first) = (session.id, session.trimmed_bytes);
    let mut printer = Printer::new(args);
    let mut stdout = Stdout::new();
    if args.follow {
        let output = ExactOutput::of(home, answerer.client(), &id, first);
        return followed(output, answerer.client(), &id, printer, &mut stdout).await;
    }
    let shown = show(&mut answerer, &id, first, &mut printer, &mut stdout).await;
    // What came before it failed is worth having.
    stdout.write(&printer.finish()?).await?;
    shown?;
    Ok(Exit::Done)
}

/// How often output is asked for again that broke off before its first byte.
const MOST_IN_VAIN: usize = 3;

/// Shows what is left of a session's output, from `first` on. Where that breaks off it is asked for
/// from there: the answer says why, or goes on. What was trimmed meanwhile is told where it was.
async fn show(
    answerer: &mut Answerer,
    id: &str,
    mut first: u64,
    printer: &mut Printer,
    stdout: &mut Stdout,
) -> Result<(), Failure> {
    let mut in_vain = 0;
    loop {
        let ask = async |client: &Client| left(client, id, first).await;
        let mut left = answerer.ask(ask).await?;
        let begun = left.first;
        if first < begun {
            stdout.write(&printer.cut()?).await?;
            follow::tell_missing(&(first..begun));
        }
        first = begun;
        loop {
            match left.output.next().await {
                Ok(Some(bytes)) => {
                    in_vain = 0;
                    first += bytes.len() as u64;
                    stdout.write(&printer.read(bytes.into())?).await?;
                }
                Ok(None) => return Ok(()),
                Err(error) if first == begun && in_vain == MOST_IN_VAIN => return Err(error.into()),
                Err(_) => break,
            }
        }
        in_vain += usize::from(first == begun);
    }
}

/// What is left of a session's output.
struct Left {
    output: Output,
    /// Where it begins.
    first: u64,
}

/// What is left from `first` on, or from where it was trimmed to meanwhile.
async fn left(client: &Client, id: &str, mut first: u64) -> Result<Left, Failure> {
    loop {
        match client.output(id, first).await {
            Err(error) if error.code() == Some(Code::OutputTrimmed) => {
                let trimmed = client.session(id).await?.trimmed_bytes;
                if trimmed <= first {
                    return Err(error.into());
                }
                first = trimmed;
            }
            output => {
                let output = output?;
                return Ok(Left { output, first });
            }
        }
    }
}

pub(super) fn tell_trimmed(bytes: u64) {
    if bytes > 0 {
        output::complain(&format!(
            "coven: the first {bytes} bytes of its output were trimmed; this is what is left"
        ));
    }
}

/// All that is recorded, and what comes; at the end, what became of the session.
async fn followed(
    mut output: ExactOutput,
    client: &Client,
    id: &str,
    mut printer: Printer,
    stdout: &mut Stdout,
) -> Result<Exit, Failure> {
    let mut interrupts = Interrupts::listen()?;
    let told = interrupts.during(tell(&mut output, &mut printer, stdout));
    let told = told.await;
    let last = printer.finish()?;
    match told {
        Ok(ControlFlow::Continue(())) => {
            let written = async {
                stdout.write(&last).await?;
                follow::ending(output.absence(), client, id).await
            };
            let written = interrupts.during(written).await?;
            Ok(follow::exit_of(written.map_continue(|_| Exit::Done)))
        }
        broken_off => {
            stdout.write_last(&last).await;
            broken_off.map(|told| follow::exit_of(told.map_continue(|()| Exit::Done)))
        }
    }
}

async fn tell(
    output: &mut ExactOutput,
    printer: &mut Printer,
    stdout: &mut Stdout,
) -> Result<(), Failure> {
    while let Some(piece) = output.next().await? {
        match piece {
            Piece::Written { bytes, .. } => {
                stdout.write(&printer.read(bytes)?).await?;
                stdout.write(&printer.flush()).await?;
            }
            Piece::Trimmed { missing } => {
                stdout.write(&printer.cut()?).await?;
                follow::tell_missing(&missing);
            }
        }
    }
    Ok(())
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

    fn read(&mut self, bytes: Vec<u8>) -> Result<Vec<u8>, Failure> {
        match self {
            Self::Raw => Ok(bytes),
            Self::Text { readable } => Ok(readable.read(&bytes).into_bytes()),
            Self::Json { readable } => lines(&readable.read(&bytes)),
        }
    }

    /// A line that is not whole yet, where a person looks on.
    fn flush(&mut self) -> Vec<u8> {
        match self {
            Self::Text { readable } if io::stdout().is_terminal() => readable.flush().into_bytes(),
            Self::Raw | Self::Text { .. } | Self::Json { .. } => Vec::new(),
        }
    }

    /// What has come, where what comes next does not go on from it.
    fn cut(&mut self) -> Result<Vec<u8>, Failure> {
        match self {
            Self::Raw => Ok(Vec::new()),
            Self::Text { readable } => Ok(readable.cut().into_bytes()),
            Self::Json { readable } => lines(&readable.cut()),
        }
    }

    fn finish(self) -> Result<Vec<u8>, Failure> {
        match self {
            Self::Raw => Ok(Vec::new()),
            Self::Text { readable } => Ok(readable.finish().into_bytes()),
            Self::Json { readable } => lines(&readable.finish()),
        }
    }
}

fn lines(text: &str) -> Result<Vec<u8>, Failure> {
    let lines: Result<String, Failure> = text
        .lines()
        .map(|text| output::json_line(&Line { text }))
        .collect();
    Ok(lines?.into_bytes())
}
