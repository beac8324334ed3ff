//! Which sessions were lost, and have not been gone on with.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use coven_http::client::Client;
use coven_http::wire::{SessionRecord, Status};

use crate::all_sessions;
use crate::config::Age;
use crate::ending::Ending;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{self, Table};

/// Lost sessions that are not archived and that no later session has gone on with, newest first.
pub(super) struct Lost {
    /// Those that can be gone on with.
    pub(super) offered: Vec<SessionRecord>,
    /// Those whose conversation is not known.
    pub(super) unknown: Vec<SessionRecord>,
    /// How often going on with a session came to nothing: no process of it started.
    in_vain: HashMap<String, usize>,
}

impl Lost {
    /// The key of the launch that goes on with a session: whoever finds the same and asks at the same
    /// time asks for the same launch, and the daemon makes it once.
    pub(super) fn key(&self, session: &SessionRecord) -> String {
        let in_vain = self.in_vain.get(&session.id).copied().unwrap_or_default();
        // Of an id that another program chose, which may be as long as a key, its end.
        let (id, most) = (&session.id, 96);
        let id = id.get(id.len().saturating_sub(most)..).unwrap_or(id);
        format!("coven-resume-{id}-{in_vain}")
    }
}

/// Looks through all sessions for those that were lost, within this time if one is given.
///
/// # Errors
/// Whatever the client says.
pub(super) async fn find(client: &Client, since: Option<Age>) -> Result<Lost, Failure> {
    let mut orphans = Vec::new();
    let (mut continued, mut in_vain) = (HashSet::new(), HashMap::new());
    all_sessions::each(client, |session| {
        // One that did not even start has gone on with nothing.
        let has_started = Ending::of(&session).exit() != Exit::LaunchFailed;
        match session.continues.clone() {
            Some(earlier) if has_started => {
                continued.insert(earlier);
            }
            Some(earlier) => *in_vain.entry(earlier).or_default() += 1,
            None => {}
        }
        if session.status == Status::Orphaned && session.archived_at.is_none() {
            orphans.push(session);
        }
    })
    .await?;
    let earliest = since.map_or(i64::MIN, |age| now().saturating_sub(nanos(age)));
    orphans.retain(|session| lost_at(session) >= earliest && !continued.contains(&session.id));
    let (offered, unknown) = orphans
        .into_iter()
        .partition(|session| session.identity.is_some());
    Ok(Lost {
        offered,
        unknown,
        in_vain,
    })
}

/// The sessions as a numbered table, each called by its name in `ids`.
pub(super) fn table(sessions: &[SessionRecord], ids: Vec<String>) -> Table<6> {
    let now = now();
    let mut table = Table::new(["", "ID", "HARNESS", "LOST", "PROJECT", "TITLE"]);
    for (number, (session, id)) in (1..).zip(sessions.iter().zip(ids)) {
        let project = Path::new(&session.project_root);
        let name = project.file_name().unwrap_or(project.as_os_str());
        let number: usize = number;
        table.row([
            number.to_string(),
            id,
            session.harness.clone(),
            output::age(lost_at(session), now),
            name.to_string_lossy().into_owned(),
            session.title.clone(),
        ]);
    }
    table
}

/// When a session was found to be lost, in nanoseconds since the epoch.
fn lost_at(session: &SessionRecord) -> i64 {
    let at = session.ended_at.as_ref().unwrap_or(&session.updated_at);
    at.timestamp().as_nanos()
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
    })
}

fn nanos(Age(seconds): Age) -> i64 {
    i64::try_from(seconds)
        .unwrap_or(i64::MAX)
        .saturating_mul(1_000_000_000)
}
