//! How a session began, as stored: a launch, or the registration of an external one.

use coven_core::{
    Conversation, ConversationId, ConversationMode, External, HarnessId, IdempotencyKey, Labels,
    Launch, LaunchMode, LaunchPolicy, Model, Place, Prompt, SessionId, TermSize, Title,
};
use serde::{Deserialize, Serialize};

use super::Malformed;

#[derive(Serialize, Deserialize)]
pub(super) struct LaunchRow {
    root: String,
    cwd: String,
    harness: String,
    /// Empty where there is none.
    prompt: String,
    title: String,
    model: Option<String>,
    mode: ModeRow,
    policy: Option<PolicyRow>,
    conversation: Option<ConversationRow>,
    conversation_id: Option<String>,
    labels: Vec<String>,
    size: SizeRow,
    continues: Option<String>,
    idempotency_key: Option<String>,
    environment: Vec<String>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct ExternalRow {
    root: String,
    harness: String,
    title: String,
    transcript_path: Option<String>,
    labels: Vec<String>,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
pub(super) enum ModeRow {
    Interactive,
    NonInteractive,
    Stream,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
pub(super) struct SizeRow {
    cols: u16,
    rows: u16,
}

#[derive(Serialize, Deserialize)]
struct PolicyRow {
    add_dirs: Vec<String>,
}

#[derive(Serialize, Deserialize)]
struct ConversationRow {
    mode: ConversationModeRow,
    id: String,
}

#[derive(Serialize, Deserialize)]
enum ConversationModeRow {
    Init,
    Resume,
}

impl From<&Launch> for LaunchRow {
    fn from(launch: &Launch) -> Self {
        Self {
            root: launch.place.root().to_owned(),
            cwd: launch.place.cwd().to_owned(),
            harness: launch.harness.as_str().to_owned(),
            prompt: launch
                .prompt
                .as_ref()
                .map_or_else(String::new, |prompt| prompt.as_str().to_owned()),
            title: launch.title.as_str().to_owned(),
            model: launch.model.as_ref().map(|model| model.as_str().to_owned()),
            mode: launch.mode.into(),
            policy: launch.policy.as_ref().map(|policy| PolicyRow {
                add_dirs: policy.add_dirs.clone(),
            }),
            conversation: launch.conversation.as_ref().map(ConversationRow::from),
            conversation_id: launch.conversation_id.as_ref().map(text_of),
            labels: labels_of(&launch.labels),
            size: launch.size.into(),
            continues: launch.continues.as_ref().map(|id| id.as_str().to_owned()),
            idempotency_key: launch
                .idempotency_key
                .as_ref()
                .map(|key| key.as_str().to_owned()),
            environment: launch.environment.clone(),
        }
    }
}

impl TryFrom<LaunchRow> for Launch {
    type Error = Malformed;

    fn try_from(row: LaunchRow) -> Result<Self, Malformed> {
        let launch = Self {
            place: Place::new(row.root, row.cwd).map_err(|_| Malformed::Value { field: "cwd" })?,
            harness: harness(&row.harness)?,
            prompt: prompt(&row.prompt)?,
            title: title(&row.title)?,
            model: row.model.as_deref().map(model).transpose()?,
            mode: row.mode.into(),
            policy: row.policy.map(|policy| LaunchPolicy {
                add_dirs: policy.add_dirs,
            }),
            conversation: row.conversation.map(Conversation::try_from).transpose()?,
            conversation_id: row
                .conversation_id
                .as_deref()
                .map(conversation_id)
                .transpose()?,
            labels: labels(&row.labels)?,
            size: row.size.try_into()?,
            continues: row.continues.as_deref().map(session_id).transpose()?,
            idempotency_key: row
                .idempotency_key
                .as_deref()
                .map(|key| {
                    IdempotencyKey::parse(key).map_err(|_| Malformed::Value {
                        field: "idempotency key",
                    })
                })
                .transpose()?,
            environment: row.environment,
        };
        if launch.prompt.is_none() && !launch.opens_conversation() {
            return Err(Malformed::Value { field: "prompt" });
        }
        Ok(launch)
    }
}

impl From<&External> for ExternalRow {
    fn from(external: &External) -> Self {
        Self {
            root: external.root.clone(),
            harness: external.harness.as_str().to_owned(),
            title: external.title.as_str().to_owned(),
            transcript_path: external.transcript_path.clone(),
            labels: labels_of(&external.labels),
        }
    }
}

impl TryFrom<ExternalRow> for External {
    type Error = Malformed;

    fn try_from(row: ExternalRow) -> Result<Self, Malformed> {
        Ok(Self {
            root: row.root,
            harness: harness(&row.harness)?,
            title: title(&row.title)?,
            transcript_path: row.transcript_path,
            labels: labels(&row.labels)?,
        })
    }
}

impl From<LaunchMode> for ModeRow {
    fn from(mode: LaunchMode) -> Self {
        match mode {
            LaunchMode::Interactive => Self::Interactive,
            LaunchMode::NonInteractive => Self::NonInteractive,
            LaunchMode::Stream => Self::Stream,
        }
    }
}

impl From<ModeRow> for LaunchMode {
    fn from(row: ModeRow) -> Self {
        match row {
            ModeRow::Interactive => Self::Interactive,
            ModeRow::NonInteractive => Self::NonInteractive,
            ModeRow::Stream => Self::Stream,
        }
    }
}

impl From<TermSize> for SizeRow {
    fn from(size: TermSize) -> Self {
        Self {
            cols: size.cols(),
            rows: size.rows(),
        }
    }
}

impl TryFrom<SizeRow> for TermSize {
    type Error = Malformed;

    fn try_from(row: SizeRow) -> Result<Self, Malformed> {
        Self::parse(row.cols.into(), row.rows.into())
            .map_err(|_| Malformed::Value { field: "size" })
    }
}

impl From<&Conversation> for ConversationRow {
    fn from(conversation: &Conversation) -> Self {
        Self {
            mode: match conversation.mode {
                ConversationMode::Init => ConversationModeRow::Init,
                ConversationMode::Resume => ConversationModeRow::Resume,
            },
            id: text_of(&conversation.id),
        }
    }
}

impl TryFrom<ConversationRow> for Conversation {
    type Error = Malformed;

    fn try_from(row: ConversationRow) -> Result<Self, Malformed> {
        Ok(Self {
            mode: match row.mode {
                ConversationModeRow::Init => ConversationMode::Init,
                ConversationModeRow::Resume => ConversationMode::Resume,
            },
            id: conversation_id(&row.id)?,
        })
    }
}

fn prompt(text: &str) -> Result<Option<Prompt>, Malformed> {
    let some = (!text.is_empty()).then(|| Prompt::parse(text));
    some.transpose()
        .map_err(|_| Malformed::Value { field: "prompt" })
}

pub(super) fn text_of(id: &ConversationId) -> String {
    id.as_str().to_owned()
}

pub(super) fn labels_of(labels: &Labels) -> Vec<String> {
    labels
        .iter()
        .map(|label| label.as_str().to_owned())
        .collect()
}

pub(super) fn harness(text: &str) -> Result<HarnessId, Malformed> {
    HarnessId::parse(text).map_err(|_| Malformed::Value { field: "harness" })
}

pub(super) fn title(text: &str) -> Result<Title, Malformed> {
    Title::parse(text).map_err(|_| Malformed::Value { field: "title" })
}

pub(super) fn model(text: &str) -> Result<Model, Malformed> {
    Model::parse(text).map_err(|_| Malformed::Value { field: "model" })
}

pub(super) fn labels(texts: &[String]) -> Result<Labels, Malformed> {
    Labels::parse(texts).map_err(|_| Malformed::Value { field: "labels" })
}

pub(super) fn conversation_id(text: &str) -> Result<ConversationId, Malformed> {
    ConversationId::parse("id", text).map_err(|_| Malformed::Value {
        field: "conversation id",
    })
}

pub(super) fn session_id(text: &str) -> Result<SessionId, Malformed> {
    SessionId::parse(text).map_err(|_| Malformed::Value {
        field: "session id",
    })
}
