//! Following a session without a terminal: its output, or its events, until it ends.

mod exact;
mod interrupts;
mod line_ends;
mod screen;

use std::ops::{ControlFlow, Range};
use std::time::Duration;

use coven_http::client::{Client, Follow};
use coven_http::wire::{Channel, Event};
use tokio::io::AsyncWriteExt;

use crate::absence::{Absence, QUIET};
use crate::ending::{self, Ending};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::home::Home;
use crate::output::{self, Stdout};

pub(crate) use exact::{ExactOutput, Piece};
pub(crate) use interrupts::Interrupts;
use screen::Screen;

/// How long a daemon that went away may take to come back, for who does not wait longer.
const PATIENCE: Duration = Duration::from_secs(5);

/// The session's events from its first, or from after a place.
pub(crate) fn events(client: &Client, id: &str, after: Option<u64>) -> Follow {
    client.follow(id, after).patience(PATIENCE)
}

/// Writes a session's output to stdout (and what a piped agent writes to its stderr, to ours)
/// until it ends, as its process wrote it. A signal breaks that off, whoever does not read.
///
/// # Errors
/// When the daemon goes away for good, or stdout.
pub(crate) async fn output(home: &Home, client: &Client, id: &str) -> Result<Exit, Failure> {
    let mut screen = Screen::of_stdout();
    let mut stdout = Stdout::new();
    let shown = async {
        let mut output = ExactOutput::of(home, client, id, 0);
        show(&mut output, &mut screen, &mut stdout).await?;
        stdout.write(&screen.end()).await?;
        ending(output.absence(), client, id).await
    };
    let shown = Interrupts::listen()?.during(shown).await;
    if let Ok(ControlFlow::Continue(exit)) = shown {
        return Ok(exit);
    }
    stdout.write_last(&screen.end()).await;
    shown.map(exit_of)
}

/// Prints every event as `show` has it, until the session ends.
///
/// # Errors
/// When the daemon goes away for good, or stdout, or what `show` returns.
pub(crate) async fn each(
    absence: &mut Absence,
    follow: Follow,
    mut show: impl FnMut(&Event) -> Result<String, Failure>,
) -> Result<(), Failure> {
    let mut follow = follow.patience(QUIET);
    let mut stdout = Stdout::new();
    loop {
        let event = match follow.next().await {
            Ok(Some(event)) => event,
            Ok(None) => return Ok(()),
            Err(error) => {
                absence.bear(error).await?;
                continue;
            }
        };
        absence.is_over();
        for lost in follow.take_damaged() {
            let whose = match &lost.session_id {
                Some(session) => format!("of session {session} "),
                None => String::new(),
            };
            output::complain(&format!(
                "coven: events {whose}between {} and {} are damaged and left out: {}; `coven doctor --store` tells more",
                lost.first_seq, lost.last_seq, lost.problem
            ));
        }
        stdout.write(show(&event)?.as_bytes()).await?;
    }
}

/// Says on stderr which bytes of a session's output, counted from 0, are missing right here.
pub(crate) fn tell_missing(missing: &Range<u64>) {
    let (first, last) = (missing.start, missing.end.saturating_sub(1));
    output::complain(&format!(
        "coven: bytes {first} to {last} of its output were trimmed before they were read, and are missing here"
    ));
}

/// How the session stands now, as an exit status; what that does not say is told on stderr.
///
/// # Errors
/// When the daemon cannot say.
pub(crate) async fn ending(
    absence: &mut Absence,
    client: &Client,
    id: &str,
) -> Result<Exit, Failure> {
    let record = absence.ask(async |client| client.session(id).await).await?;
    if let Some(told) = ending::told(client, &record).await? {
        output::complain(&format!("coven: {told}"));
    }
    Ok(Ending::of(&record).exit())
}

/// The exit of what came to its end, or was interrupted.
pub(crate) fn exit_of(ended: ControlFlow<Exit, Exit>) -> Exit {
    match ended {
        ControlFlow::Continue(exit) | ControlFlow::Break(exit) => exit,
    }
}

async fn show(
    output: &mut ExactOutput,
    screen: &mut Screen,
    stdout: &mut Stdout,
) -> Result<(), Failure> {
    let mut stderr = tokio::io::stderr();
    while let Some(piece) = output.next().await? {
        let (channel, bytes) = match piece {
            Piece::Written { channel, bytes } => (channel, bytes),
            Piece::Trimmed { missing } => {
                stdout.write(&screen.cut()).await?;
                tell_missing(&missing);
                continue;
            }
        };
        match channel {
            Channel::Tty => stdout.write(&screen.pass(bytes)).await?,
            Channel::Stdout => stdout.write(&bytes).await?,
            Channel::Stderr => {
                // Where stderr cannot be written, stdout is still worth having.
                let _ = stderr.write_all(&bytes).await;
                let _ = stderr.flush().await;
            }
        }
    }
    Ok(())
}
