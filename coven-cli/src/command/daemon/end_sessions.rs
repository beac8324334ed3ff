//! Ending the sessions of a home that no daemon serves, whatever became of their shims' folders.

use std::collections::BTreeSet;
use std::time::Duration;

use coven::home::Held;
use coven::{Engine, Heard, OpenError, Options};
use coven_http::client::{Client, Error};

use crate::all_sessions;
use crate::answers;
use crate::config::Config;
use crate::daemon;
use crate::failure::Failure;
use crate::home::Home;
use crate::output;
use crate::unrecorded::unrecorded;

/// What to do about a home that somebody has opened meanwhile.
const TO_END: &str = "try again, with its daemon";

/// Why the sessions of a home were not ended, or cannot be told to have.
#[derive(Debug)]
pub(super) enum NotEnded {
    /// Another process has the home open: a daemon that was started meanwhile, or who ends them, too.
    InUse(Failure),
    /// Anything else.
    Failed(Failure),
}

impl NotEnded {
    fn of(error: &OpenError, home: &Home) -> Self {
        let failure = answers::refused(error, home.dir(), TO_END);
        match error {
            OpenError::InUse { .. } => Self::InUse(failure),
            _ => Self::Failed(failure),
        }
    }
}

impl From<Failure> for NotEnded {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<NotEnded> for Failure {
    fn from(not_ended: NotEnded) -> Self {
        match not_ended {
            NotEnded::InUse(failure) | NotEnded::Failed(failure) => failure,
        }
    }
}

/// What came of the sessions that were to be ended, by their ids.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) ended: BTreeSet<String>,
    /// Those that could not be.
    pub(super) left: BTreeSet<String>,
    /// Those that run and are not on record: nobody knows what they are.
    pub(super) unrecorded: Vec<Held>,
}

/// Ends the sessions that the log says are live, in this process. Those that are told to have ended are
/// these and those `before`, which lived when a daemon was asked to end them.
///
/// # Errors
/// Which they are cannot be told, or another process has the home.
pub(super) async fn end(home: &Home, before: &BTreeSet<String>) -> Result<Outcome, NotEnded> {
    let found = left(home).await?;
    let left = if found.ids.is_empty() {
        found.clone()
    } else {
        end_found(home).await?
    };
    let ended = before
        .union(&found.ids)
        .filter(|id| !left.ids.contains(*id));
    Ok(Outcome {
        ended: ended.cloned().collect(),
        left: left.ids,
        unrecorded: left.unrecorded,
    })
}

/// Those of a home that may be alive.
#[derive(Clone, Debug, Default)]
struct Left {
    /// As the log says.
    ids: BTreeSet<String>,
    /// Of whom the log says nothing.
    unrecorded: Vec<Held>,
}

/// Ends those that there are; gives those that could not be ended.
async fn end_found(home: &Home) -> Result<Left, NotEnded> {
    let config = Config::load(home)?;
    daemon::log_beside(home, &config);
    let mut options = Options::at(home.dir());
    options.grace = Duration::from_millis(config.kill_grace_ms.value);
    daemon::raise_open_files_limit();
    let ended = Engine::end_sessions(options).await;
    match ended.map_err(|error| NotEnded::of(&error, home))? {
        Heard::All => {}
        Heard::Nothing { why } => output::complain(&format!(
            "coven: {why}; its sessions were ended all the same, and what they wrote last may be there \
             and not in the log"
        )),
    }
    left(home).await
}

/// All sessions that may be alive in a home that nobody has open.
///
/// # Errors
/// It cannot be told: the log is away, damaged, or in use.
async fn left(home: &Home) -> Result<Left, NotEnded> {
    home.check()?;
    if !home.had_log() {
        return Ok(Left::default());
    }
    let engine = Engine::open_to_read(Options::at(home.dir())).await;
    let client = Client::of_engine(engine.map_err(|error| NotEnded::of(&error, home))?);
    match live(&client).await.map_err(Failure::from)? {
        Live { ids, unread: 0 } => Ok(Left {
            ids,
            // Where that cannot be told, `spools` cannot be listed, which is said where it is needed.
            unrecorded: unrecorded(home, &client, |_| false)
                .await
                .unwrap_or_default(),
        }),
        Live { unread, .. } => Err(Failure::failed(format!(
            "the log is damaged, and cannot tell whether all sessions have ended ({unread} are not \
             readable): `coven doctor --store` names them"
        ))
        .into()),
    }
}

/// The sessions of a home's own that have not ended.
pub(super) struct Live {
    pub(super) ids: BTreeSet<String>,
    /// How many the log cannot tell of, because it is damaged.
    unread: usize,
}

/// Those of the home that this client reads.
///
/// # Errors
/// Whatever the client says.
pub(super) async fn live(client: &Client) -> Result<Live, Error> {
    let mut ids = BTreeSet::new();
    let unread = all_sessions::each(client, |session| {
        // One that was killed may be alive until its end is on record.
        if session.ended_at.is_none() && !session.external {
            ids.insert(session.id);
        }
    })
    .await?;
    Ok(Live { ids, unread })
}
