//! `GET /health` and `GET /api-version`.

use std::path::Path;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Time;

/// The name of the contract.
pub const CONTRACT: &str = "coven.daemon.v1";

/// The version in paths.
pub const VERSION: &str = "v1";

/// How the daemon is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Health {
    /// Whether it serves. `eventWriter` says whether it can also write.
    pub ok: bool,
    /// The contract: `coven.daemon.v1`.
    pub api_version: String,
    /// The daemon's version.
    pub coven_version: String,
    /// What it can do.
    pub capabilities: HealthCapabilities,
    /// Which process it is.
    pub daemon: Daemon,
    /// How the log's writer is.
    pub event_writer: EventWriter,
}

/// Which process serves a home: `health.daemon`, and the content of `daemon.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Daemon {
    /// Its process id.
    pub pid: u32,
    /// When it began to serve, as it wrote it.
    pub started_at: String,
    /// The socket's path.
    pub socket: String,
}

impl Daemon {
    /// This process, which begins to serve `socket` now.
    pub(crate) fn at(socket: &Path) -> Self {
        Self {
            pid: std::process::id(),
            started_at: Time::now().to_string(),
            socket: socket.display().to_string(),
        }
    }
}

/// What the daemon can do. A client takes an absent key for false or empty.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct HealthCapabilities {
    /// Sessions can be launched and driven.
    pub sessions: bool,
    /// Events can be read.
    pub events: bool,
    /// How: `sequence`.
    pub event_cursor: String,
    /// Errors have codes.
    pub structured_errors: bool,
    /// Not offered.
    pub travel: bool,
    /// Not offered.
    pub scheduler: bool,
    /// Not offered.
    pub hub: bool,
    /// Not offered.
    pub executor_dispatch: bool,
    /// Not offered.
    pub session_handoff: bool,
    /// `launchPolicy` is honoured.
    pub session_launch_policy: bool,
    /// Not offered.
    pub afs: bool,
    /// Not offered.
    pub afs_mount: bool,
    /// Not offered.
    pub afs_commit: bool,
    /// Not offered.
    pub afs_commit_dry_run: bool,
    /// None.
    pub execution_binding_contracts: Vec<String>,
    /// None.
    pub request_adoption_contracts: Vec<String>,
    /// Events can be followed live (Server-Sent Events).
    pub event_stream: bool,
    /// Terminals can be attached to (WebSocket).
    pub attach: bool,
    /// Output can be read as exact bytes.
    pub output: bool,
    /// Terminals can be resized.
    pub resize: bool,
    /// Prompts can be submitted to a running session.
    pub submit: bool,
    /// Terminals can be seen as they stood.
    pub screen: bool,
    /// Output can be searched.
    pub search: bool,
}

impl HealthCapabilities {
    /// What this daemon can do.
    pub fn ours() -> Self {
        Self {
            sessions: true,
            events: true,
            event_cursor: "sequence".to_owned(),
            structured_errors: true,
            session_launch_policy: true,
            event_stream: true,
            attach: true,
            output: true,
            resize: true,
            submit: true,
            ..Self::none()
        }
    }

    fn none() -> Self {
        Self {
            sessions: false,
            events: false,
            event_cursor: String::new(),
            structured_errors: false,
            travel: false,
            scheduler: false,
            hub: false,
            executor_dispatch: false,
            session_handoff: false,
            session_launch_policy: false,
            afs: false,
            afs_mount: false,
            afs_commit: false,
            afs_commit_dry_run: false,
            execution_binding_contracts: Vec::new(),
            request_adoption_contracts: Vec::new(),
            event_stream: false,
            attach: false,
            output: false,
            resize: false,
            submit: false,
            screen: false,
            search: false,
        }
    }
}

impl Default for HealthCapabilities {
    fn default() -> Self {
        Self::none()
    }
}

/// How the log's writer is. Output is never dropped, so `droppedOutput*` stay 0.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EventWriter {
    /// In one word.
    pub state: WriterState,
    /// Events that wait to be written.
    pub queued_events: u64,
    /// Their bytes.
    pub queued_bytes: u64,
    /// The most bytes that may wait.
    pub capacity_bytes: u64,
    /// Always 0.
    pub dropped_output_events: u64,
    /// Always 0.
    pub dropped_output_bytes: u64,
    /// How often the log was opened.
    pub connection_opens: u64,
    /// Transactions committed.
    pub transactions: u64,
    /// Events committed.
    pub committed_events: u64,
    /// Why writing fails, or last failed; while what is written cannot be moved out of the journal, that, and why.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub last_error: Option<String>,
}

/// What [`EventWriter::last_error`] begins with as long as events are taken and cannot be folded.
pub(crate) const STUCK: &str = "what is written cannot be moved out of the journal: ";

/// What [`EventWriter::last_error`] begins with where a read met damage.
const DAMAGED: &str = "the log is damaged";

impl EventWriter {
    /// The damage that a read met, where all else is well.
    pub fn damage_met(&self) -> Option<&str> {
        let error = self.last_error.as_deref()?;
        let is_met = self.state == WriterState::Healthy && error.starts_with(DAMAGED);
        is_met.then_some(error)
    }

    /// Why what is written cannot be moved out of the journal, while it cannot and there is nothing worse.
    pub fn why_stuck(&self) -> Option<&str> {
        self.last_error.as_deref()?.strip_prefix(STUCK)
    }
}

/// How the log's writer is, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum WriterState {
    /// It keeps up.
    Healthy,
    /// Its queue is filling, and agents wait for it; or `lastError` says that what is written cannot be moved out
    /// of the journal, and why.
    Pressured,
    /// It cannot write, for `lastError`. It tries again by itself.
    Failed,
}

/// `GET /api-version`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApiVersion {
    /// The version this path is of.
    pub api_version: String,
    /// Every version there is.
    pub supported_api_versions: Vec<String>,
}
