//! `Title`: what people call a session.

use super::Prompt;
use crate::{Refusal, limits};

/// A title: trimmed, not empty, one line, at most
/// [`MAX_TITLE_BYTES`](crate::limits::MAX_TITLE_BYTES), no control characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Title(String);

impl Title {
    /// Checks a title that came from outside.
    ///
    /// # Errors
    /// [`Refusal::Invalid`] naming `title` when it is blank, too long, or holds a control
    /// character (a line break among them).
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let text = text.trim();
        if text.is_empty() {
            return Err(Refusal::invalid("title", text, "must not be blank"));
        }
        if text.len() > limits::MAX_TITLE_BYTES {
            return Err(Refusal::invalid("title", text, "is over 1024 bytes long"));
        }
        if text.chars().any(char::is_control) {
            return Err(Refusal::invalid(
                "title",
                text,
                "must not hold control characters",
            ));
        }
        Ok(Self(text.to_owned()))
    }

    /// A launch's title: the given one made fit, or where it is absent or blank the first line of
    /// the prompt, to [`TITLE_CHARS`](crate::limits::TITLE_CHARS) characters.
    ///
    /// It refuses nothing: clients put whole prompts here, and a launch must not fail over its
    /// title. Control characters become spaces, and what is too long is cut.
    pub fn of_launch(given: Option<&str>, prompt: &Prompt) -> Self {
        let first_line = prompt.as_str().lines().next().unwrap_or_default();
        let shown: String = first_line.chars().take(limits::TITLE_CHARS).collect();
        given
            .and_then(Self::made_fit)
            .or_else(|| Self::made_fit(&shown))
            .unwrap_or_else(|| Self("untitled".to_owned()))
    }

    /// The title of a launch that has no prompt, made fit as one that has one is.
    pub(super) fn without_prompt(given: Option<&str>) -> Self {
        given
            .and_then(Self::made_fit)
            .unwrap_or_else(|| Self("untitled".to_owned()))
    }

    /// An external session's title, made fit as a launch's is.
    pub(super) fn of_external(given: Option<&str>) -> Self {
        given
            .and_then(Self::made_fit)
            .unwrap_or_else(|| Self("External session".to_owned()))
    }

    /// `text` as one line of at most the limit; `None` where nothing is left.
    fn made_fit(text: &str) -> Option<Self> {
        let line: String = text
            .chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect();
        let line = line.trim();
        let end = (0..=line.len().min(limits::MAX_TITLE_BYTES))
            .rev()
            .find(|end| line.is_char_boundary(*end))?;
        let line = line[..end].trim_end();
        (!line.is_empty()).then(|| Self(line.to_owned()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
