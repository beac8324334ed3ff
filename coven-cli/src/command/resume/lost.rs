//! Which sessions were lost, and have not been gone on with.

use std::collections::HashSet;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use coven_http::client::Client;
use coven_http::wire::{SessionRecord, Status};

use super::key::Continuations;
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
    /// What has gone on with sessions, also in vain.
    pub(super) continuations: Continuations,
}

/// Looks through all sessions for those that were lost, within this time if one is given.
///
/// # Errors
/// Whatever the client says.
pub(super) async fn find(client: &Client, since: Option<Age>) -> Result<Lost, Failure> {
    let mut orphans = Vec::new();
    let (mut continued, mut continuations) = (HashSet::new(), Continuations::default());
    all_sessions::each(client, |session| {
        continuations.note(&session);
        // One that did not even start has gone on with nothing.
        let has_started = Ending::of(&session).exit() != Exit::LaunchFailed;
        continued.extend(session.continues.clone().filter(|_| has_started));
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
        continuations,
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
