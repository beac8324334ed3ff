//! One key as a terminal sends it, in whichever of three encodings.
//!
//! Plain: `d` is the byte `d`, Ctrl-D the byte 4. Kitty: `CSI code ; modifiers : event u`.
//! xterm's modifyOtherKeys: `CSI 27 ; modifiers ; code ~`.

use super::detach_keys::Chord;

/// A sequence longer than this is no key; it is passed on as it comes.
const MAX_SEQUENCE_BYTES: usize = 128;

/// What ends a paste.
pub(super) const PASTE_END: &[u8] = b"\x1b[201~";

/// What the first bytes of typed input are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// A whole key or sequence of this many bytes.
    Whole { len: usize },
    /// The start of a sequence: more must come.
    Partial,
}

/// What a piece means to the one who looks for a chord.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// A key went down.
    Press { chord: Chord },
    /// A key is held down, and repeats.
    Repeat { chord: Chord },
    /// A key went up, or a modifier alone moved: it neither makes nor breaks a chord.
    Aside,
    /// A paste begins.
    PasteBegin,
    /// A paste ends.
    PasteEnd,
    /// Anything else.
    Other,
}

/// Cuts the first piece off typed input, which is not empty.
pub(super) fn first_piece(bytes: &[u8]) -> Piece {
    match bytes {
        [0x1b] => Piece::Partial,
        [0x1b, b'[', rest @ ..] => {
            let end = rest.iter().position(|byte| !(0x20..=0x3f).contains(byte));
            match end {
                Some(at) if (0x40..=0x7e).contains(&rest[at]) => Piece::Whole { len: at + 3 },
                // Broken off: what breaks it off begins the next piece.
                Some(at) => Piece::Whole { len: at + 2 },
                None if bytes.len() >= MAX_SEQUENCE_BYTES => Piece::Whole { len: bytes.len() },
                None => Piece::Partial,
            }
        }
        // Escape, then another sequence: two keys.
        [0x1b, 0x1b, ..] => Piece::Whole { len: 1 },
        [0x1b, _, ..] => Piece::Whole { len: 2 },
        _ => Piece::Whole { len: 1 },
    }
}

/// What a whole piece means.
pub(super) fn meaning(piece: &[u8]) -> Meaning {
    match piece {
        [byte] => plain(*byte),
        b"\x1b[200~" => Meaning::PasteBegin,
        PASTE_END => Meaning::PasteEnd,
        [0x1b, b'[', parameters @ .., b'u'] => kitty(parameters),
        [0x1b, b'[', parameters @ .., b'~'] => other_keys(parameters),
        // Cursor and function keys report going up as well: `CSI 1 ; modifiers : 3 A`.
        [0x1b, b'[', parameters @ .., _] if field(parameters, 1, 1) == Some(3) => Meaning::Aside,
        _ => Meaning::Other,
    }
}

fn plain(byte: u8) -> Meaning {
    match byte {
        0x01..=0x1a => press_ctrl(u32::from(byte | 0x60)),
        0x1c..=0x1f => press_ctrl(u32::from(byte | 0x40)),
        0x20..=0x7e => press(u32::from(byte)),
        _ => Meaning::Other,
    }
}

fn kitty(parameters: &[u8]) -> Meaning {
    const MODIFIER_KEYS: std::ops::RangeInclusive<u32> = 57_441..=57_454;
    const LOCK_KEYS: std::ops::RangeInclusive<u32> = 57_358..=57_360;
    let Some(code) = field(parameters, 0, 0) else {
        return Meaning::Other;
    };
    let event = field(parameters, 1, 1).unwrap_or(1);
    if event == 3 || MODIFIER_KEYS.contains(&code) || LOCK_KEYS.contains(&code) {
        return Meaning::Aside;
    }
    let pressed = modified(code, field(parameters, 1, 0).unwrap_or(1));
    match (event, pressed) {
        (2, Meaning::Press { chord }) => Meaning::Repeat { chord },
        (_, pressed) => pressed,
    }
}

fn other_keys(parameters: &[u8]) -> Meaning {
    match (
        field(parameters, 0, 0),
        field(parameters, 1, 0),
        field(parameters, 2, 0),
    ) {
        (Some(27), Some(modifiers), Some(code)) => modified(code, modifiers),
        _ if field(parameters, 1, 1) == Some(3) => Meaning::Aside,
        _ => Meaning::Other,
    }
}

/// A key by its code and its modifiers: 1 + a bit for each (shift, alt, ctrl, super, hyper,
/// meta, caps lock, num lock). Shift and the locks say how the key is written, not which it is.
fn modified(code: u32, modifiers: u32) -> Meaning {
    const SHIFT: u32 = 1;
    const CTRL: u32 = 4;
    const LOCKS: u32 = 64 | 128;
    let held = modifiers.saturating_sub(1) & !(LOCKS | SHIFT);
    match held {
        0 => press(code),
        CTRL => press_ctrl(code),
        _ => Meaning::Other,
    }
}

fn press(code: u32) -> Meaning {
    key(code).map_or(Meaning::Other, |key| Meaning::Press {
        chord: Chord { key, ctrl: false },
    })
}

fn press_ctrl(code: u32) -> Meaning {
    key(code).map_or(Meaning::Other, |key| Meaning::Press {
        chord: Chord { key, ctrl: true },
    })
}

fn key(code: u32) -> Option<char> {
    let key = char::from_u32(code).filter(char::is_ascii_graphic)?;
    Some(key.to_ascii_lowercase())
}

/// Sub-parameter `sub` of parameter `at`, where it is a number.
fn field(parameters: &[u8], at: usize, sub: usize) -> Option<u32> {
    let parameter = parameters.split(|byte| *byte == b';').nth(at)?;
    let digits = parameter.split(|byte| *byte == b':').nth(sub)?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}
