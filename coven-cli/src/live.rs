//! A session live in the person's terminal, until it ends or they leave.

mod signals;
mod to_daemon;

use std::io;
use std::pin::pin;
use std::time::Duration;

use coven_http::client::{Attach, AttachReader, Client, Frame};
use coven_http::wire::FromDaemon;
use tokio::time::{Instant, sleep_until, timeout};

use crate::ending::{self, Ending};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::live::signals::{Change, Signals};
use crate::live::to_daemon::{ToDaemon, Waiting};
use crate::output;
use crate::terminal::{Awaited, DetachKeys, Keyboard, RawTerminal, Typed};

/// How long more is waited for after an Escape: a person who presses that key does not notice it.
const ESCAPE_PATIENCE: Duration = Duration::from_millis(30);

/// How long the end of a sequence is waited for: over what lies between two reads of one key on a
/// slow line.
const SEQUENCE_PATIENCE: Duration = Duration::from_millis(300);

/// How long a daemon may take to hear what was typed last, and that we leave.
const LEAVE_PATIENCE: Duration = Duration::from_secs(1);

/// Typed bytes read at once.
const READ_BYTES: usize = 16 * 1024;

/// Shows a session until it ends, the person detaches, or a signal ends the viewer. The session
/// goes on in the latter two.
///
/// # Errors
/// When there is no terminal, or the daemon goes away.
pub(crate) async fn show(client: &Client, id: &str, keys: &DetachKeys) -> Result<Exit, Failure> {
    // Heard before the terminal is raw: a signal must not leave it so.
    let signals = Signals::listen()?;
    let mut viewer = Viewer {
        terminal: RawTerminal::enter().map_err(|error| no_terminal(&error))?,
        keyboard: Keyboard::new(keys.clone()),
        signals,
    };
    let end = loop {
        match viewer.view(client, id).await? {
            Left::Suspended => viewer
                .terminal
                .suspend()
                .map_err(|error| no_terminal(&error))?,
            Left::ForGood { end } => break end,
        }
    };
    // Given back before anything is said on it.
    drop(viewer);
    Ok(match end {
        End::Ended { ending } => {
            tell_ending(client, id, ending).await;
            ending.exit()
        }
        End::Detached => {
            output::tell(&format!(
                "coven: detached; the session goes on, `coven attach {id}` shows it again"
            ));
            Exit::Detached
        }
        End::Interrupted { exit } => exit,
    })
}

struct Viewer {
    terminal: RawTerminal,
    keyboard: Keyboard,
    signals: Signals,
}

/// Why a view ended.
enum Left {
    /// Ctrl-Z, or the signal for it: there will be another.
    Suspended,
    /// There will be none.
    ForGood { end: End },
}

/// Why there is nothing more to view.
enum End {
    /// The session is over.
    Ended { ending: Ending },
    /// The person left.
    Detached,
    /// A signal ended the viewer, or its terminal is gone.
    Interrupted { exit: Exit },
}

impl From<End> for Left {
    fn from(end: End) -> Self {
        Self::ForGood { end }
    }
}

impl Viewer {
    /// Attaches, and shows the session until something ends the view. Signals and keys are
    /// heard all the while, whatever the daemon and the terminal's screen are doing.
    async fn view(&mut self, client: &Client, id: &str) -> Result<Left, Failure> {
        let Self {
            terminal,
            keyboard,
            signals,
        } = self;
        let (to_daemon, waiting) = ToDaemon::new();
        let mut shown = pin!(show_until_over(terminal, client, id, &to_daemon, waiting));
        let left = tokio::select! {
            biased;
            left = heed(signals, terminal, &to_daemon) => match left? {
                Left::Suspended => Left::Suspended,
                ended @ Left::ForGood { .. } => return Ok(ended),
            },
            left = type_on(terminal, keyboard, &to_daemon) => left?,
            left = &mut shown => return left,
        };
        // What was typed before goes on its way, unless the daemon does not take it.
        to_daemon.leave();
        let _ = timeout(LEAVE_PATIENCE, shown).await;
        Ok(left)
    }
}

/// Does what signals ask for, until one ends the view.
async fn heed(
    signals: &mut Signals,
    terminal: &RawTerminal,
    to_daemon: &ToDaemon,
) -> Result<Left, Failure> {
    loop {
        match signals.next().await {
            Change::Size => to_daemon.tell_size(),
            Change::Stop => return Ok(Left::Suspended),
            Change::Continued => {
                terminal.make_raw().map_err(|error| no_terminal(&error))?;
                to_daemon.ask_for_redraw();
            }
            Change::End { exit } => return Ok(End::Interrupted { exit }.into()),
        }
    }
}

