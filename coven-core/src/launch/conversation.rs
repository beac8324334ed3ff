//! Conversations: a harness's own thread of turns, which can outlive a session.

use super::ConversationRequest;
use crate::Refusal;

/// A conversation's id: 1 to 128 bytes of `[A-Za-z0-9._-]`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ConversationId(String);

impl ConversationId {
    /// Checks an id that came from outside as `field`.
    ///
    /// # Errors
    /// [`Refusal::Invalid`] naming `field`.
    pub fn parse(field: &'static str, text: &str) -> Result<Self, Refusal> {
        let fits = (1..=128).contains(&text.len());
        if fits
            && text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
        {
            Ok(Self(text.to_owned()))
        } else {
            Err(Refusal::invalid(
                field,
                text,
                "must be 1 to 128 characters of A-Z a-z 0-9 . _ -",
            ))
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
    /// The caller's id for it.
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
        Ok(Self {
            mode,
            id: ConversationId::parse("conversation.id", &request.id)?,
        })
    }
}
