//! How a session began, as an export has it.

use coven::{
    Conversation, ConversationId, ConversationMode, HarnessId, IdempotencyKey, Labels, LaunchMode,
    LaunchPolicy, Model, Place, PolicyRequest, Prompt, Refusal, SessionId, TermSize, Title, limits,
};
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::export) struct Launch {
    project_root: String,
    cwd: String,
    harness: String,
    pub(in crate::export) prompt: Option<String>,
    pub(in crate::export) title: String,
    model: Option<String>,
    launch_mode: String,
    policy: Option<Policy>,
    conversation: Option<ConversationPart>,
    conversation_id: Option<String>,
    labels: Vec<String>,
    cols: u16,
    rows: u16,
    continues: Option<String>,
    idempotency_key: Option<String>,
    environment: Vec<String>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Policy {
    add_dirs: Vec<String>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ConversationPart {
    mode: ModeWord,
    id: String,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum ModeWord {
    Init,
    Resume,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::export) struct External {
    project_root: String,
    harness: String,
    pub(in crate::export) title: String,
    transcript_path: Option<String>,
    labels: Vec<String>,
}

impl From<&coven::Launch> for Launch {
    fn from(launch: &coven::Launch) -> Self {
        let text = |id: &ConversationId| id.as_str().to_owned();
        Self {
            project_root: launch.place.root().to_owned(),
            cwd: launch.place.cwd().to_owned(),
            harness: launch.harness.as_str().to_owned(),
            prompt: launch
                .prompt
                .as_ref()
                .map(|prompt| prompt.as_str().to_owned()),
            title: launch.title.as_str().to_owned(),
            model: launch.model.as_ref().map(|model| model.as_str().to_owned()),
            launch_mode: launch.mode.as_str().to_owned(),
            policy: launch.policy.as_ref().map(|policy| Policy {
                add_dirs: policy.add_dirs.clone(),
            }),
            conversation: launch.conversation.as_ref().map(|conversation| {
                let mode = match conversation.mode {
                    ConversationMode::Init => ModeWord::Init,
                    ConversationMode::Resume => ModeWord::Resume,
                };
                let id = text(&conversation.id);
                ConversationPart { mode, id }
            }),
            conversation_id: launch.conversation_id.as_ref().map(text),
            labels: texts(&launch.labels),
            cols: launch.size.cols(),
            rows: launch.size.rows(),
            continues: launch.continues.as_ref().map(|id| id.as_str().to_owned()),
            idempotency_key: launch
                .idempotency_key
                .as_ref()
                .map(|key| key.as_str().to_owned()),
            environment: launch.environment.clone(),
        }
    }
}

impl TryFrom<Launch> for coven::Launch {
    type Error = Refusal;

    fn try_from(launch: Launch) -> Result<Self, Refusal> {
        let prompt = launch.prompt.as_deref().map(prompt).transpose()?;
        let policy = launch.policy.map(|policy| PolicyRequest {
            approval: "never".to_owned(),
            sandbox: "workspace-write".to_owned(),
            add_dirs: policy.add_dirs,
        });
        let launch = Self {
            place: Place::new(launch.project_root, launch.cwd)?,
            harness: harness(&launch.harness)?,
            prompt,
            title: title(&launch.title)?,
            model: launch.model.as_deref().map(Model::parse).transpose()?,
            mode: LaunchMode::parse(&launch.launch_mode)?,
            policy: policy.as_ref().map(LaunchPolicy::parse).transpose()?,
            conversation: launch
                .conversation
                .map(Conversation::try_from)
                .transpose()?,
            conversation_id: launch
                .conversation_id
                .as_deref()
                .map(|id| ConversationId::parse("conversationId", id))
                .transpose()?,
            labels: Labels::parse(&launch.labels)?,
            size: TermSize::parse(launch.cols.into(), launch.rows.into())?,
            continues: launch.continues.as_deref().map(continued).transpose()?,
            idempotency_key: launch
                .idempotency_key
                .as_deref()
                .map(IdempotencyKey::parse)
                .transpose()?,
            environment: names(launch.environment)?,
        };
        if launch.prompt.is_none() && !launch.opens_conversation() {
            return Err(Refusal::invalid("prompt", "", "is missing"));
        }
        Ok(launch)
    }
}

fn prompt(text: &str) -> Result<Prompt, Refusal> {
    let prompt = Prompt::parse(text)?;
    as_given("prompt", text, prompt.as_str())?;
    Ok(prompt)
}

impl TryFrom<ConversationPart> for Conversation {
    type Error = Refusal;

    fn try_from(part: ConversationPart) -> Result<Self, Refusal> {
        Ok(Self {
            mode: match part.mode {
                ModeWord::Init => ConversationMode::Init,
                ModeWord::Resume => ConversationMode::Resume,
            },
            id: ConversationId::parse("conversation.id", &part.id)?,
        })
    }
}

impl From<&coven::External> for External {
    fn from(external: &coven::External) -> Self {
        Self {
            project_root: external.root.clone(),
            harness: external.harness.as_str().to_owned(),
            title: external.title.as_str().to_owned(),
            transcript_path: external.transcript_path.clone(),
            labels: texts(&external.labels),
        }
    }
}

impl TryFrom<External> for coven::External {
    type Error = Refusal;

    fn try_from(external: External) -> Result<Self, Refusal> {
        Ok(Self {
            root: external.project_root,
            harness: harness(&external.harness)?,
            title: title(&external.title)?,
            transcript_path: external.transcript_path,
            labels: Labels::parse(&external.labels)?,
        })
    }
}

pub(super) fn texts(labels: &Labels) -> Vec<String> {
    labels
        .iter()
        .map(|label| label.as_str().to_owned())
        .collect()
}

/// A title as the log has it, to the byte.
pub(super) fn title(text: &str) -> Result<Title, Refusal> {
    let title = Title::parse(text)?;
    as_given("title", text, title.as_str())?;
    Ok(title)
}

/// What is trimmed when somebody gives it was so when it was recorded.
fn as_given(field: &'static str, given: &str, kept: &str) -> Result<(), Refusal> {
    if given == kept {
        Ok(())
    } else {
        Err(Refusal::invalid(field, given, "is not as a log has it"))
    }
}

fn harness(text: &str) -> Result<HarnessId, Refusal> {
    HarnessId::parse(text).map_err(|_| Refusal::invalid("harness", text, "is not a harness id"))
}

fn continued(text: &str) -> Result<SessionId, Refusal> {
    SessionId::parse(text)
        .map_err(|problem| Refusal::invalid("continues", text, problem.to_string()))
}

fn names(names: Vec<String>) -> Result<Vec<String>, Refusal> {
    if names.len() > limits::MAX_ENV_VARS {
        let problem = "has more than 4096 variables";
        return Err(Refusal::invalid("environment", "", problem));
    }
    match names
        .iter()
        .find(|name| name.is_empty() || name.contains(['=', '\0']))
    {
        Some(name) => Err(Refusal::invalid("environment", name, "is no name")),
        None => Ok(names),
    }
}
