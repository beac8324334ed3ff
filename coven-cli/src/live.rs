//! A session live in the person's terminal, until it ends or they leave.

mod signals;
mod view;

use std::io;
use std::pin::pin;
use std::time::Duration;

use coven_http::client::{Client, Viewer, ViewerWriter};
use tokio::time::{Instant, sleep_until, timeout};

use crate::absence::Absence;
use crate::ending::{self, Ending};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::home::Home;
use crate::live::signals::{Change, Signals};
use crate::live::view::{Shown, show_until_over};
use crate::output;
use crate::terminal::{Awaited, DetachKeys, Keyboard, RawTerminal, Typed};

/// How long more is waited for after an Escape: a person who presses that key does not notice it.
const ESCAPE_PATIENCE: Duration = Duration::from_millis(30);

/// How long the end of a sequence is waited for: over what lies between two reads of one key on a
/// slow line.
const SEQUENCE_PATIENCE: Duration = Duration::from_millis(300);

/// How long a daemon may be away before one is started for a person whose screen stands still: over a
/// restart, or what a service manager needs.
const STANDS_STILL: Duration = Duration::from_millis(300);

/// How long a daemon may take to hear what was typed last, and that we leave.
const LEAVE_PATIENCE: Duration = Duration::from_secs(1);

/// Typed bytes read at once.
const READ_BYTES: usize = 16 * 1024;

/// Shows a session until it ends, the person detaches, or a signal ends the viewer. The session
/// goes on in the latter two. A daemon that goes away is waited for, or started.
///
/// # Errors
/// When there is no terminal, or the daemon goes away for good.
pub(crate) async fn show(
    home: &Home,
    client: &Client,
    id: &str,
    keys: &DetachKeys,
) -> Result<Exit, Failure> {
    // Heard before the terminal is raw: a signal must not leave it so.
    let signals = Signals::listen()?;
    let mut person = Person {
        terminal: RawTerminal::enter().map_err(|error| no_terminal(&error))?,
        keyboard: Keyboard::new(keys.clone()),
        signals,
    };
    let mut absence = Absence::of(home, client);
    let mut untaken_bytes = 0;
    let end = loop {
        let viewer = client.viewer(id, STANDS_STILL);
        let typed = viewer.writer.clone();
        let left = person.view(viewer, client, id, &mut absence).await;
        untaken_bytes += typed.untaken_bytes();
        match left {
            Ok(Left::Suspended) => person
                .terminal
                .suspend()
                .map_err(|error| no_terminal(&error))?,
            Ok(Left::ForGood { end }) => break Ok(end),
            Err(failure) => break Err(failure),
        }
    };
    // Given back before anything is said on it.
    drop(person);
    let is_over = matches!(end, Ok(End::Ended { .. }));
    if untaken_bytes > 0 && !is_over {
        output::complain(&format!(
            "coven: of what was typed, the last {untaken_bytes} bytes may not have arrived"
        ));
    }
    let end = end?;
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

/// Who sits at the terminal.
struct Person {
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

impl Person {
    /// Shows the session until something ends the view. Signals and keys are heard all the while,
    /// whatever the daemon and the terminal's screen are doing.
    async fn view(
        &mut self,
        viewer: Viewer,
        client: &Client,
        id: &str,
        absence: &mut Absence,
    ) -> Result<Left, Failure> {
        let Self {
            terminal,
            keyboard,
            signals,
        } = self;
        let Viewer { reader, writer } = viewer;
        let shown = Shown {
            terminal,
            writer: &writer,
            absence,
        };
        let mut shown = pin!(show_until_over(shown, reader, client, id));
        let left = tokio::select! {
            biased;
            left = heed(signals, terminal, &writer) => match left? {
                Left::Suspended => Left::Suspended,
                ended @ Left::ForGood { .. } => return Ok(ended),
            },
            left = type_on(terminal, keyboard, &writer) => left?,
            left = &mut shown => return left,
        };
        // What was typed before goes on its way, unless the daemon does not take it.
        writer.detach();
        let _ = timeout(LEAVE_PATIENCE, shown).await;
        Ok(left)
    }
}

/// Does what signals ask for, until one ends the view.
async fn heed(
    signals: &mut Signals,
    terminal: &RawTerminal,
    writer: &ViewerWriter,
) -> Result<Left, Failure> {
    loop {
        match signals.next().await {
            Change::Size => tell_size(terminal, writer),
            Change::Stop => return Ok(Left::Suspended),
            Change::Continued => {
                terminal.make_raw().map_err(|error| no_terminal(&error))?;
                writer.redraw();
            }
            Change::End { exit } => return Ok(End::Interrupted { exit }.into()),
        }
    }
}

/// Hands on what is typed, until it says to leave. What is left of it then is dropped.
async fn type_on(
    terminal: &RawTerminal,
    keyboard: &mut Keyboard,
    writer: &ViewerWriter,
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
                Typed::Bytes { data } => {
                    let typed = writer.type_bytes(data.into());
                    typed.map_err(|error| {
                        Failure::new(
                            Exit::Unreachable,
                            format!("{error}; see `coven daemon status`"),
                        )
                    })?;
                }
                Typed::Detach => return Ok(End::Detached.into()),
                Typed::Suspend => return Ok(Left::Suspended),
            }
        }
    }
}

/// The session's terminal takes the size of this one.
fn tell_size(terminal: &RawTerminal, writer: &ViewerWriter) {
    if let Some(size) = terminal.size() {
        writer.resize(size.cols(), size.rows());
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

fn no_terminal(error: &io::Error) -> Failure {
    Failure::failed(format!("the terminal cannot be used: {error}"))
}
