//! `IdempotencyKey`: a caller's word for one launch, however often it asks.

use crate::{Refusal, limits};

/// 1 to 128 visible ASCII characters.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    /// Checks a key that came from outside.
    ///
    /// # Errors
    /// [`Refusal::Invalid`] naming `Idempotency-Key`.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let fits = (1..=limits::MAX_IDEMPOTENCY_KEY_BYTES).contains(&text.len());
        if fits && text.bytes().all(|b| b.is_ascii_graphic()) {
            Ok(Self(text.to_owned()))
        } else {
            let problem = "must be 1 to 128 visible ASCII characters";
            Err(Refusal::invalid("Idempotency-Key", text, problem))
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
