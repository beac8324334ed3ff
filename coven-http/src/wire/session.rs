//! `SessionRecord`: a session as lists and `GET /sessions/{id}` show it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{LaunchPolicy, Time};

/// A session. Every key is always present; one that does not apply is null.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SessionRecord {
    /// Its id: a lower-case UUID, or for an external session what its owner calls it.
    pub id: String,
    /// Its project's root: canonical, or for an external session as its owner gave it.
    pub project_root: String,
    /// Its harness's id.
    pub harness: String,
    /// What people call it.
    pub title: String,
    /// Where it stands.
    pub status: Status,
    /// What its process returned; null while it runs, after a signal or a kill, and when lost.
    pub exit_code: Option<i32>,
    /// When it was archived; null when it is in plain lists.
    pub archived_at: Option<Time>,
    /// When it was created or registered.
    pub created_at: Time,
    /// When its last event happened.
    pub updated_at: Time,
    /// What its caller calls its conversation.
    pub conversation_id: Option<String>,
    /// Always null; kept for clients that expect the key.
    pub familiar_id: Option<String>,
    /// Always null; kept for clients that expect the key.
    pub execution_binding: Option<String>,
    /// Its labels, in its caller's order.
    pub labels: Vec<String>,
    /// Who may see it.
    pub visibility: Visibility,
    /// Whether it runs elsewhere and was only registered here.
    pub external: bool,
    /// Where an external session's transcript is, as its owner says.
    pub transcript_path: Option<String>,
    /// Its working directory; null for an external one.
    pub cwd: Option<String>,
    /// Its prompt: whole when one session is asked for, its first 200 characters in lists. Null
    /// where it has none: an external one, and one that only opened a conversation again.
    pub prompt: Option<String>,
    /// Its model, where its caller chose one.
    pub model: Option<String>,
    /// How it is wired; null for an external one.
    pub launch_mode: Option<LaunchMode>,
    /// Columns of its terminal; null for an external one.
    pub cols: Option<u16>,
    /// Rows of its terminal; null for an external one.
    pub rows: Option<u16>,
    /// The place of its last event.
    pub last_seq: u64,
    /// Bytes of output recorded.
    pub output_bytes: u64,
    /// Bytes of it, from the beginning, that are gone from the log: what is left of it begins at
    /// this offset. 0 while all is there.
    #[serde(default)]
    pub trimmed_bytes: u64,
    /// How many of its inputs were accepted and did not reach its process whole; the `undelivered`
    /// events tell which.
    #[serde(default)]
    pub undelivered_inputs: u64,
    /// Its process, while it runs.
    pub pid: Option<u32>,
    /// The signal that ended its process, if one did.
    pub exit_signal: Option<i32>,
    /// When it ended; null while it may still be alive.
    pub ended_at: Option<Time>,
    /// How its process was lost, if it was.
    pub orphan_reason: Option<String>,
    /// The session whose conversation it goes on with.
    pub continues: Option<String>,
    /// What its harness calls its conversation, once that is known; without it no session can go
    /// on with this one's.
    pub identity: Option<String>,
    /// What it may do unasked, where its launch said; null in lists.
    pub launch_policy: Option<LaunchPolicy>,
    /// While it runs, what is amiss with the process that holds its terminal, or with its folder, and
    /// what to do, for people: its output may not be on record meanwhile, and what is typed not arrive.
    /// Null where nothing is seen to be, and in lists.
    pub out_of_reach: Option<String>,
    /// One word for what is amiss, such as `spool_damaged`: it is stable. Null where `out_of_reach` is.
    #[serde(default)]
    pub out_of_reach_reason: Option<String>,
}

/// Where a session stands. There is no other word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Accepted; nothing runs yet.
    Created,
    /// Its process runs.
    Running,
    /// It exited with 0 and its conversation can go on.
    Idle,
    /// It exited with 0.
    Completed,
    /// It exited with another status, died of a signal nobody asked for, or never ran.
    Failed,
    /// A kill was accepted. It is over once `ended_at` is set.
    Killed,
    /// Its process was lost: the outcome is unknown.
    Orphaned,
}

impl Status {
    /// The word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Running => "running",
            Self::Idle => "idle",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Killed => "killed",
            Self::Orphaned => "orphaned",
        }
    }
}

impl std::fmt::Display for Status {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// How a harness is wired.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum LaunchMode {
    /// In a terminal, for a person to drive.
    Interactive,
    /// It does its task and ends; it takes no input.
    NonInteractive,
    /// JSON lines in and out over pipes.
    Stream,
}

impl LaunchMode {
    /// The word requests and records use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Interactive => "interactive",
            Self::NonInteractive => "nonInteractive",
            Self::Stream => "stream",
        }
    }
}

/// Who may see a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Visibility {
    /// The user whose daemon it is.
    Private,
}

/// One page of sessions, newest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SessionsPage {
    /// The sessions.
    pub sessions: Vec<SessionRecord>,
    /// What to give as `cursor` for the page after this one; null when this is the last.
    pub next_cursor: Option<String>,
    /// How many sessions are left out of the page because the log is damaged there. Absent where
    /// none is.
    #[serde(default, skip_serializing_if = "is_none")]
    pub damaged: usize,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde asks for it
const fn is_none(count: &usize) -> bool {
    *count == 0
}
