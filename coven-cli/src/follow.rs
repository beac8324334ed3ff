//! Following a session without a terminal: its output, or its events, until it ends.

mod exact;
mod line_ends;
mod screen;

use std::io;
use std::time::Duration;

use coven_http::client::{Client, Follow};
use coven_http::wire::{Channel, Event, Output, Payload};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::ending::Ending;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;

pub(crate) use exact::exact;
use screen::Screen;

/// How long a daemon that went away may take to come back before a follow gives up.
const PATIENCE: Duration = Duration::from_secs(5);

/// The session's events from its first, or from after a place.
pub(crate) fn events(client: &Client, id: &str, after: Option<u64>) -> Follow {
    client.follow(id, after).patience(PATIENCE)
}

/// Writes a session's output to stdout (and what a piped agent writes to its stderr, to ours)
/// until it ends, as its process wrote it.
///
/// # Errors
/// When the daemon goes away for good, or stdout.
pub(crate) async fn output(client: &Client, id: &str) -> Result<Exit, Failure> {
    let mut follow = events(client, id, None);
    let mut screen = Screen::of_stdout();
    let mut interrupts = Interrupts::listen()?;
    let interrupted = loop {
        let event = tokio::select! {
            event = follow.next() => event?,
            exit = interrupts.next() => break Some(exit),
        };
        let Some(event) = event else { break None };
        if let Payload::Output(part) = event.payload() {
            write(client, id, &part, &mut screen).await?;
        }
    };
    output::bytes(&screen.end())?;
    match interrupted {
        Some(exit) => Ok(exit),
        None => ending(client, id).await,
    }
}

/// Gives every event to `show` until the session ends.
///
/// # Errors
/// When the daemon goes away for good, or what `show` returns.
pub(crate) async fn each(
    mut follow: Follow,
    mut show: impl FnMut(&Event) -> Result<(), Failure>,
) -> Result<Option<Exit>, Failure> {
    let mut interrupts = Interrupts::listen()?;
    loop {
        tokio::select! {
            event = follow.next() => match event? {
                Some(event) => show(&event)?,
                None => return Ok(None),
            },
            exit = interrupts.next() => return Ok(Some(exit)),
        }
    }
}

/// How the session stands now, as an exit status.
///
/// # Errors
/// When the daemon cannot say.
pub(crate) async fn ending(client: &Client, id: &str) -> Result<Exit, Failure> {
    Ok(Ending::of(&client.session(id).await?).exit())
}

async fn write(
    client: &Client,
    id: &str,
    part: &Output,
    screen: &mut Screen,
) -> Result<(), Failure> {
    let bytes = exact(client, id, part).await?;
    match part.channel {
        Channel::Tty => output::bytes(&screen.pass(bytes)),
        Channel::Stdout => output::bytes(&bytes),
        Channel::Stderr => {
            // Where stderr cannot be written, stdout is still worth having.
            let _ = io::Write::write_all(&mut io::stderr(), &bytes);
            Ok(())
        }
    }
}

/// The signals that end a follow and leave the session alone.
pub(crate) struct Interrupts {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Interrupts {
    /// Listens from now on.
    ///
    /// # Errors
    /// When the system does not let us.
    pub(crate) fn listen() -> Result<Self, Failure> {
        let listen = |kind| {
            signal(kind)
                .map_err(|error| Failure::failed(format!("signals cannot be received: {error}")))
        };
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            hangup: listen(SignalKind::hangup())?,
        })
    }

    /// How to end, once one has come. Ctrl-C detaches. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Exit {
        tokio::select! {
            _ = self.interrupt.recv() => Exit::Detached,
            _ = self.terminate.recv() => Exit::Signal { signal: 15 },
            _ = self.hangup.recv() => Exit::Signal { signal: 1 },
        }
    }
}
