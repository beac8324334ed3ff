//! The bodies that drive a session, and the answer they share.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// `POST /sessions/{id}/input`: bytes for a session, exactly.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct InputBody {
    /// The text, at most 1 MiB. Nothing is added to it, Enter included.
    pub data: String,
}

/// `POST /sessions/{id}/submit`: a prompt, typed the way the session's harness takes one.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SubmitBody {
    /// The prompt.
    pub text: String,
}

/// `POST /sessions/{id}/resize`: the size of a session's terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ResizeBody {
    /// Columns, 1 to 1000.
    pub cols: i64,
    /// Rows, 1 to 1000.
    pub rows: i64,
}

/// `PATCH /sessions/{id}`: what people call a session. What is absent or null stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct EditBody {
    /// The new title: one line, at most 1,024 bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// All labels from now on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels: Option<Vec<String>>,
}

/// What was asked is on record and under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Accepted {
    /// Always true.
    pub ok: bool,
    /// Always true.
    pub accepted: bool,
}

impl Accepted {
    /// The answer.
    pub const YES: Self = Self {
        ok: true,
        accepted: true,
    };
}

/// Bodies that hold what somebody typed are not shown.
macro_rules! opaque_debug {
    ($($body:ident),*) => {$(
        impl std::fmt::Debug for $body {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($body)).finish_non_exhaustive()
            }
        }
    )*};
}
opaque_debug!(InputBody, SubmitBody);
