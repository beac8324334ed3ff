//! Reading a session.

use std::num::NonZeroU64;

use hyper::{StatusCode, header};

use super::exchange::Ask;
use super::{Client, Error, Follow, Outcome, Output};
use crate::wire::{EventsPage, LogLine};

/// Which page of events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EventsQuery {
    /// After this place. `None`: from the start.
    pub after_seq: Option<u64>,
    /// At most how many, 1 to 1000. `None`: all, or the error `event_response_too_large`.
    pub limit: Option<usize>,
}

impl Client {
    /// A page of a session's events.
    ///
    /// # Errors
    /// - `session_not_found`.
    /// - `event_response_too_large`: ask with a limit.
    pub async fn events(&self, id: &str, query: EventsQuery) -> Outcome<EventsPage> {
        let after = query.after_seq.unwrap_or(0);
        let mut path = format!("/sessions/{id}/events?afterSeq={after}");
        if let Some(limit) = query.limit {
            path.push_str(&format!("&limit={limit}"));
        }
        self.get(&path).await
    }

    /// A preview of a session for people, redacted.
    ///
    /// # Errors
    /// `session_not_found`.
    pub async fn log(&self, id: &str) -> Outcome<Vec<LogLine>> {
        self.get(&format!("/sessions/{id}/log")).await
    }

    /// Follows one session's events from after the place `after` (`None`: from its first).
    /// Connects when it is first asked for an event.
    pub fn follow(&self, id: &str, after: Option<u64>) -> Follow {
        let path = format!("/sessions/{id}/events/stream");
        Follow::new(self.clone(), path, Some(after.unwrap_or(0)))
    }

    /// Follows the events of all sessions from after the place `after` (`None`: from now, which
    /// is when it is first asked for an event).
    pub fn follow_all(&self, after: Option<u64>) -> Follow {
        Follow::new(self.clone(), "/events/stream".to_owned(), after)
    }

    /// A session's output from byte `offset` on, as it was written.
    ///
    /// # Errors
    /// - `session_not_found`.
    /// - `output_trimmed`: what is there is gone; the details have the first offset that is not.
    ///
    /// An offset at or past what is recorded gives no bytes, not an error.
    pub async fn output(&self, id: &str, offset: u64) -> Outcome<Output> {
        let range = (offset > 0).then(|| format!("bytes={offset}-"));
        self.output_in(id, offset, range).await
    }

    /// `len_bytes` bytes of a session's output from byte `offset` on; fewer where no more are
    /// recorded.
    ///
    /// # Errors
    /// As [`Client::output`].
    pub async fn output_part(
        &self,
        id: &str,
        offset: u64,
        len_bytes: NonZeroU64,
    ) -> Outcome<Output> {
        let last = offset.saturating_add(len_bytes.get() - 1);
        self.output_in(id, offset, Some(format!("bytes={offset}-{last}")))
            .await
    }

    /// A session as an export, as docs/export-format.md tells it. It is whole if its last line
    /// says so.
    ///
    /// # Errors
    /// `session_not_found`.
    pub async fn export(&self, id: &str) -> Outcome<Output> {
        let ask = Ask::get(format!("/sessions/{id}/export"));
        self.open(ask).await.map(Output::new)
    }

    /// The same for sharing: with secrets hidden. It cannot be imported.
    ///
    /// # Errors
    /// As [`Client::export`].
    pub async fn export_redacted(&self, id: &str) -> Outcome<Output> {
        let path = format!("/sessions/{id}/export?redact=true");
        self.open(Ask::get(path)).await.map(Output::new)
    }

    async fn output_in(&self, id: &str, offset: u64, range: Option<String>) -> Outcome<Output> {
        let path = format!("/sessions/{id}/output");
        let mut ask = Ask::get(&path);
        if let Some(range) = range {
            ask = ask.header(header::RANGE, range);
        }
        match self.open(ask).await {
            Ok(opened) => Ok(Output::of_range(opened, self, path, offset)),
            Err(Error::Answer(answer)) if answer.status == StatusCode::RANGE_NOT_SATISFIABLE => {
                Ok(Output::nothing(&answer))
            }
            Err(error) => Err(error),
        }
    }
}
