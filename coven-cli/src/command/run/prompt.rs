//! The prompt: as given, or from stdin.

use std::io::{self, IsTerminal, Read};

use coven::limits::MAX_PROMPT_BYTES;

use crate::failure::Failure;

/// Makes sure that a word which is all there is was not meant for the harness.
///
/// # Errors
/// When it names one that everybody knows.
pub(super) fn is_no_harness(word: &str) -> Result<(), Failure> {
    if ["codex", "claude"].contains(&word) {
        return Err(Failure::usage(format!(
            "the prompt is missing; write: coven run {word} \"what to do\""
        )));
    }
    Ok(())
}

/// The prompt that `word` is, or that stdin holds when it is `-`.
///
/// # Errors
/// When stdin is not text or too long.
pub(in crate::command) fn read(word: &str) -> Result<String, Failure> {
    if word != "-" {
        return Ok(word.to_owned());
    }
    if io::stdin().is_terminal() {
        crate::output::complain("coven: type the prompt, and end it with Ctrl-D");
    }
    let mut bytes = Vec::new();
    let limit = MAX_PROMPT_BYTES as u64 + 1;
    io::stdin()
        .lock()
        .take(limit)
        .read_to_end(&mut bytes)
        .map_err(|error| Failure::failed(format!("stdin cannot be read: {error}")))?;
    if bytes.len() > MAX_PROMPT_BYTES {
        return Err(Failure::usage(format!(
            "the prompt on stdin is over {MAX_PROMPT_BYTES} bytes; put it in a file and name the file"
        )));
    }
    String::from_utf8(bytes)
        .map_err(|_| Failure::usage("the prompt on stdin is not UTF-8; give it as text"))
}
