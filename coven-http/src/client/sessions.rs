//! Sessions as they are listed and kept.

use hyper::Method;

use super::exchange::Ask;
use super::{Client, Outcome};
use crate::wire::{EditBody, PruneBody, Pruned, SessionRecord, SessionsPage};

/// Which page of sessions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionsQuery {
    /// At most how many, 1 to 1000. `None`: 100.
    pub limit: Option<usize>,
    /// The `next_cursor` of the page before. `None`: the newest.
    pub cursor: Option<String>,
    /// Whether archived ones are shown too.
    pub include_archived: bool,
}

impl Client {
    /// The newest sessions that are not archived: as many as fit 1,000,000 bytes.
    ///
    /// # Errors
    /// See [`Error`](super::Error).
    pub async fn sessions(&self) -> Outcome<Vec<SessionRecord>> {
        self.get("/sessions").await
    }

    /// One page of sessions, newest first.
    ///
    /// # Errors
    /// `invalid_request`: the limit or the cursor is not one.
    pub async fn sessions_page(&self, query: &SessionsQuery) -> Outcome<SessionsPage> {
        let mut path = format!("/sessions?includeArchived={}", query.include_archived);
        if let Some(limit) = query.limit {
            path.push_str(&format!("&limit={limit}"));
        }
        if let Some(cursor) = &query.cursor {
            path.push_str(&format!("&cursor={cursor}"));
        }
        self.get(&path).await
    }

    /// One session, archived or not, with its whole prompt.
    ///
    /// # Errors
    /// `session_not_found`.
    pub async fn session(&self, id: &str) -> Outcome<SessionRecord> {
        self.get(&format!("/sessions/{id}")).await
    }

    /// Lets the oldest output go that is over the budgets of `body`, or over the daemon's own
    /// where it has none; or says what would go. Reads all that goes: give it a
    /// [`timeout`](Client::timeout) to match.
    ///
    /// # Errors
    /// `runtime_unavailable`: the log takes no writes now. What was trimmed by then is.
    pub async fn prune(&self, body: &PruneBody) -> Outcome<Pruned> {
        self.call(Ask::post("/prune".to_owned()).json(body).slow())
            .await
    }

    /// Changes what people call a session.
    ///
    /// # Errors
    /// `invalid_request`: the title or a label is malformed.
    pub async fn edit(&self, id: &str, edit: &EditBody) -> Outcome<SessionRecord> {
        let ask = Ask::new(Method::PATCH, format!("/sessions/{id}"));
        self.call(ask.json(edit)).await
    }

    /// Hides a session from plain lists.
    ///
    /// # Errors
    /// `session_live`: it may still be alive.
    pub async fn archive(&self, id: &str) -> Outcome<SessionRecord> {
        self.call(Ask::post(format!("/sessions/{id}/archive")))
            .await
    }

    /// Brings a session back into plain lists.
    ///
    /// # Errors
    /// `session_not_found`.
    pub async fn summon(&self, id: &str) -> Outcome<SessionRecord> {
        self.call(Ask::post(format!("/sessions/{id}/summon"))).await
    }

    /// Deletes a session and all its events.
    ///
    /// # Errors
    /// `session_live`: it may still be alive.
    pub async fn delete(&self, id: &str) -> Outcome<()> {
        let ask = Ask::new(Method::DELETE, format!("/sessions/{id}")).slow();
        self.whole(ask).await.map(|_| ())
    }
}
