//! What is shown of a session that was just launched.

use std::io::{self, IsTerminal};

use coven_http::client::Client;
use coven_http::wire::{LaunchMode, SessionRecord};

use crate::absence::Absence;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::follow::{self, Interrupts};
use crate::home::Home;
use crate::terminal::{self, DetachKeys};
use crate::{live, output};

/// What its launcher asked for on the command line.
#[derive(Clone, Copy, Debug)]
pub(in crate::command) struct Wanted {
    /// `--detach`
    pub(in crate::command) detach: bool,
    /// `--json`
    pub(in crate::command) json: bool,
}

/// What is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::command) enum Shown {
    /// Its id; it is left running.
    Id,
    /// Its record, as JSON; it is left running.
    Record,
    /// Its terminal, live.
    Live,
    /// Its output.
    Output,
    /// Its events, as JSON.
    Events,
}

impl Shown {
    /// What is shown of a session that is wired like this.
    pub(in crate::command) fn of(wanted: Wanted, mode: LaunchMode) -> Self {
        match (wanted.detach, wanted.json) {
            (true, false) => Self::Id,
            (true, true) => Self::Record,
            (false, true) => Self::Events,
            (false, false) if mode == LaunchMode::Interactive && both_are_terminals() => Self::Live,
            (false, false) => Self::Output,
        }
    }

    /// Shows it.
    ///
    /// # Errors
    /// When nothing can be printed, or the daemon goes away.
    pub(in crate::command) async fn show(
        self,
        home: &Home,
        client: &Client,
        record: &SessionRecord,
        keys: &DetachKeys,
    ) -> Result<Exit, Failure> {
        let id = &record.id;
        match self {
            Self::Id => detached(output::print(&format!("{id}\n")), id),
            Self::Record => detached(output::json(record), id),
            Self::Live => {
                output::tell(&format!("coven: session {id}; {keys} detaches"));
                live::show(home, client, id, keys).await
            }
            Self::Output => {
                output::tell(&format!("coven: session {id}; Ctrl-C leaves it running"));
                let exit = follow::output(home, client, id).await?;
                Ok(left_running(exit, id))
            }
            Self::Events => {
                let exit = events(home, client, id).await?;
                Ok(left_running(exit, id))
            }
        }
    }
}

/// Whether a person sits at both.
pub(in crate::command) fn both_are_terminals() -> bool {
    io::stdin().is_terminal() && io::stdout().is_terminal()
}

/// The size of the terminal that stdout is: columns and rows.
pub(in crate::command) fn terminal_size() -> Option<(i64, i64)> {
    let size = terminal::size_of(io::stdout())?;
    Some((size.cols().into(), size.rows().into()))
}

async fn events(home: &Home, client: &Client, id: &str) -> Result<Exit, Failure> {
    let mut absence = Absence::of(home, client);
    let told = async {
        let told = client.follow(id, None);
        follow::each(&mut absence, told, output::json_line).await?;
        follow::ending(&mut absence, client, id).await
    };
    Interrupts::listen()?
        .during(told)
        .await
        .map(follow::exit_of)
}

/// A session that was left running at once; how to find it, where its id could not be printed.
fn detached(printed: Result<(), Failure>, id: &str) -> Result<Exit, Failure> {
    let launched = |failure: Failure| failure.and(&format!("session {id} was launched"));
    printed.map(|()| Exit::Done).map_err(launched)
}

/// Says how to find a session that was left.
fn left_running(exit: Exit, id: &str) -> Exit {
    if exit == Exit::Detached {
        output::complain(&format!(
            "coven: session {id} goes on; `coven log --follow {id}` shows it, `coven kill {id}` ends it"
        ));
    }
    exit
}
