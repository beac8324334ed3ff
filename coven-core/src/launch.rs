//! A launch: the request as it came, parsed step by step into what cannot be wrong.
//!
//! [`LaunchRequest`] (anything) → [`Draft`] (well formed) → [`Launch`] (its place exists too).

mod conversation;
mod draft;
mod external;
mod idempotency_key;
mod labels;
mod mode;
mod model;
mod place;
mod policy;
mod prompt;
mod request;
mod title;

pub use conversation::{Conversation, ConversationId, ConversationMode};
pub use draft::Draft;
pub use external::{External, ExternalRequest};
pub use idempotency_key::IdempotencyKey;
pub use labels::{Label, Labels};
pub use mode::LaunchMode;
pub use model::Model;
pub use place::Place;
pub use policy::LaunchPolicy;
pub use prompt::Prompt;
pub use request::{ConversationRequest, LaunchRequest, PolicyRequest};
pub use title::Title;

use crate::{HarnessId, SessionId, TermSize};

/// A launch that was accepted: what the `created` event keeps for ever.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Launch {
    /// Where it runs.
    pub place: Place,
    /// Which harness.
    pub harness: HarnessId,
    /// What it is to do. `None` only where it [opens a conversation](Launch::opens_conversation).
    pub prompt: Option<Prompt>,
    /// What people call it.
    pub title: Title,
    /// Which model, where the caller chose one.
    pub model: Option<Model>,
    /// How it is wired.
    pub mode: LaunchMode,
    /// What it may do unasked, where the caller said.
    pub policy: Option<LaunchPolicy>,
    /// The harness's conversation to begin under an id, or to go on with.
    pub conversation: Option<Conversation>,
    /// What the caller calls the conversation; kept, not interpreted. A session that has one and
    /// exits with 0 is idle rather than completed.
    pub conversation_id: Option<ConversationId>,
    /// Its labels.
    pub labels: Labels,
    /// The terminal's first size.
    pub size: TermSize,
    /// The session whose conversation it goes on with.
    pub continues: Option<SessionId>,
    /// The caller's word for this launch, so that a retry does not launch twice.
    pub idempotency_key: Option<IdempotencyKey>,
    /// The names of the environment's variables, sorted. Values are never kept.
    pub environment: Vec<String>,
}

impl Launch {
    /// Whether it opens a conversation again in a terminal, for who sits there to go on with: then
    /// it needs no prompt. In another mode it would end, or wait for ever, without one.
    pub fn opens_conversation(&self) -> bool {
        let resumes = |asked: &Conversation| asked.mode == ConversationMode::Resume;
        self.mode == LaunchMode::Interactive
            && (self.continues.is_some() || self.conversation.as_ref().is_some_and(resumes))
    }
}
