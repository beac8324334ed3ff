//! The bodies that begin a session, and the one that ends an external one.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// `POST /sessions`: a launch. Keys that are not listed are ignored.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct LaunchBody {
    /// Required: the project's root, an existing directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub project_root: Option<String>,
    /// Required: the id of a harness that `GET /harnesses` lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub harness: Option<String>,
    /// Required: what the agent is to do. It is trimmed. It may be absent where an interactive
    /// launch goes on with a conversation (`continues`, or `conversation` with `resume`): that is
    /// opened, and waits for input.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,
    /// The working directory: absolute, or relative to the root, and never outside it.
    /// Absent: the root.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cwd: Option<String>,
    /// What people call it. Absent or blank: the prompt's first line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The model, as the harness names it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// `interactive` (when absent), `nonInteractive` or `stream`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub launch_mode: Option<String>,
    /// What the harness may do unasked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub launch_policy: Option<LaunchPolicy>,
    /// A conversation to begin under an id, or to go on with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conversation: Option<Conversation>,
    /// What the caller calls the conversation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conversation_id: Option<String>,
    /// Labels: at most 16, each 1 to 64 of `A-Z a-z 0-9 . _ : -`, none twice.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels: Option<Vec<String>>,
    /// The launching user's environment. Values are never stored, logged or returned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub env: Option<BTreeMap<String, String>>,
    /// Columns of the terminal, 1 to 1000. Absent: 80.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cols: Option<i64>,
    /// Rows of the terminal, 1 to 1000. Absent: 24.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows: Option<i64>,
    /// The id of the session whose conversation this one goes on with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub continues: Option<String>,
}

/// The one policy there is: never ask, write in the workspace and `addDirs` only.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LaunchPolicy {
    /// Must be `never`.
    #[serde(default)]
    pub approval: String,
    /// Must be `workspace-write`.
    #[serde(default)]
    pub sandbox: String,
    /// Further directories: absolute, existing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub add_dirs: Vec<String>,
}

/// A conversation to begin or to go on with.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Conversation {
    /// `init` or `resume`.
    pub mode: String,
    /// Its id: 1 to 128 of `A-Z a-z 0-9 . _ -`; some harnesses take UUIDs only.
    pub id: String,
}

/// `POST /sessions/external`: registers a session that runs elsewhere.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ExternalBody {
    /// Required: its owner's id for it, 1 to 128 of `A-Z a-z 0-9 . _ : -`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Required; taken as given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub project_root: Option<String>,
    /// Required; taken as given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub harness: Option<String>,
    /// Absent or blank: "External session".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Where its transcript is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transcript_path: Option<String>,
    /// Its labels, as for a launch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels: Option<Vec<String>>,
}

/// `POST /sessions/{id}/complete`: an external session's end, as its owner reports it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct CompleteBody {
    /// Absent, null and 0 mean success.
    pub exit_code: Option<i32>,
}

impl From<LaunchBody> for coven::LaunchRequest {
    fn from(body: LaunchBody) -> Self {
        Self {
            project_root: body.project_root,
            cwd: body.cwd,
            harness: body.harness,
            prompt: body.prompt,
            title: body.title,
            model: body.model,
            launch_mode: body.launch_mode,
            launch_policy: body.launch_policy.map(|policy| coven::PolicyRequest {
                approval: policy.approval,
                sandbox: policy.sandbox,
                add_dirs: policy.add_dirs,
            }),
            conversation: body
                .conversation
                .map(|conversation| coven::ConversationRequest {
                    mode: conversation.mode,
                    id: conversation.id,
                }),
            conversation_id: body.conversation_id,
            labels: body.labels,
            env: body.env,
            cols: body.cols,
            rows: body.rows,
            continues: body.continues,
            idempotency_key: None,
        }
    }
}

impl From<ExternalBody> for coven::ExternalRequest {
    fn from(body: ExternalBody) -> Self {
        Self {
            id: body.id,
            project_root: body.project_root,
            harness: body.harness,
            title: body.title,
            transcript_path: body.transcript_path,
            labels: body.labels,
        }
    }
}

impl fmt::Debug for LaunchBody {
    /// Shows no value of the environment, and nothing of the prompt: a body may end up in a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LaunchBody")
            .field("project_root", &self.project_root)
            .field("harness", &self.harness)
            .field("launch_mode", &self.launch_mode)
            .finish_non_exhaustive()
    }
}
