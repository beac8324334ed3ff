//! Driving a session.

use super::exchange::Ask;
use super::{Attach, Client, Outcome};
use crate::wire::{InputBody, ResizeBody, SubmitBody};

impl Client {
    /// Attaches to a session's terminal.
    ///
    /// # Errors
    /// `session_not_found`; `session_not_live` where there is no terminal.
    pub async fn attach(&self, id: &str) -> Outcome<Attach> {
        Attach::open(self, id).await
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
