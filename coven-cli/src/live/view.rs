//! What is shown of a session, and what is done while its daemon is away.

use std::pin::pin;
use std::time::Duration;

use coven_http::client::{Client, Error, Frame, ViewerReader, ViewerWriter};
use coven_http::wire::FromDaemon;
use tokio::time::{Instant, sleep_until};

use super::{End, Left, no_terminal, tell_size};
use crate::absence::{Absence, QUIET};
use crate::ending::Ending;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::terminal::RawTerminal;

/// What the title says while the daemon is away.
const WAITING: &str = "coven: waiting for the daemon";

/// Where a session is shown.
pub(super) struct Shown<'a> {
    pub(super) terminal: &'a RawTerminal,
    pub(super) writer: &'a ViewerWriter,
    pub(super) absence: &'a mut Absence,
}

/// Whether the title says that the daemon is away, which it does once that has lasted for [`QUIET`]; it is
/// taken back when this goes.
struct Title<'a> {
    terminal: &'a RawTerminal,
    /// When it is to be set, while the daemon is away.
    due: Option<Instant>,
    is_set: bool,
}

/// Shows what the daemon sends, and the next one after it, until the session is over or the daemon
/// has been told that we leave.
pub(super) async fn show_until_over(
    shown: Shown<'_>,
    mut reader: ViewerReader,
    client: &Client,
    id: &str,
) -> Result<Left, Failure> {
    let Shown {
        terminal,
        writer,
        absence,
    } = shown;
    let mut title = Title {
        terminal,
        due: None,
        is_set: false,
    };
    let mut is_drawn = false;
    let mut refusal = None;
    loop {
        let control = match title.during(reader.next()).await {
            Ok(Some(Frame::Bytes(bytes))) => {
                let written = terminal.write(&bytes).await;
                written.map_err(|error| no_terminal(&error))?;
                continue;
            }
            Ok(Some(Frame::Control(control))) => control,
            Ok(None) => return closed(client, id, refusal).await,
            Err(error) => {
                title.is_due_after(&error);
                let departure = title.during(absence.departure(error)).await?;
                if let Some(departure) = departure {
                    title.during(absence.end(departure)).await?;
                }
                continue;
            }
        };
        match control {
            FromDaemon::Hello { live, resumed, .. } => {
                absence.is_over();
                title.clear();
                if std::mem::replace(&mut is_drawn, true) && !resumed {
                    let cleared = terminal.start_over().await;
                    cleared.map_err(|error| no_terminal(&error))?;
                }
                if live {
                    tell_size(terminal, writer);
                }
            }
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
                return Ok(End::Ended { ending }.into());
            }
            FromDaemon::Detached { .. } => return Ok(End::Detached.into()),
            FromDaemon::Error { message, .. } => refusal = Some(message),
            // Ours is the window's size; a frame of a newer daemon is not ours to understand.
            _ => {}
        }
    }
}

impl Title<'_> {
    /// The daemon is away, as this says.
    fn is_due_after(&mut self, error: &Error) {
        let waited = match error {
            Error::Away { waited, .. } => *waited,
            _ => Duration::ZERO,
        };
        self.due
            .get_or_insert_with(|| Instant::now() + QUIET.saturating_sub(waited));
    }

    /// Does something meanwhile, and sets it when that is due.
    async fn during<T>(&mut self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        if let Some(due) = self.due
            && !self.is_set
        {
            tokio::select! {
                biased;
                done = &mut work => return done,
                () = sleep_until(due) => {
                    self.terminal.entitle(WAITING);
                    self.is_set = true;
                }
            }
        }
        work.await
    }

    fn clear(&mut self) {
        self.due = None;
        if std::mem::take(&mut self.is_set) {
            self.terminal.untitle();
        }
    }
}

impl Drop for Title<'_> {
    fn drop(&mut self) {
        self.clear();
    }
}

/// The view was closed without a word of the session's end.
async fn closed(client: &Client, id: &str, reason: Option<String>) -> Result<Left, Failure> {
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
