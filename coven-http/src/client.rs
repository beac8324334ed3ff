//! A typed client: every route, over the daemon's Unix socket.
//!
//! Each call opens a connection of its own, so a [`Client`] is only an address: clone it, share
//! it, keep it for ever.

mod attach;
mod error;
mod exchange;
mod follow;
mod output;
mod sse;

use std::num::NonZeroU64;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use hyper::{Method, StatusCode, header};
use serde::de::DeserializeOwned;

pub use attach::{Attach, AttachReader, AttachWriter, Frame};
pub use error::{Answer, Error};
pub use follow::Follow;
pub use output::Output;

use crate::SOCKET_NAME;
use crate::wire::{
    Accepted, ActionBody, ActionReply, ApiVersion, CONTRACT, Capabilities, CompleteBody, Daemon,
    EditBody, EventsPage, ExternalBody, Harness, HarnessCapabilities, HarnessScan, Harnesses,
    Health, InputBody, LaunchBody, LogLine, ResizeBody, SessionRecord, SessionsPage, ShutdownBody,
    SubmitBody,
};
use exchange::{Ask, Open};

/// How long a call may take unless [`Client::timeout`] says otherwise: over the slowest launch.
const TIMEOUT: Duration = Duration::from_secs(60);

/// The daemon at a socket.
#[derive(Clone, Debug)]
pub struct Client {
    socket: PathBuf,
    name: String,
    timeout: Duration,
}

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

/// Which page of events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EventsQuery {
    /// After this place. `None`: from the start.
    pub after_seq: Option<u64>,
    /// At most how many, 1 to 1000. `None`: all, or the error `event_response_too_large`.
    pub limit: Option<usize>,
}

/// What a registration found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Registered {
    /// The session is new.
    New,
    /// It was registered before.
    Again,
}

/// What came of an action.
type Outcome<T> = Result<T, Error>;

impl Client {
    /// The daemon at `socket`. Nothing is opened yet.
    pub fn new(socket: impl Into<PathBuf>) -> Self {
        Self {
            socket: socket.into(),
            name: concat!("coven-http/", env!("CARGO_PKG_VERSION")).to_owned(),
            timeout: TIMEOUT,
        }
    }

    /// The daemon of the Coven home at `home`.
    pub fn at_home(home: &Path) -> Self {
        Self::new(home.join(SOCKET_NAME))
    }

    /// The same, calling itself `name`: what it does is recorded under that name.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// The same, waiting at most `timeout` for each whole answer (60 s unless this says
    /// otherwise), and for the head of a stream. Streams have no bound after that.
    #[must_use]
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// The socket.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// How the daemon is.
    ///
    /// # Errors
    /// [`Error::Unreachable`] when none serves. See [`Error`] for the others, as for every call.
    pub async fn health(&self) -> Outcome<Health> {
        self.get("/health").await
    }

    /// The versions that the daemon speaks.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn api_version(&self) -> Outcome<ApiVersion> {
        self.get("/api-version").await
    }

    /// What control clients may ask for.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn capabilities(&self) -> Outcome<Capabilities> {
        self.get("/capabilities").await
    }

    /// What every harness has configured for this user.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn scan_harnesses(&self) -> Outcome<HarnessScan> {
        self.get("/capabilities/harnesses").await
    }

    /// What one harness has configured for this user.
    ///
    /// # Errors
    /// `harness_not_found`.
    pub async fn scan_harness(&self, harness: &str) -> Outcome<HarnessCapabilities> {
        self.get(&format!("/capabilities/{harness}")).await
    }

    /// Asks for an action of a capability.
    ///
    /// # Errors
    /// See [`Error`]. An action that is not known is refused with a reply that is not an error
    /// envelope: [`Error::Garbled`] says its status.
    pub async fn act(&self, action: &ActionBody) -> Outcome<ActionReply> {
        self.call(Ask::post("/actions").json(action)).await
    }

    /// The harnesses that can be launched.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn harnesses(&self) -> Outcome<Vec<Harness>> {
        let Harnesses { harnesses } = self.get("/harnesses").await?;
        Ok(harnesses)
    }

    /// The OpenAPI document of the daemon.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn openapi(&self) -> Outcome<serde_json::Value> {
        self.get("/openapi.json").await
    }

    /// Launches a session. Returns once it runs, or has already ended.
    ///
    /// # Errors
    /// - `invalid_request`: a field is malformed; nothing was written.
    /// - `launch_failed`: the message says why; the details name the failed session's record.
    pub async fn launch(&self, launch: &LaunchBody) -> Outcome<SessionRecord> {
        self.call(Ask::post("/sessions").json(launch)).await
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

    /// The newest sessions that are not archived: as many as fit 1,000,000 bytes.
    ///
    /// # Errors
    /// See [`Error`].
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
    /// `session_not_found`. An offset at or past what is recorded gives no bytes, not an error.
    pub async fn output(&self, id: &str, offset: u64) -> Outcome<Output> {
        let range = (offset > 0).then(|| format!("bytes={offset}-"));
        self.output_in(id, range).await
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
        self.output_in(id, Some(format!("bytes={offset}-{last}")))
            .await
    }

    async fn output_in(&self, id: &str, range: Option<String>) -> Outcome<Output> {
        let mut ask = Ask::get(format!("/sessions/{id}/output"));
        if let Some(range) = range {
            ask = ask.header(header::RANGE, range);
        }
        match self.open(ask).await {
            Ok(opened) => Ok(Output::new(opened)),
            Err(Error::Answer(answer)) if answer.status == StatusCode::RANGE_NOT_SATISFIABLE => {
                Ok(Output::nothing(&answer))
            }
            Err(error) => Err(error),
        }
    }

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
    /// - `session_not_live`: it does not run, or was killed before.
    /// - `external_session_not_killable`.
    pub async fn kill(&self, id: &str) -> Outcome<()> {
        self.accepted(Ask::post(format!("/sessions/{id}/kill")))
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
        let ask = Ask::new(Method::DELETE, format!("/sessions/{id}"));
        self.whole(ask).await.map(|_| ())
    }

    /// Stops the daemon process `daemon`, and returns once it has stopped or stops answering.
    ///
    /// # Errors
    /// - `daemon_identity_mismatch`: another process serves by now; nothing was stopped.
    /// - [`Error::Timeout`]: it is still stopping.
    pub async fn shutdown(&self, daemon: &Daemon) -> Outcome<()> {
        let body = ShutdownBody {
            api_version: CONTRACT.to_owned(),
            daemon: daemon.clone(),
        };
        let ask = Ask::post("/internal/lifecycle/shutdown").json(&body);
        exchange::until_eof(&self.socket, &self.name, self.timeout, ask).await
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Outcome<T> {
        self.call(Ask::get(path)).await
    }

    async fn accepted(&self, ask: Ask) -> Outcome<()> {
        self.call::<Accepted>(ask).await.map(|_| ())
    }

    async fn call<T: DeserializeOwned>(&self, ask: Ask) -> Outcome<T> {
        let what = format!("{} {}", ask.method, ask.path);
        let (_, body) = self.whole(ask).await?;
        exchange::parse(&what, &body)
    }

    async fn whole(&self, ask: Ask) -> Outcome<(StatusCode, Bytes)> {
        exchange::whole(&self.socket, &self.name, self.timeout, ask).await
    }

    async fn open(&self, ask: Ask) -> Outcome<Open> {
        exchange::open(&self.socket, &self.name, self.timeout, ask).await
    }
}
