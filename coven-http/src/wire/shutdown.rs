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
