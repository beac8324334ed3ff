//! `Payload`: what an event carries, by its kind.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// What an event carries.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Payload {
    /// `status`: where the session stands now.
    Status(StatusChange),
    /// `output`: the process wrote something.
    Output(Output),
    /// `input`: something was typed.
    Input(Input),
    /// `resize`: the terminal has a new size.
    Resize(Size),
    /// `title`: the session has a new title.
    Title(TitleChange),
    /// `labels`: the session has new labels.
    Labels(LabelsChange),
    /// `archived`: it is no longer in plain lists.
    Archived,
    /// `summoned`: it is in plain lists again.
    Summoned,
    /// `identified`: the harness's own id of the conversation became known.
    Identified(Identified),
    /// `kill`: a kill was accepted.
    Kill,
    /// `exit`: it is over. All its output came before.
    Exit(Exit),
    /// `trimmed`: its oldest output is gone from the log.
    Trimmed(Trim),
    /// `undelivered`: something that was typed did not reach the process whole.
    Undelivered(Undelivered),
    /// `deleted`: it is no more. Only on the stream of all sessions.
    Deleted,
    /// A kind or a payload of a newer daemon.
    Other {
        /// The JSON, or null where it was none.
        json: Value,
    },
}

/// `status`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum StatusChange {
    /// Its launch was accepted.
    Created,
    /// It runs.
    Running {
        /// Its process; absent for one that runs elsewhere.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        pid: Option<u32>,
    },
    /// Its process was lost.
    Orphaned {
        /// How: `engine_died`, `reboot`, `shutdown`, `launch_interrupted`, `imported` or
        /// `shim_died`.
        reason: String,
    },
}

/// `output`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Output {
    /// The text. What is not UTF-8 shows as U+FFFD; `/output` has the exact bytes.
    pub data: String,
    /// Where it starts in the session's output, in bytes.
    pub offset: u64,
    /// How many bytes it is exactly: the next output starts at `offset + bytes`.
    pub bytes: u64,
    /// Where it was written to.
    pub channel: Channel,
}

/// Where output was written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    /// The terminal.
    Tty,
    /// A pipe on stdout.
    Stdout,
    /// A pipe on stderr.
    Stderr,
}

/// `input`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Input {
    /// The text; its beginning when it is `truncated`, empty when it is `redacted`.
    pub data: String,
    /// A secret was being typed: only its length is on record.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub redacted: bool,
    /// It is too long for one event; the log has it whole.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub truncated: bool,
    /// How many bytes it was, when `data` does not tell.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub bytes: Option<u64>,
    /// Its name, by which an `undelivered` event tells of it; absent of what was typed before inputs
    /// had names.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub id: Option<String>,
}

/// `undelivered`: an input that was accepted was not written whole to the terminal, or the pipe, and
/// will not be. It comes once at most of each, and before the session's end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Undelivered {
    /// The `id` of the `input` event.
    pub id: String,
    /// How many bytes that input is.
    pub bytes: u64,
    /// How many of them, its first, were written: fewer than all. Null where nobody knows: none, some or
    /// all.
    pub written: Option<u64>,
}

/// `resize`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Size {
    /// Columns.
    pub cols: u16,
    /// Rows.
    pub rows: u16,
}

/// `title`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TitleChange {
    /// The new title.
    pub title: String,
}

/// `labels`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LabelsChange {
    /// All labels from now on.
    pub labels: Vec<String>,
}

/// `identified`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Identified {
    /// The harness's own id of the conversation.
    pub harness_conversation_id: String,
}

/// `exit`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Exit {
    /// Whether its process ended well.
    pub status: ExitStatus,
    /// What it returned; null when it did not return.
    pub exit_code: Option<i32>,
    /// The signal that ended it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub signal: Option<i32>,
    /// Why it never ran.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<String>,
    /// Why it never ran, where that is no fault of the launch: `engine_died`, before it had anything run.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub cause: Option<String>,
    /// Whether all output was recorded.
    pub output: OutputEnd,
}

/// `trimmed`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Trim {
    /// Where what is gone begins in the session's output. All before it went earlier.
    pub offset: u64,
    /// How many bytes are gone: what is left begins at `offset + bytes`.
    pub bytes: u64,
    /// Their SHA-256, in lower-case hexadecimal; zeros where they could not be read.
    pub sha256: String,
}

/// Whether a process ended well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ExitStatus {
    /// It returned 0.
    Completed,
    /// It did not.
    Failed,
}

/// Whether all output was recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OutputEnd {
    /// Nothing is missing.
    Complete,
    /// A descendant kept the terminal open past the deadline; what it wrote later is not recorded.
    Cut,
}

impl Payload {
    /// Reads what an event of `kind` carries.
    pub fn parse(kind: &str, payload_json: &str) -> Self {
        let json: Value = serde_json::from_str(payload_json).unwrap_or(Value::Null);
        let known = match kind {
            "status" => typed(&json).map(Self::Status),
            "output" => typed(&json).map(Self::Output),
            "input" => typed(&json).map(Self::Input),
            "resize" => typed(&json).map(Self::Resize),
            "title" => typed(&json).map(Self::Title),
            "labels" => typed(&json).map(Self::Labels),
            "archived" => Some(Self::Archived),
            "summoned" => Some(Self::Summoned),
            "identified" => typed(&json).map(Self::Identified),
            "kill" => Some(Self::Kill),
            "exit" => typed(&json).map(Self::Exit),
            "trimmed" => typed(&json).map(Self::Trimmed),
            "undelivered" => typed(&json).map(Self::Undelivered),
            "deleted" => Some(Self::Deleted),
            _ => None,
        };
        known.unwrap_or(Self::Other { json })
    }

    /// The kind of event that carries it; `None` for one of a newer daemon.
    pub const fn kind(&self) -> Option<&'static str> {
        Some(match self {
            Self::Status(_) => "status",
            Self::Output(_) => "output",
            Self::Input(_) => "input",
            Self::Resize(_) => "resize",
            Self::Title(_) => "title",
            Self::Labels(_) => "labels",
            Self::Archived => "archived",
            Self::Summoned => "summoned",
            Self::Identified(_) => "identified",
            Self::Kill => "kill",
            Self::Exit(_) => "exit",
            Self::Trimmed(_) => "trimmed",
            Self::Undelivered(_) => "undelivered",
            Self::Deleted => "deleted",
            Self::Other { .. } => return None,
        })
    }

    /// The text of `payload_json`.
    pub fn to_json(&self) -> String {
        match self {
            Self::Status(status) => json(status),
            Self::Output(output) => json(output),
            Self::Input(input) => json(input),
            Self::Resize(size) => json(size),
            Self::Title(title) => json(title),
            Self::Labels(labels) => json(labels),
            Self::Identified(identity) => json(identity),
            Self::Kill => r#"{"status":"killed"}"#.to_owned(),
            Self::Exit(exit) => json(exit),
            Self::Trimmed(trim) => json(trim),
            Self::Undelivered(input) => json(input),
            Self::Archived | Self::Summoned | Self::Deleted => "{}".to_owned(),
            Self::Other { json } => json.to_string(),
        }
    }
}

fn typed<T: DeserializeOwned>(json: &Value) -> Option<T> {
    T::deserialize(json).ok()
}

fn json<T: Serialize>(payload: &T) -> String {
    serde_json::to_string(payload).expect("a payload of texts and numbers has a JSON form")
}
