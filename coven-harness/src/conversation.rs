//! `ConversationPlan`: which conversation a launch begins or goes on with.

use coven_core::{Conversation, ConversationId, ConversationMode, Refusal};
use uuid::Uuid;

/// Which conversation a launch begins or goes on with, in the harness's own terms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConversationPlan {
    /// Begin a new one. A harness that can be given an id is given this one.
    New {
        /// The caller's id for it, or a fresh UUID.
        id: ConversationId,
    },
    /// Go on with one.
    Resume {
        /// The harness's own id of it.
        id: ConversationId,
    },
}

impl ConversationPlan {
    /// The plan of a launch that asked for `conversation`.
    ///
    /// `fresh` is a new random UUID; it is used where the caller named no conversation. `known` is
    /// the identity of the newest session that this harness ran under the id to be resumed, if
    /// there is one: Codex cannot be given an id, so the caller's is mapped to its own.
    pub fn new(
        conversation: Option<&Conversation>,
        fresh: Uuid,
        known: Option<ConversationId>,
    ) -> Self {
        match conversation {
            None => Self::New {
                id: ConversationId::parse("conversation.id", &fresh.hyphenated().to_string())
                    .expect("a UUID is made of hexadecimal digits and hyphens"),
            },
            Some(asked) => match asked.mode {
                ConversationMode::Init => Self::New {
                    id: asked.id.clone(),
                },
                ConversationMode::Resume => Self::Resume {
                    id: known.unwrap_or_else(|| asked.id.clone()),
                },
            },
        }
    }
}

/// A conversation id that is a UUID in its usual form, as some command lines require.
pub(crate) fn uuid(id: &ConversationId) -> Result<&ConversationId, Refusal> {
    // The parser also takes forms without hyphens, which the command lines do not.
    if id.as_str().len() == 36 && Uuid::try_parse(id.as_str()).is_ok() {
        Ok(id)
    } else {
        let problem = "must be a UUID for this harness";
        Err(Refusal::invalid("conversation.id", id.as_str(), problem))
    }
}
