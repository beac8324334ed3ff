//! Plain text of what was written to a terminal.

/// Removes control sequences, wherever the pieces are cut. Moves of the cursor to another line end
/// the line; moves within it are a blank. What is not UTF-8 becomes U+FFFD.
#[derive(Debug, Default)]
pub(crate) struct PlainText {
    state: State,
    /// The beginning of a character whose end has not come.
    character: Vec<u8>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Text,
    /// After ESC.
    Escape,
    /// After `ESC` and intermediates.
    EscapeMore,
    /// Within `ESC [ …`.
    Control,
    /// Within `ESC ] …` and its like, up to BEL or ESC \.
    String,
    /// ESC within such a string.
    StringEscape,
}

impl PlainText {
    /// The text of the next piece.
    pub(crate) fn take(&mut self, piece: &[u8]) -> String {
        let mut text = std::mem::take(&mut self.character);
        for byte in piece {
            self.byte(*byte, &mut text);
        }
        let complete = text.len() - coven::incomplete_char(&text);
        self.character = text.split_off(complete);
        String::from_utf8_lossy(&text).into_owned()
    }

    fn byte(&mut self, byte: u8, text: &mut Vec<u8>) {
        self.state = match (self.state, byte) {
            (State::String | State::StringEscape, 0x1B) => State::StringEscape,
            (State::StringEscape, b'\\') => State::Text,
            (State::String | State::StringEscape, 0x07 | 0x18 | 0x1A) => State::Text,
            (State::String | State::StringEscape, _) => State::String,
            (_, 0x1B) => State::Escape,
            (State::Text, _) => {
                self::text(byte, text);
                State::Text
            }
            (State::Escape, b'[') => State::Control,
            (State::Escape, b']' | b'P' | b'_' | b'^' | b'X') => State::String,
            (State::Escape | State::EscapeMore, 0x20..=0x2F) => State::EscapeMore,
            (State::Escape, b'D' | b'E' | b'M') => {
                text.push(b'\n');
                State::Text
            }
            (State::Escape | State::EscapeMore, _) => State::Text,
            (State::Control, 0x40..=0x7E) => {
                moved(byte, text);
                State::Text
            }
            (State::Control, _) => State::Control,
        };
    }
}

fn text(byte: u8, text: &mut Vec<u8>) {
    match byte {
        // A carriage return alone begins the line again: what was there is shown too.
        b'\n' | b'\r' => text.push(b'\n'),
        b'\t' => text.push(b' '),
        0x08 => {
            text.pop();
        }
        0..=0x1F | 0x7F => {}
        _ => text.push(byte),
    }
}

/// What a move of the cursor is in plain text, by the last byte of its sequence.
fn moved(last: u8, text: &mut Vec<u8>) {
    match last {
        b'A' | b'B' | b'E' | b'F' | b'H' | b'f' | b'd' => text.push(b'\n'),
        b'C' | b'G' => text.push(b' '),
        _ => {}
    }
}
