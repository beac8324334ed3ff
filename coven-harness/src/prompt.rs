//! Whether a prompt fits the way it is to reach a harness.

use coven_core::{Prompt, Refusal, limits};

/// The prompt as an argument, for a mode that has no other way in.
///
/// # Errors
/// [`Refusal::Invalid`] naming `prompt` when it is too long for one.
pub(crate) fn as_argument(prompt: &Prompt) -> Result<&str, Refusal> {
    if prompt.fits_argument() {
        return Ok(prompt.as_str());
    }
    let problem = format!(
        "is {} bytes long; this harness takes at most {} in this mode",
        prompt.as_str().len(),
        limits::MAX_ARGUMENT_BYTES
    );
    Err(Refusal::invalid("prompt", prompt.as_str(), problem))
}
