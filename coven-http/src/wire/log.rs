//! `GET /sessions/{id}/log`: a preview for people.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Time;

/// One line of the preview: redacted, control sequences removed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LogLine {
    /// When it was written.
    pub ts: Time,
    /// What kind of line it is.
    pub level: LogLevel,
    /// At most 240 characters, then `...`. Input starts with `> `.
    pub message: String,
}

/// What kind of line it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LogLevel {
    /// What the agent wrote, and what became of the session.
    Info,
    /// What was done to the session: input, resize, kill.
    Tool,
    /// An end that is not a success, and what was written to stderr.
    Error,
}
