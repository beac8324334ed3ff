//! `Scanner`: cuts a terminal's output into characters and the few controls that move text.
//!
//! OSC, DCS, APC, PM and SOS strings are dropped whole, and so is every sequence not named in
//! [`Token`]. A string that never ends is dropped up to the next line feed only, so that it
//! cannot hide the rest of a log.

/// What matters in the output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    /// A character to show, made visible where it would not be.
    Character { character: char },
    /// Next line.
    LineFeed,
    /// Back to the line's start.
    CarriageReturn,
    /// One column back.
    Backspace,
    /// A control sequence without prefix or intermediate bytes.
    Csi { parameters: Vec<u16>, end: u8 },
    /// The screen becomes another, or is cleared whole.
    ScreenSwitch,
}

/// The longest control sequence that is read; a longer one is dropped.
const MAX_SEQUENCE_BYTES: usize = 256;

/// Where in a sequence the scanner is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Ground,
    Escape,
    /// After an escape and intermediate bytes: one more byte ends it.
    EscapeIntermediate,
    Csi {
        body: Vec<u8>,
    },
    /// In an OSC, DCS, APC, PM or SOS string.
    Text,
    /// In such a string, after an escape that may be the start of its end.
    TextEscape,
}

/// Reads output in pieces of any size.
#[derive(Debug, Default)]
pub(super) struct Scanner {
    state: State,
    /// The start of a UTF-8 character whose end has not come yet.
    partial: Vec<u8>,
}

impl Scanner {
    /// Reads more output.
    pub(super) fn scan(&mut self, output: &[u8], mut give: impl FnMut(Token)) {
        for byte in output {
            self.byte(*byte, &mut give);
        }
    }

    /// There is no more: a character that was cut shows as U+FFFD.
    pub(super) fn finish(&mut self, mut give: impl FnMut(Token)) {
        self.end_partial(&mut give);
    }

    fn byte(&mut self, byte: u8, give: &mut impl FnMut(Token)) {
        match &mut self.state {
            State::Ground => self.ground(byte, give),
            State::Escape => self.state = after_escape(byte, give),
            State::EscapeIntermediate => match byte {
                0x20..=0x2f => {}
                _ => self.state = State::Ground,
            },
            State::Csi { body } => match byte {
                0x20..=0x3f if body.len() < MAX_SEQUENCE_BYTES => body.push(byte),
                0x20..=0x3f => {}
                0x40..=0x7e => {
                    let body = std::mem::take(body);
                    self.state = State::Ground;
                    end_csi(&body, byte, give);
                }
                _ => self.broken_off(byte, give),
            },
            State::Text => match byte {
                0x1b => self.state = State::TextEscape,
                0x07 | 0x18 | 0x1a => self.state = State::Ground,
                b'\n' => self.broken_off(byte, give),
                _ => {}
            },
            State::TextEscape => {
                self.state = match byte {
                    b'\\' => State::Ground,
                    _ => after_escape(byte, give),
                };
            }
        }
    }

    /// A sequence ends where it should not: the byte counts for itself.
    fn broken_off(&mut self, byte: u8, give: &mut impl FnMut(Token)) {
        self.state = State::Ground;
        self.ground(byte, give);
    }

    fn ground(&mut self, byte: u8, give: &mut impl FnMut(Token)) {
        if byte >= 0x80 {
            return self.high(byte, give);
        }
        self.end_partial(give);
        match byte {
            0x1b => self.state = State::Escape,
            b'\n' | 0x0b | 0x0c => give(Token::LineFeed),
            b'\r' => give(Token::CarriageReturn),
            0x08 => give(Token::Backspace),
            b'\t' | 0x20..=0x7e => give(Token::Character {
                character: byte.into(),
            }),
            // No picture: nothing a reader would miss.
            0x00 | 0x07 | 0x0e | 0x0f | 0x7f => {}
            _ => show(&format!("^{}", char::from(byte | 0x40)), give),
        }
    }

    fn high(&mut self, byte: u8, give: &mut impl FnMut(Token)) {
        self.partial.push(byte);
        match std::str::from_utf8(&self.partial) {
            Ok(text) => {
                text.chars().for_each(|c| character(c, give));
                self.partial.clear();
            }
            Err(error) if error.error_len().is_none() => {}
            Err(_) => {
                // What came before the byte is no character; the byte may begin one.
                self.partial.pop();
                if self.partial.is_empty() {
                    character(char::REPLACEMENT_CHARACTER, give);
                } else {
                    self.end_partial(give);
                    self.high(byte, give);
                }
            }
        }
    }

    fn end_partial(&mut self, give: &mut impl FnMut(Token)) {
        if !self.partial.is_empty() {
            self.partial.clear();
            character(char::REPLACEMENT_CHARACTER, give);
        }
    }
}

fn after_escape(byte: u8, give: &mut impl FnMut(Token)) -> State {
    match byte {
        b'[' => State::Csi { body: Vec::new() },
        b']' | b'P' | b'X' | b'^' | b'_' => State::Text,
        0x1b => State::Escape,
        0x20..=0x2f => State::EscapeIntermediate,
        b'D' | b'E' => {
            give(Token::LineFeed);
            State::Ground
        }
        b'c' => {
            give(Token::ScreenSwitch);
            State::Ground
        }
        b'\n' => {
            give(Token::LineFeed);
            State::Ground
        }
        _ => State::Ground,
    }
}

fn end_csi(body: &[u8], end: u8, give: &mut impl FnMut(Token)) {
    match body {
        b"?47" | b"?1047" | b"?1049" if matches!(end, b'h' | b'l') => give(Token::ScreenSwitch),
        _ if body.iter().all(|b| b.is_ascii_digit() || b";:".contains(b)) => {
            let parameters = body
                .split(|byte| *byte == b';')
                .flat_map(parameter)
                .collect();
            give(Token::Csi { parameters, end });
        }
        _ => {}
    }
}

/// One parameter, its sub-parameters made parameters as the older form of a colour has them.
fn parameter(parameter: &[u8]) -> Vec<u16> {
    let number = |digits| std::str::from_utf8(digits).ok()?.parse().ok();
    let mut numbers: Vec<u16> = parameter
        .split(|byte| *byte == b':')
        .map(|digits| number(digits).unwrap_or(0))
        .collect();
    match numbers[..] {
        // `38:2:SPACE:R:G:B` names a colour space.
        [38 | 48 | 58, 2, _, _, _, _, ..] => {
            numbers.remove(2);
        }
        [38 | 48 | 58, ..] => {}
        // `4:0` is no underline, `4:3` a curly one.
        [4, 0] => numbers = vec![24],
        _ => numbers.truncate(1),
    }
    numbers
}

/// A character as it may be shown: one that steers a terminal or turns text around is named.
fn character(character: char, give: &mut impl FnMut(Token)) {
    if is_hidden(character) {
        show(&format!("<U+{:04X}>", u32::from(character)), give);
    } else {
        give(Token::Character { character });
    }
}

fn show(text: &str, give: &mut impl FnMut(Token)) {
    text.chars()
        .for_each(|character| give(Token::Character { character }));
}

/// C1 controls, direction marks and overrides, line separators, the byte order mark, tag
/// characters: what can make text look like what it is not. Joiners stay, since emoji and many
/// scripts are written with them.
const fn is_hidden(character: char) -> bool {
    matches!(character,
        '\u{80}'..='\u{9f}'
        | '\u{61c}'
        | '\u{200b}'
        | '\u{200e}' | '\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{feff}'
        | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e007f}')
}
