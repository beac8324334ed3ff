//! `POST /api/v1/internal/lifecycle/shutdown`.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Daemon;

/// Asks one daemon process, and no other, to stop.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ShutdownBody {
    /// `coven.daemon.v1`.
    pub api_version: String,
    /// The process meant, as `health.daemon` told it.
    pub daemon: Daemon,
    /// What is to become of the sessions that run. They are kept where nothing is said.
    #[serde(default, skip_serializing_if = "SessionsAtStop::is_keep")]
    pub sessions: SessionsAtStop,
}

/// What becomes of the sessions of a daemon that stops.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "camelCase")]
pub enum SessionsAtStop {
    /// They go on, and the next daemon of the home takes them over.
    #[default]
    Keep,
    /// They are killed.
    End,
}

impl SessionsAtStop {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks like that")]
    const fn is_keep(&self) -> bool {
        matches!(self, Self::Keep)
    }
}

/// The daemon stops. The connection ends once it has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ShutdownReply {
    /// Always true.
    pub ok: bool,
    /// `coven.daemon.v1`.
    pub api_version: String,
    /// What clients of this route rely on.
    pub capabilities: ShutdownCapabilities,
    /// The process that stops.
    pub daemon: Daemon,
}

/// What clients of the shutdown route rely on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ShutdownCapabilities {
    /// Errors have codes.
    pub structured_errors: bool,
}
