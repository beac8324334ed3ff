//! The ways a prompt reaches a harness.

use bytes::Bytes;
use coven_core::{Launch, Prompt, Refusal, limits};

use crate::Stdin;

/// The prompt of a launch whose mode does nothing without one.
///
/// # Errors
/// [`Refusal::Invalid`] naming `prompt` when there is none.
pub(crate) fn of_task(launch: &Launch) -> Result<&Prompt, Refusal> {
    let prompt = launch.prompt.as_ref();
    prompt.ok_or_else(|| Refusal::invalid("prompt", "", "is required in this mode"))
}

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

/// The prompt by stdin, as it is and to its end.
pub(crate) fn by_stdin(prompt: &Prompt) -> Stdin {
    Stdin::Bytes(Bytes::copy_from_slice(prompt.as_str().as_bytes()))
}