/// Hands on what is typed, until it says to leave. What is left of it then is dropped.
async fn type_on(
    terminal: &RawTerminal,
    keyboard: &mut Keyboard,
    to_daemon: &ToDaemon,
) -> Result<Left, Failure> {
    let mut buffer = vec![0; READ_BYTES];
    // When a key whose end has not come is given up.
    let mut key_deadline = None;
    loop {
        let typed = tokio::select! {
            // What has come in time is read, however late we get to it.
            biased;
            read = terminal.read(&mut buffer) => {
                let len = read.map_err(|error| no_terminal(&error))?;
                if len == 0 {
                    return Ok(End::Interrupted { exit: Exit::Signal { signal: 1 } }.into());
                }
                let typed = keyboard.read(&buffer[..len]);
                key_deadline = keyboard.awaited().map(|awaited| Instant::now() + match awaited {
                    Awaited::Escape => ESCAPE_PATIENCE,
                    Awaited::Sequence => SEQUENCE_PATIENCE,
                });
                typed
            }
            () = until(key_deadline) => {
                key_deadline = None;
                keyboard.flush()
            }
        };
        for typed in typed {
            match typed {
                Typed::Bytes { data } => to_daemon.type_bytes(data)?,
                Typed::Detach => return Ok(End::Detached.into()),
                Typed::Suspend => return Ok(Left::Suspended),
            }
        }
    }
}

/// Shows what the daemon sends and sends what is to be told, each at its own pace, until the
/// session is over or the daemon has been told that we leave.
async fn show_until_over(
    terminal: &RawTerminal,
    client: &Client,
    id: &str,
    to_daemon: &ToDaemon,
    mut waiting: Waiting,
) -> Result<Left, Failure> {
    let Attach { reader, writer } = client.attach(id).await?;
    tokio::select! {
        () = to_daemon.send(&mut waiting, writer, || terminal.size()) => {
            Ok(End::Detached.into())
        }
        read = read_on(reader, terminal, to_daemon) => match read? {
            Read::Ended { ending } => Ok(End::Ended { ending }.into()),
            Read::Closed { reason } => gone(client, id, reason).await,
        },
    }
}

/// How reading from the daemon ended.
enum Read {
    /// It told the session's end.
    Ended { ending: Ending },
    /// It told nothing more, or why.
    Closed { reason: Option<String> },
}

/// Shows what the daemon sends, to its end.
async fn read_on(
    mut reader: AttachReader,
    terminal: &RawTerminal,
    to_daemon: &ToDaemon,
) -> Result<Read, Failure> {
    let mut refusal = None;
    loop {
        let control = match reader.next().await {
            Ok(Some(Frame::Bytes(bytes))) => {
                let written = terminal.write(&bytes).await;
                written.map_err(|error| no_terminal(&error))?;
                continue;
            }
            Ok(Some(Frame::Control(control))) => control,
            Ok(None) => return Ok(Read::Closed { reason: refusal }),
            Err(error) => {
                return Ok(Read::Closed {
                    reason: Some(error.to_string()),
                });
            }
        };
        match control {
            FromDaemon::Hello { live: true, .. } => to_daemon.tell_size(),
            FromDaemon::Exit {
                status,
                exit_code,
                signal,
                ..
            } => {
                let ending = Ending {
                    status,
                    exit_code,
                    signal,
                };
                return Ok(Read::Ended { ending });
            }
            FromDaemon::Error { message, .. } => refusal = Some(message),
            // Ours is the window's size; a frame of a newer daemon is not ours to understand.
            _ => {}
        }
    }
}

/// Says what became of a session; as far as is known, where the daemon is gone by now.
async fn tell_ending(client: &Client, id: &str, ending: Ending) {
    let told = async {
        let record = client.session(id).await?;
        ending::told(client, &record).await
    };
    match told.await {
        Ok(Some(told)) => output::complain(&format!("coven: {told}")),
        Ok(None) | Err(_) => output::tell(&format!("coven: session {id} {ending}")),
    }
}

/// Waits for a deadline; for ever, where there is none.
async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

/// The socket closed without a word of the session's end.
async fn gone(client: &Client, id: &str, reason: Option<String>) -> Result<Left, Failure> {
    if let Ok(record) = client.session(id).await
        && record.ended_at.is_some()
    {
        let ending = Ending::of(&record);
        return Ok(End::Ended { ending }.into());
    }
    let reason = reason.map(|reason| format!(" ({reason})"));
    Err(Failure::new(
        Exit::Unreachable,
        format!(
            "the daemon closed the view of session {id}{}; see `coven daemon status`",
            reason.unwrap_or_default()
        ),
    ))
}

fn no_terminal(error: &io::Error) -> Failure {
    Failure::failed(format!("the terminal cannot be used: {error}"))
}
