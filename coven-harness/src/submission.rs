//! Typing a further prompt into an interactive session.

use std::time::Duration;

use bytes::Bytes;
use coven_core::Refusal;

/// One step of typing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Keystroke {
    /// Write this, in one write.
    Type(Bytes),
    /// Wait this long before the next step.
    Pause(Duration),
}

/// What a terminal in canonical mode holds of one line, its end included.
const MAX_LINE_BYTES: usize = 4096;

/// Long enough for a program that tells pasting from typing by speed to see the end of the text.
const BEFORE_ENTER: Duration = Duration::from_millis(100);

/// Long enough for a program to have taken in a paste. Claude Code drops an Enter that comes
/// while it does so: on a busy machine 6 of 40 in the same write, 1 of 40 after 100 ms, and 0 of
/// 80 after 300 ms or more.
const AFTER_PASTE: Duration = Duration::from_millis(300);

/// Pastes the text in brackets, waits, and presses Enter: for programs that turn bracketed paste
/// on. Line breaks stay line breaks.
pub(crate) fn paste(text: &str) -> Result<Vec<Keystroke>, Refusal> {
    check(text)?;
    let pasted = [b"\x1b[200~", text.as_bytes(), b"\x1b[201~"].concat();
    Ok(vec![
        Keystroke::Type(pasted.into()),
        Keystroke::Pause(AFTER_PASTE),
        Keystroke::Type(Bytes::from_static(b"\r")),
    ])
}

/// Types the text, waits, and presses Enter: for programs that read lines. One line only, since
/// a line break would submit the half before it.
pub(crate) fn line(text: &str) -> Result<Vec<Keystroke>, Refusal> {
    check(text)?;
    if text.contains(['\t', '\n', '\r']) {
        let problem = "must be one line without tabs for this harness";
        return Err(Refusal::invalid("text", text, problem));
    }
    if text.len() >= MAX_LINE_BYTES {
        let problem = "must be under 4096 bytes for this harness";
        return Err(Refusal::invalid("text", text, problem));
    }
    Ok(vec![
        Keystroke::Type(Bytes::copy_from_slice(text.as_bytes())),
        Keystroke::Pause(BEFORE_ENTER),
        Keystroke::Type(Bytes::from_static(b"\r")),
    ])
}

/// A control character is a key: ESC would end the paste or press something, Ctrl-C interrupt.
fn check(text: &str) -> Result<(), Refusal> {
    if text.trim().is_empty() {
        return Err(Refusal::invalid("text", text, "must not be blank"));
    }
    match text
        .chars()
        .find(|c| c.is_control() && !matches!(c, '\t' | '\n' | '\r'))
    {
        None => Ok(()),
        Some(control) => {
            let problem = format!(
                "must not hold the control character U+{:04X}; send raw input instead",
                u32::from(control)
            );
            Err(Refusal::invalid("text", text, problem))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_paste_is_bracketed_and_entered_after_a_pause() {
        assert_eq!(
            paste("a\n\tb é").unwrap(),
            [
                Keystroke::Type("\u{1b}[200~a\n\tb é\u{1b}[201~".into()),
                Keystroke::Pause(AFTER_PASTE),
                Keystroke::Type("\r".into()),
            ]
        );
    }

    #[test]
    fn a_line_is_typed_and_entered_after_a_pause() {
        assert_eq!(
            line("fix it").unwrap(),
            [
                Keystroke::Type("fix it".into()),
                Keystroke::Pause(BEFORE_ENTER),
                Keystroke::Type("\r".into()),
            ]
        );
    }

    #[test]
    fn text_that_is_more_than_text_is_refused() {
        for text in [
            "",
            " \n",
            "a\0",
            "a\u{1b}[201~b",
            "\u{3}",
            "\u{7f}",
            "\u{9b}A",
        ] {
            for refusal in [paste(text).unwrap_err(), line(text).unwrap_err()] {
                assert!(
                    matches!(refusal, Refusal::Invalid { field: "text", .. }),
                    "{text:?}"
                );
            }
        }
    }

    #[test]
    fn a_line_longer_than_a_terminal_holds_or_of_two_lines_is_refused() {
        assert!(line(&"a".repeat(MAX_LINE_BYTES - 1)).is_ok());
        assert!(line(&"a".repeat(MAX_LINE_BYTES)).is_err());
        assert!(line("a\nb").is_err());
        assert!(line("a\tb").is_err());
    }
}
