//! Sessions begin, and external ones end.

use hyper::StatusCode;

use super::exchange::{Ask, IDEMPOTENCY_KEY};
use super::{Client, Outcome, exchange};
use crate::wire::{CompleteBody, ExternalBody, LaunchBody, SessionRecord};

/// What a registration found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Registered {
    /// The session is new.
    New,
    /// It was registered before.
    Again,
}

impl Client {
    /// Launches a session. Returns once it runs, or has already ended.
    ///
    /// # Errors
    /// - `invalid_request`: a field is malformed; nothing was written.
    /// - `launch_failed`: the message says why; the details name the failed session's record.
    pub async fn launch(&self, launch: &LaunchBody) -> Outcome<SessionRecord> {
        self.call(Ask::post("/sessions").json(launch).slow()).await
    }

    /// The same under a key of 1 to 128 visible ASCII characters, which is kept with the session:
    /// asked for again under the same key, such as after [`Error::Broken`](super::Error::Broken) or
    /// of the next daemon, it gives the session that there is by then, and launches none.
    ///
    /// # Errors
    /// As [`Client::launch`]; `session_id_conflict`: the key is of another launch.
    pub async fn launch_once(&self, launch: &LaunchBody, key: &str) -> Outcome<SessionRecord> {
        let ask = Ask::post("/sessions").json(launch).slow();
        self.call(ask.header(IDEMPOTENCY_KEY, key)).await
    }

    /// Registers a session that runs elsewhere.
    ///
    /// # Errors
    /// - `invalid_request`: a field is malformed.
    /// - `session_id_conflict`: the id is of a session that the daemon launched.
    pub async fn register(&self, external: &ExternalBody) -> Outcome<(Registered, SessionRecord)> {
        let ask = Ask::post("/sessions/external").json(external);
        let what = "POST /sessions/external";
        let (status, body) = self.whole(ask).await?;
        let registered = if status == StatusCode::CREATED {
            Registered::New
        } else {
            Registered::Again
        };
        Ok((registered, exchange::parse(what, &body)?))
    }

    /// Reports the end of an external session. Exit code `None` and 0 mean success.
    ///
    /// # Errors
    /// - `not_external_session`.
    /// - `session_not_live`: it was reported before.
    pub async fn complete(&self, id: &str, exit_code: Option<i32>) -> Outcome<SessionRecord> {
        let ask = Ask::post(format!("/sessions/{id}/complete"));
        self.call(ask.json(&CompleteBody { exit_code })).await
    }
}
