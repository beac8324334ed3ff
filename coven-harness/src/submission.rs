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

/// Pastes the text in brackets and presses Enter, in one write: for programs that turn bracketed
/// paste on. Line breaks stay line breaks.
pub(crate) fn paste(text: &str) -> Result<Vec<Keystroke>, Refusal> {
    check(text)?;
    let typed = [b"\x1b[200~", text.as_bytes(), b"\x1b[201~\r"].concat();
    Ok(vec![Keystroke::Type(typed.into())])
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

    fn typed(text: &str) -> Vec<Keystroke> {
        paste(text).unwrap()
    }

    #[test]
    fn a_paste_is_bracketed_and_entered_in_one_write() {
        let expected = Bytes::from("\u{1b}[200~a\n\tb é\u{1b}[201~\r");
        assert_eq!(typed("a\n\tb é"), [Keystroke::Type(expected)]);
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
            if let Err(refusal) = paste(text) {
                assert!(
                    matches!(refusal, Refusal::Invalid { field: "text", .. }),
                    "{text:?}"
                );
            }
        }
    }
}
