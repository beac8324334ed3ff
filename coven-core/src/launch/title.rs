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

    /// A launch's title: the given one, or where it is absent or blank the first line of the
    /// prompt, to [`TITLE_CHARS`](crate::limits::TITLE_CHARS) characters.
    ///
    /// # Errors
    /// As [`Title::parse`], for a given one.
    pub fn parse_or_first_line(given: Option<&str>, prompt: &Prompt) -> Result<Self, Refusal> {
        match given {
            Some(text) if !text.trim().is_empty() => Self::parse(text),
            Some(_) | None => Ok(Self::first_line(prompt)),
        }
    }

    fn first_line(prompt: &Prompt) -> Self {
        let line = prompt.as_str().lines().next().unwrap_or_default();
        let shown: String = line
            .chars()
            .filter(|c| !c.is_control())
            .take(limits::TITLE_CHARS)
            .collect();
        let shown = shown.trim();
        Self(if shown.is_empty() {
            "untitled".to_owned()
        } else {
            shown.to_owned()
        })
    }

    /// A title for a session whose owner gave none that can be shown.
    pub(super) fn or_else(given: Option<&str>, fallback: &str) -> Result<Self, Refusal> {
        match given {
            Some(text) if !text.trim().is_empty() => Self::parse(text),
            Some(_) | None => Self::parse(fallback),
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
