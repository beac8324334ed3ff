//! Driving a session.

use std::time::Duration;

use super::exchange::{Ask, IDEMPOTENCY_KEY};
use super::{Attach, Client, Outcome, Viewer};
use crate::wire::{InputBody, ResizeBody, SubmitBody};

impl Client {
    /// Attaches to a session's terminal, over one connection. [`Client::viewer`] goes on where that
    /// breaks.
    ///
    /// # Errors
    /// `session_not_found`; `session_not_live` where there is no terminal.
    pub async fn attach(&self, id: &str) -> Outcome<Attach> {
        Attach::open(self, id).await
    }

    /// Attaches to a session's terminal, and again where the connection breaks, or the daemon stops,
    /// dies or restarts: from the byte that was shown last, with what was typed and is not known to
    /// be taken sent again, and typed once. While no daemon answers, [`ViewerReader::next`] says so
    /// every `patience`. Call it within a tokio runtime; it begins to attach at once.
    ///
    /// [`ViewerReader::next`]: super::ViewerReader::next
    pub fn viewer(&self, id: &str, patience: Duration) -> Viewer {
        Viewer::open(self.clone(), id.to_owned(), patience)
    }

    /// Sends `data` to a session, exactly. It is on record when this returns.
    ///
    /// # Errors
    /// - `session_not_live`: it does not run, or takes no input.
    /// - `input_too_large`: over 1 MiB; send it in pieces.
    /// - `runtime_unavailable`: nothing was recorded; try again.
    pub async fn input(&self, id: &str, data: &str) -> Outcome<()> {
        let body = InputBody {
            data: data.to_owned(),
        };
        self.accepted(Ask::post(format!("/sessions/{id}/input")).json(&body))
            .await
    }

    /// The same under a key of 1 to 128 visible ASCII characters: sent again with the same key,
    /// such as after [`Error::Broken`](super::Error::Broken), it is not typed again.
    ///
    /// # Errors
    /// As [`Client::input`]; then it was not typed under this key.
    pub async fn input_once(&self, id: &str, data: &str, key: &str) -> Outcome<()> {
        let body = InputBody {
            data: data.to_owned(),
        };
        let ask = Ask::post(format!("/sessions/{id}/input")).json(&body);
        self.accepted(ask.header(IDEMPOTENCY_KEY, key)).await
    }

    /// Submits a prompt the way the session's harness takes one: typed, then Enter.
    ///
    /// # Errors
    /// As [`Client::input`].
    pub async fn submit(&self, id: &str, text: &str) -> Outcome<()> {
        let body = SubmitBody {
            text: text.to_owned(),
        };
        self.accepted(Ask::post(format!("/sessions/{id}/submit")).json(&body))
            .await
    }

    /// The same under a key, as [`Client::input_once`].
    ///
    /// # Errors
    /// As [`Client::input_once`].
    pub async fn submit_once(&self, id: &str, text: &str, key: &str) -> Outcome<()> {
        let body = SubmitBody {
            text: text.to_owned(),
        };
        let ask = Ask::post(format!("/sessions/{id}/submit")).json(&body);
        self.accepted(ask.header(IDEMPOTENCY_KEY, key)).await
    }

    /// Gives a session's terminal a new size.
    ///
    /// # Errors
    /// `session_not_live`: it does not run, or has no terminal.
    pub async fn resize(&self, id: &str, cols: u16, rows: u16) -> Outcome<()> {
        let body = ResizeBody {
            cols: cols.into(),
            rows: rows.into(),
        };
        self.accepted(Ask::post(format!("/sessions/{id}/resize")).json(&body))
            .await
    }

    /// Ends a session's process. It is over once its record has `ended_at`.
    ///
    /// # Errors
    /// - `session_not_live`: it does not run, or is being killed.
    /// - `kill_failed`: an earlier kill left processes, which are named, and so did this one.
    /// - `external_session_not_killable`.
    pub async fn kill(&self, id: &str) -> Outcome<()> {
        self.accepted(Ask::post(format!("/sessions/{id}/kill")).slow())
            .await
    }
}
