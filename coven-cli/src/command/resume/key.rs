//! The key of the launch that goes on with a session: two who ask for it at once ask for the same one, and
//! the daemon makes it once.

use std::collections::HashMap;

use coven_http::client::{Client, Error};
use coven_http::wire::SessionRecord;

use crate::all_sessions;

/// Of an id that another program chose, and that may be as long as a key, this much of its end.
const MAX_ID_BYTES: usize = 96;

/// The newest session that goes on with each, also one of which no process ever started.
#[derive(Debug, Default)]
pub(super) struct Continuations {
    newest: HashMap<String, String>,
}

impl Continuations {
    /// Those of all sessions.
    ///
    /// # Errors
    /// Whatever the client says.
    pub(super) async fn find(client: &Client) -> Result<Self, Error> {
        let mut found = Self::default();
        all_sessions::each(client, |session| found.note(&session)).await?;
        Ok(found)
    }

    /// Takes note of a session that is older than all that were noted before.
    pub(super) fn note(&mut self, session: &SessionRecord) {
        if let Some(earlier) = &session.continues {
            let newest = self.newest.entry(earlier.clone());
            newest.or_insert_with(|| session.id.clone());
        }
    }

    /// The key: of the newest that there is by now, so that whoever has seen that one asks for a further
    /// one. Where it is deleted, the session that it led to has its key until it is deleted, too.
    pub(super) fn key(&self, session: &SessionRecord) -> String {
        after(self.newest.get(&session.id).unwrap_or(&session.id))
    }
}

/// The key of the session that comes after the one with this id, in the same conversation.
pub(super) fn after(id: &str) -> String {
    let from = id.len().saturating_sub(MAX_ID_BYTES);
    format!("coven-resume-{}", id.get(from..).unwrap_or(id))
}
