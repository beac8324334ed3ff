//! `Undo`: what a session's output has changed in the viewer's terminal, and how to undo it.
//!
//! Only what is known to be changed is undone: leaving an alternate screen that was never
//! entered moves the cursor, and a terminal that does not know the kitty keyboard takes its
//! sequences for others.

use std::collections::BTreeSet;

/// Private modes (`CSI ? n h`) that are on in a fresh terminal: undone by setting them.
const ON_AT_FIRST: [u16; 2] = [7, 25];

/// The longest sequence that is looked at; none of ours is near it.
const MAX_SEQUENCE_BYTES: usize = 64;

/// Notes the changes in a stream of output, whatever the reads it comes in.
#[derive(Clone, Debug, Default)]
pub(crate) struct Undo {
    /// Private modes that are not as they were.
    modes: BTreeSet<u16>,
    /// Levels of the kitty keyboard protocol pushed and not popped.
    keyboard_levels: u16,
    other_keys: bool,
    cursor_shape: bool,
    scroll_region: bool,
    keypad: bool,
    /// The start of an escape sequence whose end has not come yet, without the escape.
    sequence: Option<Vec<u8>>,
}

impl Undo {
    /// Notes what `output` changes.
    pub(crate) fn note(&mut self, output: &[u8]) {
        let mut rest = output;
        loop {
            if self.sequence.is_none() {
                let Some(at) = rest.iter().position(|byte| *byte == 0x1b) else {
                    return;
                };
                rest = &rest[at + 1..];
                self.sequence = Some(Vec::new());
            }
            let Some((byte, after)) = rest.split_first() else {
                return;
            };
            rest = after;
            self.take(*byte);
        }
    }

    /// What to write so that the terminal is as it was, as far as output can make it so.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        if self.scroll_region {
            bytes.extend_from_slice(b"\x1b7\x1b[r\x1b8");
        }
        if self.keyboard_levels > 0 {
            bytes.extend_from_slice(format!("\x1b[<{}u", self.keyboard_levels).as_bytes());
        }
        if self.other_keys {
            bytes.extend_from_slice(b"\x1b[>4m");
        }
        if self.cursor_shape {
            bytes.extend_from_slice(b"\x1b[0 q");
        }
        if self.keypad {
            bytes.extend_from_slice(b"\x1b>");
        }
        // The alternate screens last: what was set within them is undone within them.
        let (screens, others): (Vec<u16>, Vec<u16>) =
            self.modes.iter().partition(|mode| is_screen(**mode));
        for mode in others.into_iter().chain(screens) {
            let end = if ON_AT_FIRST.contains(&mode) {
                'h'
            } else {
                'l'
            };
            bytes.extend_from_slice(format!("\x1b[?{mode}{end}").as_bytes());
        }
        // Plain text in the plain character set, harmless in any state.
        bytes.extend_from_slice(b"\x1b(B\x0f\x1b[0m");
        bytes
    }

    fn take(&mut self, byte: u8) {
        let Some(mut sequence) = self.sequence.take() else {
            return;
        };
        match (sequence.first(), byte) {
            (_, 0x1b) => self.sequence = Some(Vec::new()),
            (None, b'[') => {
                sequence.push(byte);
                self.sequence = Some(sequence);
            }
            (None, b'=') => self.keypad = true,
            (None, b'>') => self.keypad = false,
            (None, b'c') => *self = Self::default(),
            (None, _) => {}
            (Some(_), 0x20..=0x3f) => {
                if sequence.len() < MAX_SEQUENCE_BYTES {
                    sequence.push(byte);
                    self.sequence = Some(sequence);
                }
            }
            (Some(_), _) => self.csi(&sequence[1..], byte),
        }
    }

    fn csi(&mut self, parameters: &[u8], end: u8) {
        let Ok(parameters) = std::str::from_utf8(parameters) else {
            return;
        };
        match (end, parameters.as_bytes().first()) {
            (b'h' | b'l', Some(b'?')) => {
                for mode in parameters[1..].split(';').filter_map(|n| n.parse().ok()) {
                    self.mode(mode, end == b'h');
                }
            }
            (b'u', Some(b'>')) => self.keyboard_levels = self.keyboard_levels.saturating_add(1),
            (b'u', Some(b'<')) => {
                let levels = parameters[1..].parse().unwrap_or(1);
                self.keyboard_levels = self.keyboard_levels.saturating_sub(levels);
            }
            (b'm', Some(b'>')) => self.other_keys = true,
            (b'q', Some(_)) if parameters.ends_with(' ') => self.cursor_shape = true,
            (b'r', _) if parameters.bytes().all(|b| b.is_ascii_digit() || b == b';') => {
                self.scroll_region = !parameters.is_empty();
            }
            (b'p', Some(b'!')) => *self = Self::default(),
            _ => {}
        }
    }

    fn mode(&mut self, mode: u16, on: bool) {
        if on == ON_AT_FIRST.contains(&mode) {
            self.modes.remove(&mode);
        } else {
            self.modes.insert(mode);
        }
    }
}

const fn is_screen(mode: u16) -> bool {
    matches!(mode, 47 | 1047 | 1049)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn undone(output: &[u8]) -> String {
        let mut undo = Undo::default();
        undo.note(output);
        let mut bytewise = Undo::default();
        for byte in output {
            bytewise.note(&[*byte]);
        }
        assert_eq!(undo.bytes(), bytewise.bytes());
        let bytes = String::from_utf8(undo.bytes()).unwrap();
        bytes.strip_suffix("\x1b(B\x0f\x1b[0m").unwrap().to_owned()
    }

    #[test]
    fn plain_text_needs_nothing_undone() {
        assert_eq!(undone(b"hello \xff\x1b[31mred\x1b]0;title\x07\x1b"), "");
    }

    #[test]
    fn a_full_screen_agent_that_dies_leaves_nothing_behind() {
        let start =
            b"\x1b[?2004h\x1b[>7u\x1b[?1049h\x1b[?25l\x1b[?1000;1006h\x1b[4 q\x1b[2;20r\x1b=";
        assert_eq!(
            undone(start),
            "\x1b7\x1b[r\x1b8\x1b[<1u\x1b[0 q\x1b>\x1b[?25h\x1b[?1000l\x1b[?1006l\x1b[?2004l\x1b[?1049l"
        );
    }

    #[test]
    fn what_the_agent_undid_itself_is_left_alone() {
        let whole = b"\x1b[?1049h\x1b[>1u\x1b[?25l\x1b[?25h\x1b[<u\x1b[?1049l";
        assert_eq!(undone(whole), "");
    }

    #[test]
    fn sequences_without_end_do_not_grow() {
        let mut undo = Undo::default();
        undo.note(b"\x1b[?");
        undo.note(&[b'1'; 10_000]);
        assert!(
            undo.sequence
                .is_none_or(|sequence| sequence.len() <= MAX_SEQUENCE_BYTES)
        );
    }
}
