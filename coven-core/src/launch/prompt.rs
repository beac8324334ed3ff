//! `Prompt`: what an agent is asked to do.

use crate::{Refusal, limits};

/// A prompt: trimmed, not empty, no NUL, at most
/// [`MAX_PROMPT_BYTES`](crate::limits::MAX_PROMPT_BYTES). Whether the harness can take one that
/// is too long for an argument is the adapter's to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prompt(String);

impl Prompt {
    /// Trims and checks a prompt that came from outside.
    ///
    /// # Errors
    /// [`Refusal::Invalid`] naming `prompt` when it is blank, too long, or holds a NUL.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let text = text.trim();
        if text.is_empty() {
            return Err(Refusal::invalid("prompt", "", "must not be blank"));
        }
        if text.contains('\0') {
            return Err(Refusal::invalid("prompt", text, "must not hold a NUL"));
        }
        if text.len() > limits::MAX_PROMPT_BYTES {
            let problem = format!("is {} bytes long; the most is 1 MiB", text.len());
            return Err(Refusal::invalid("prompt", text, problem));
        }
        Ok(Self(text.to_owned()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its first characters, for lists.
    pub fn head(&self) -> String {
        self.0.chars().take(limits::PROMPT_HEAD_CHARS).collect()
    }

    /// Whether it can be one argument of a process.
    pub fn fits_argument(&self) -> bool {
        self.0.len() <= limits::MAX_ARGUMENT_BYTES
    }
}
