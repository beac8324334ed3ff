//! `Draft`: a launch request that is well formed, its paths not looked at yet.

use super::{
    Conversation, ConversationId, ConversationRequest, IdempotencyKey, Labels, Launch, LaunchMode,
    LaunchPolicy, LaunchRequest, Model, Place, Prompt, Title,
};
use crate::{HarnessId, Refusal, SessionId, TermSize, limits};

/// A launch whose every field is well formed. What is left is to find its place on disk
/// ([`Draft::at`]), which is I/O and so not done here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// `projectRoot` as given: non-blank, no NUL.
    pub project_root: String,
    /// `cwd` as given, if it was: no NUL.
    pub cwd: Option<String>,
    /// The harness asked for; whether it exists is the registry's to say.
    pub harness: HarnessId,
    labels: Labels,
    prompt: Option<Prompt>,
    title: Title,
    model: Option<Model>,
    mode: LaunchMode,
    policy: Option<LaunchPolicy>,
    conversation: Option<Conversation>,
    conversation_id: Option<ConversationId>,
    size: TermSize,
    continues: Option<SessionId>,
    idempotency_key: Option<IdempotencyKey>,
    environment: Vec<String>,
}

impl Draft {
    /// Checks every field of a request.
    ///
    /// # Errors
    /// [`Refusal::Invalid`] naming the first bad field and what is wrong with it.
    pub fn parse(request: &LaunchRequest) -> Result<Self, Refusal> {
        let prompt = prompt(request)?;
        let size = TermSize::parse(
            request
                .cols
                .unwrap_or_else(|| TermSize::DEFAULT.cols().into()),
            request
                .rows
                .unwrap_or_else(|| TermSize::DEFAULT.rows().into()),
        )?;
        Ok(Self {
            project_root: path(
                "projectRoot",
                required("projectRoot", request.project_root.as_deref())?,
            )?,
            cwd: request
                .cwd
                .as_deref()
                .map(|cwd| path("cwd", cwd))
                .transpose()?,
            harness: harness(required("harness", request.harness.as_deref())?)?,
            labels: request
                .labels
                .as_deref()
                .map(Labels::parse)
                .transpose()?
                .unwrap_or_default(),
            title: title(request.title.as_deref(), prompt.as_ref()),
            prompt,
            model: request.model.as_deref().map(Model::parse).transpose()?,
            mode: request
                .launch_mode
                .as_deref()
                .map_or(Ok(LaunchMode::Interactive), LaunchMode::parse)?,
            policy: request
                .launch_policy
                .as_ref()
                .map(LaunchPolicy::parse)
                .transpose()?,
            conversation: request
                .conversation
                .as_ref()
                .map(Conversation::parse)
                .transpose()?,
            conversation_id: request
                .conversation_id
                .as_deref()
                .filter(|id| !id.trim().is_empty())
                .map(|id| ConversationId::parse("conversationId", id))
                .transpose()?,
            size,
            continues: continued(request)?,
            idempotency_key: request
                .idempotency_key
                .as_deref()
                .map(IdempotencyKey::parse)
                .transpose()?,
            environment: names(request)?,
        })
    }

    /// The directories a policy adds, as given: absolute, not looked at yet.
    pub fn added_dirs(&self) -> &[String] {
        self.policy.as_ref().map_or(&[], |policy| &policy.add_dirs)
    }

    /// The draft in its place: a launch.
    pub fn at(self, place: Place) -> Launch {
        Launch {
            place,
            harness: self.harness,
            prompt: self.prompt,
            title: self.title,
            model: self.model,
            mode: self.mode,
            policy: self.policy,
            // What the caller calls the conversation is what it launched it under, unless it says
            // otherwise.
            conversation_id: self.conversation_id.or_else(|| {
                self.conversation
                    .as_ref()
                    .map(|conversation| conversation.id.clone())
            }),
            conversation: self.conversation,
            labels: self.labels,
            size: self.size,
            continues: self.continues,
            idempotency_key: self.idempotency_key,
            environment: self.environment,
        }
    }
}

fn required<'a>(field: &'static str, value: Option<&'a str>) -> Result<&'a str, Refusal> {
    match value {
        Some(text) if !text.trim().is_empty() => Ok(text),
        Some(text) => Err(Refusal::invalid(field, text, "must not be blank")),
        None => Err(Refusal::invalid(field, "", "is required")),
    }
}

/// A prompt may be left out where a conversation is opened; see [`Launch::opens_conversation`].
fn prompt(request: &LaunchRequest) -> Result<Option<Prompt>, Refusal> {
    match request.prompt.as_deref() {
        None if may_open_conversation(request) => Ok(None),
        given => Prompt::parse(required("prompt", given)?).map(Some),
    }
}

fn title(given: Option<&str>, prompt: Option<&Prompt>) -> Title {
    match prompt {
        Some(prompt) => Title::of_launch(given, prompt),
        None => Title::without_prompt(given),
    }
}

/// As [`Launch::opens_conversation`]; whether the words are right is told later.
fn may_open_conversation(request: &LaunchRequest) -> bool {
    let mode = request.launch_mode.as_deref().map(LaunchMode::parse);
    let resumes = |conversation: &ConversationRequest| conversation.mode == "resume";
    matches!(mode, None | Some(Ok(LaunchMode::Interactive)))
        && (request.continues.is_some() || request.conversation.as_ref().is_some_and(resumes))
}

fn path(field: &'static str, text: &str) -> Result<String, Refusal> {
    if text.contains('\0') {
        return Err(Refusal::invalid(field, text, "must not hold a NUL"));
    }
    Ok(text.to_owned())
}

fn harness(text: &str) -> Result<HarnessId, Refusal> {
    HarnessId::parse(text).map_err(|_| Refusal::invalid("harness", text, "is not a harness id"))
}

fn continued(request: &LaunchRequest) -> Result<Option<SessionId>, Refusal> {
    let Some(text) = request.continues.as_deref() else {
        return Ok(None);
    };
    if request.conversation.is_some() {
        let problem = "cannot be given together with conversation, which names another";
        return Err(Refusal::invalid("continues", text, problem));
    }
    SessionId::parse(text)
        .map(Some)
        .map_err(|problem| Refusal::invalid("continues", text, problem.to_string()))
}

/// The names of the environment, sorted (the request's map is). Values appear in no error.
fn names(request: &LaunchRequest) -> Result<Vec<String>, Refusal> {
    let Some(env) = &request.env else {
        return Ok(Vec::new());
    };
    if env.len() > limits::MAX_ENV_VARS {
        return Err(Refusal::invalid("env", "", "has more than 4096 variables"));
    }
    for (name, value) in env {
        if name.is_empty() || name.contains(['=', '\0']) {
            return Err(Refusal::invalid(
                "env",
                name,
                "has a name that is empty or holds = or NUL",
            ));
        }
        if value.contains('\0') {
            return Err(Refusal::invalid(
                "env",
                name,
                "has a value that holds a NUL",
            ));
        }
    }
    Ok(env.keys().cloned().collect())
}
