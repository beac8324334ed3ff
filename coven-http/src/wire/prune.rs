//! Pruning: budgets for output, and what went.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// `POST /prune`: lets the oldest output go that is over a budget. Without any, those of the
/// daemon's configuration hold. A key that is not here is refused: what it was to say may have been that
/// less goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct PruneBody {
    /// Only say what would go.
    pub dry_run: bool,
    /// Bytes of output that one session keeps at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_bytes: Option<u64>,
    /// Bytes of output that all sessions keep together at most. Those that ended longest ago lose
    /// theirs first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total_bytes: Option<u64>,
    /// How many seconds old output may be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_age: Option<u64>,
}

/// What went, or would go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Pruned {
    /// Whether nothing was done.
    pub dry_run: bool,
    /// The budget that was kept to; null where there is none.
    pub session_bytes: Option<u64>,
    /// The same.
    pub total_bytes: Option<u64>,
    /// The same, in seconds.
    pub max_age: Option<u64>,
    /// The sessions that lost output, or would.
    pub sessions: Vec<PrunedSession>,
    /// Those that keep more than they should, and why.
    pub failed: Vec<NotPruned>,
    /// Bytes of output that went, or would, in all. The log's file keeps the room for what comes.
    pub freed_bytes: u64,
}

/// What one session lost, or would lose.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PrunedSession {
    /// Which.
    pub id: String,
    /// What people call it.
    pub title: String,
    /// Where what went began in its output.
    pub offset: u64,
    /// How many bytes went.
    pub bytes: u64,
    /// What of it could not be read, and went all the same: the log is damaged there.
    #[serde(default)]
    pub unread: Vec<UnreadOutput>,
    /// How many it keeps, of what it had then.
    pub kept_bytes: u64,
}

/// Output that could not be read as it went. Its `trimmed` event has a hash of zeros.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UnreadOutput {
    /// Where it began in the session's output.
    pub offset: u64,
    /// How many bytes it was.
    pub bytes: u64,
}

/// A session that could not be pruned, or not as far as it should.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NotPruned {
    /// Which.
    pub id: String,
    /// Why, as the stable code of an error.
    pub code: String,
    /// Why, for people.
    pub message: String,
}
