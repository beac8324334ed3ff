//! Ids: sessions and harnesses.

use std::fmt;
use std::sync::Arc;

use crate::limits;

/// A session's id: a lower-case UUID where Coven made it, the caller's own word where the session
/// is external. 1 to 128 bytes of `[A-Za-z0-9._:-]`. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(Arc<str>);

/// The text is not an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to 128 characters of A-Z a-z 0-9 . _ : -, and neither . nor ..")]
pub struct InvalidId;

impl SessionId {
    /// Checks an id that a session is to have whose id others chose. `.` and `..` are ids too, and
    /// [`SessionId::parse`] takes them, but clients take them out of paths before they ask for one.
    ///
    /// # Errors
    /// [`InvalidId`] when it is one of those, or as for [`SessionId::parse`].
    pub fn parse_new(text: &str) -> Result<Self, InvalidId> {
        match text {
            "." | ".." => Err(InvalidId),
            text => Self::parse(text),
        }
    }

    /// Checks an id that came from outside.
    ///
    /// # Errors
    /// [`InvalidId`] when it is empty, too long, or holds another character.
    pub fn parse(text: &str) -> Result<Self, InvalidId> {
        let fits = (1..=limits::MAX_ID_BYTES).contains(&text.len());
        if fits
            && text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"._:-".contains(&b))
        {
            Ok(Self(text.into()))
        } else {
            Err(InvalidId)
        }
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionId({})", self.0)
    }
}

/// A harness's id, such as `codex`. Which ones exist is the registry's to say; an external
/// session may name one that Coven does not know. 1 to 128 bytes, no control characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HarnessId(Arc<str>);

impl HarnessId {
    /// Checks an id that came from outside.
    ///
    /// # Errors
    /// [`InvalidId`] when it is blank, too long, or holds a control character.
    pub fn parse(text: &str) -> Result<Self, InvalidId> {
        let fits = text.len() <= limits::MAX_ID_BYTES && !text.trim().is_empty();
        if fits && !text.chars().any(char::is_control) {
            Ok(Self(text.into()))
        } else {
            Err(InvalidId)
        }
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for HarnessId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
