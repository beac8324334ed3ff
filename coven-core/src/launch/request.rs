//! `LaunchRequest`: a launch as somebody asked for it, nothing checked.

use std::collections::BTreeMap;

/// A launch as asked for: any text in any field. [`Draft::parse`](super::Draft::parse) checks it.
/// Field by field it is `POST /api/v1/sessions`; the docs there say what each means.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct LaunchRequest {
    /// `projectRoot`, required.
    pub project_root: Option<String>,
    /// `cwd`: absolute, or relative to the root. Absent: the root.
    pub cwd: Option<String>,
    /// `harness`, required.
    pub harness: Option<String>,
    /// `prompt`; required, unless an interactive launch goes on with a conversation.
    pub prompt: Option<String>,
    /// `title`. Absent or blank: the prompt's first line.
    pub title: Option<String>,
    /// `model`.
    pub model: Option<String>,
    /// `launchMode`. Absent: interactive.
    pub launch_mode: Option<String>,
    /// `launchPolicy`.
    pub launch_policy: Option<PolicyRequest>,
    /// `conversation`.
    pub conversation: Option<ConversationRequest>,
    /// `conversationId`.
    pub conversation_id: Option<String>,
    /// `labels`.
    pub labels: Option<Vec<String>>,
    /// `env`: the launching user's environment. Absent: the engine's own.
    pub env: Option<BTreeMap<String, String>>,
    /// `cols`. Absent: 80.
    pub cols: Option<i64>,
    /// `rows`. Absent: 24.
    pub rows: Option<i64>,
    /// `continues`: the id of the session whose conversation this one goes on with.
    pub continues: Option<String>,
    /// The `Idempotency-Key` header.
    pub idempotency_key: Option<String>,
}

/// `launchPolicy` as asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PolicyRequest {
    /// `approval`; must be `never`.
    pub approval: String,
    /// `sandbox`; must be `workspace-write`.
    pub sandbox: String,
    /// `addDirs`: absolute directories.
    pub add_dirs: Vec<String>,
}

/// `conversation` as asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConversationRequest {
    /// `mode`: `init` or `resume`.
    pub mode: String,
    /// `id`.
    pub id: String,
}

impl std::fmt::Debug for LaunchRequest {
    /// Shows no value of the environment, and of the prompt only its length.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LaunchRequest")
            .field("project_root", &self.project_root)
            .field("cwd", &self.cwd)
            .field("harness", &self.harness)
            .field("prompt_len_bytes", &self.prompt.as_ref().map(String::len))
            .field("launch_mode", &self.launch_mode)
            .field(
                "env_names",
                &self.env.as_ref().map(|env| env.keys().collect::<Vec<_>>()),
            )
            .finish_non_exhaustive()
    }
}
