//! Conversations: a harness's own thread of turns, which can outlive a session.

use super::ConversationRequest;
use crate::{Refusal, limits};

/// A conversation's id, as a caller or a harness calls it: 1 to 256 bytes, not blank, no control
/// characters.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ConversationId(String);

impl ConversationId {
    /// Checks an id that came from outside as `field`.
    ///
    /// # Errors
    /// [`Refusal::Invalid`] naming `field`.
    pub fn parse(field: &'static str, text: &str) -> Result<Self, Refusal> {
        let fits = text.len() <= limits::MAX_CONVERSATION_ID_BYTES && !text.trim().is_empty();
        if fits && !text.chars().any(char::is_control) {
            Ok(Self(text.to_owned()))
        } else {
            let problem = "must be 1 to 256 bytes without control characters";
            Err(Refusal::invalid(field, text, problem))
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What to do with a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ConversationMode {
    /// Begin it under this id.
    Init,
    /// Go on with it.
    Resume,
}

/// A conversation to begin or to go on with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conversation {
    /// Begin, or go on.
    pub mode: ConversationMode,
    /// The caller's id for it: only `[A-Za-z0-9._-]`, since it may become an argument.
    pub id: ConversationId,
}

impl Conversation {
    /// Checks `conversation` as it came from outside.
    ///
    /// # Errors
    /// [`Refusal::Invalid`] naming `conversation.mode` or `conversation.id`.
    pub fn parse(request: &ConversationRequest) -> Result<Self, Refusal> {
        let mode = match request.mode.as_str() {
            "init" => ConversationMode::Init,
            "resume" => ConversationMode::Resume,
            other => {
                return Err(Refusal::invalid(
                    "conversation.mode",
                    other,
                    "must be init or resume",
                ));
            }
        };
        let word = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
        if !request.id.bytes().all(word) {
            let problem = "must be characters of A-Z a-z 0-9 . _ -";
            return Err(Refusal::invalid("conversation.id", &request.id, problem));
        }
        Ok(Self {
            mode,
            id: ConversationId::parse("conversation.id", &request.id)?,
        })
    }
}
