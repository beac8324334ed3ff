//! `Model`: which model a harness is to use.

use crate::Refusal;

/// A model's name: `[A-Za-z0-9]` first, `[A-Za-z0-9._:/@+-]` after, no `..`, at most 256 bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Model(String);

impl Model {
    /// Checks a model name that came from outside.
    ///
    /// # Errors
    /// [`Refusal::Invalid`] naming `model`.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let first_fits = text
            .bytes()
            .next()
            .is_some_and(|b| b.is_ascii_alphanumeric());
        let rest_fits = text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"._:/@+-".contains(&b));
        if first_fits && rest_fits && !text.contains("..") && text.len() <= 256 {
            Ok(Self(text.to_owned()))
        } else {
            Err(Refusal::invalid("model", text, "is not a model name"))
        }
    }

    /// The name without a leading `provider/`, for harnesses that know one provider only.
    ///
    /// # Errors
    /// [`Refusal::Invalid`] when what is left is not a model name.
    pub fn without_provider(&self) -> Result<Self, Refusal> {
        match self.0.split_once('/') {
            Some((_, name)) => Self::parse(name),
            None => Ok(self.clone()),
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
