//! A session live in the person's terminal, until it ends or they leave.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use coven_http::client::{Attach, AttachWriter, Client, Frame};
use coven_http::wire::FromDaemon;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{Instant, sleep_until};

use crate::ending::Ending;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::follow::Interrupts;
use crate::output;
use crate::terminal::{DetachKeys, Keyboard, RawTerminal, Typed};

/// How long the end of a key's sequence is waited for: far over what lies between two reads of
/// one key, far under what a person notices.
const KEY_PATIENCE: Duration = Duration::from_millis(30);

/// Typed bytes read at once.
const READ_BYTES: usize = 16 * 1024;

/// Shows a session until it ends, the person detaches, or a signal ends the viewer. The session
/// goes on in the latter two.
///
/// # Errors
/// When there is no terminal, or the daemon goes away.
pub(crate) async fn show(client: &Client, id: &str, keys: &DetachKeys) -> Result<Exit, Failure> {
    let mut viewer = Viewer {
        terminal: RawTerminal::enter().map_err(|error| no_terminal(&error))?,
        keyboard: Keyboard::new(keys.clone()),
        key_deadline: None,
        signals: Signals::listen()?,
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
            output::tell(&format!("coven: session {id} {ending}"));
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
    /// When a key whose end has not come is given up.
    key_deadline: Option<Instant>,
    signals: Signals,
}

/// Why a view ended.
enum Left {
    /// Ctrl-Z: there will be another.
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
    /// Attaches, and shows the session until something ends the view.
    async fn view(&mut self, client: &Client, id: &str) -> Result<Left, Failure> {
        let Attach {
            mut reader,
            mut writer,
        } = client.attach(id).await?;
        let mut refusal = None;
        let mut typed = vec![0; READ_BYTES];
        loop {
            tokio::select! {
                frame = reader.next() => match frame {
                    Ok(Some(Frame::Bytes(bytes))) => self.write(&bytes).await?,
                    Ok(Some(Frame::Control(control))) => {
                        if let Some(left) = self.control(control, &mut writer, &mut refusal).await {
                            return Ok(left);
                        }
                    }
                    Ok(None) => return gone(client, id, refusal).await,
                    Err(error) => return gone(client, id, Some(error.to_string())).await,
                },
                read = self.terminal.read(&mut typed) => {
                    let len = read.map_err(|error| no_terminal(&error))?;
                    if len == 0 {
                        return Ok(End::Interrupted { exit: Exit::Signal { signal: 1 } }.into());
                    }
                    let read = self.keyboard.read(&typed[..len]);
                    let waiting = self.keyboard.is_waiting();
                    self.key_deadline = waiting.then(|| Instant::now() + KEY_PATIENCE);
                    if let Some(left) = pass(read, &mut writer).await {
                        return Ok(left);
                    }
                }
                () = until(self.key_deadline) => {
                    self.key_deadline = None;
                    let rest = self.keyboard.flush();
                    if let Some(left) = pass(rest, &mut writer).await {
                        return Ok(left);
                    }
                }
                change = self.signals.next() => match change {
                    Change::Size => self.tell_size(&mut writer).await,
                    Change::Continued => {
                        self.terminal.make_raw().map_err(|error| no_terminal(&error))?;
                        self.redraw(&mut writer).await;
                    }
                    Change::End { exit } => return Ok(End::Interrupted { exit }.into()),
                },
            }
        }
    }

    async fn write(&self, bytes: &[u8]) -> Result<(), Failure> {
        self.terminal
            .write(bytes)
            .await
            .map_err(|error| no_terminal(&error))
    }

    async fn control(
        &self,
        control: FromDaemon,
        writer: &mut AttachWriter,
        refusal: &mut Option<String>,
    ) -> Option<Left> {
        match control {
            FromDaemon::Hello { live: true, .. } => self.tell_size(writer).await,
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
                return Some(End::Ended { ending }.into());
            }
            FromDaemon::Error { message, .. } => *refusal = Some(message),
            // Ours is the window's size; a frame of a newer daemon is not ours to understand.
            _ => {}
        }
        None
    }

    async fn tell_size(&self, writer: &mut AttachWriter) {
        if let Some(size) = self.terminal.size() {
            // A socket that cannot be written ends its reader too, and that is where it is told.
            let _ = writer.resize(size.cols(), size.rows()).await;
        }
    }

    /// Has the agent draw its screen anew, which programs do when their window's size changes.
    async fn redraw(&self, writer: &mut AttachWriter) {
        if let Some(size) = self.terminal.size() {
            let fewer = size.rows().saturating_sub(1).max(1);
            let _ = writer.resize(size.cols(), fewer).await;
            let _ = writer.resize(size.cols(), size.rows()).await;
        }
    }
}

/// Waits for a deadline; for ever, where there is none.
async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

/// Sends what was typed. What is left of it after a detach or a suspend is dropped.
async fn pass(typed: Vec<Typed>, writer: &mut AttachWriter) -> Option<Left> {
    for typed in typed {
        match typed {
            Typed::Bytes { data } => {
                let _ = writer.type_bytes(Bytes::from(data)).await;
            }
            Typed::Detach => {
                let _ = writer.detach().await;
                return Some(End::Detached.into());
            }
            Typed::Suspend => {
                let _ = writer.detach().await;
                return Some(Left::Suspended);
            }
        }
    }
    None
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

struct Signals {
    size: Signal,
    continued: Signal,
    quit: Signal,
    interrupts: Interrupts,
}

enum Change {
    Size,
    Continued,
    End { exit: Exit },
}

impl Signals {
    fn listen() -> Result<Self, Failure> {
        let listen = |kind| {
            signal(kind)
                .map_err(|error| Failure::failed(format!("signals cannot be received: {error}")))
        };
        let continued = rustix::process::Signal::CONT.as_raw();
        Ok(Self {
            size: listen(SignalKind::window_change())?,
            continued: listen(SignalKind::from_raw(continued))?,
            quit: listen(SignalKind::quit())?,
            interrupts: Interrupts::listen()?,
        })
    }

    async fn next(&mut self) -> Change {
        tokio::select! {
            _ = self.size.recv() => Change::Size,
            _ = self.continued.recv() => Change::Continued,
            _ = self.quit.recv() => Change::End { exit: Exit::Signal { signal: 3 } },
            exit = self.interrupts.next() => Change::End { exit },
        }
    }
}
