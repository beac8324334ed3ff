//! What a terminal answers. Ours is a VT220 with colour that knows bracketed paste, the mouse,
//! kitty's keyboard and synchronized output; it is dark, and its cursor is at home.

use super::modes::Modes;
use super::scanner::{Sequence, StringEnd, StringKind};

/// The default colours: light grey on black.
const FOREGROUND: &str = "rgb:cccc/cccc/cccc";
const BACKGROUND: &str = "rgb:0000/0000/0000";

/// The answer, if `sequence` is a question; an empty one where silence is the answer.
pub(super) fn answer(sequence: &Sequence<'_>, modes: &Modes) -> Option<Vec<u8>> {
    let reply = match *sequence {
        // DECID, the older form of DA1.
        Sequence::Escape {
            intermediates: [],
            last: b'Z',
        } => DEVICE_ATTRIBUTES.to_owned(),
        Sequence::Csi {
            params,
            intermediates,
            last,
        } => csi(
            std::str::from_utf8(params).ok()?,
            intermediates,
            last,
            modes,
        )?,
        Sequence::String {
            kind: StringKind::Osc,
            data,
            end,
        } => osc(data, end)?,
        Sequence::String {
            kind: StringKind::Dcs,
            data,
            ..
        } => dcs(data)?,
        // Kitty's "can you show pictures".
        Sequence::String {
            kind: StringKind::Apc,
            data,
            ..
        } => is_picture_query(data).then(String::new)?,
        Sequence::Escape { .. } | Sequence::Shift { .. } | Sequence::String { .. } => return None,
    };
    Some(reply.into_bytes())
}

const DEVICE_ATTRIBUTES: &str = "\x1b[?62;22c";

fn csi(params: &str, intermediates: &[u8], last: u8, modes: &Modes) -> Option<String> {
    let silence = Some(String::new());
    match (params, intermediates, last) {
        ("" | "0", [], b'c') => Some(DEVICE_ATTRIBUTES.to_owned()),
        (">" | ">0", [], b'c') => Some("\x1b[>1;10;0c".to_owned()),
        ("=" | "=0", [], b'c') => Some("\x1bP!|00000000\x1b\\".to_owned()),
        (">" | ">0", [], b'q') => {
            Some(concat!("\x1bP>|coven ", env!("CARGO_PKG_VERSION"), "\x1b\\").to_owned())
        }
        ("5", [], b'n') => Some("\x1b[0n".to_owned()),
        ("6", [], b'n') => Some("\x1b[1;1R".to_owned()),
        ("?6", [], b'n') => Some("\x1b[?1;1R".to_owned()),
        // Dark, in the protocol of colour scheme notices.
        ("?996", [], b'n') => Some("\x1b[?997;1n".to_owned()),
        (_, [], b'n') if number(params.strip_prefix('?').unwrap_or(params)).is_some() => silence,
        ("?", [], b'u') => Some(format!("\x1b[?{}u", modes.keyboard_flags())),
        (_, [b'$'], b'p') => Some(mode_report(params, modes).unwrap_or_default()),
        ("" | "0", [], b'x') => Some("\x1b[2;1;1;128;128;1;0x".to_owned()),
        ("1", [], b'x') => Some("\x1b[3;1;1;128;128;1;0x".to_owned()),
        // The window's size, place, title and state; checksums and settings of the screen; the
        // limits of pictures; modifyOtherKeys.
        (_, [], b't') if is_window_query(params) => silence,
        (_, [b'*'], b'y') | (_, [b'$'], b'w' | b'u') => silence,
        (_, [], b'S') if params.starts_with('?') => silence,
        (_, [], b'm') if params.starts_with('?') => silence,
        _ => None,
    }
}

/// DECRPM: 0 for a mode we do not know, 1 for set, 2 for reset.
fn mode_report(params: &str, modes: &Modes) -> Option<String> {
    let private = params.strip_prefix('?');
    let mode = number(private.unwrap_or(params))?;
    let state = match private.and_then(|_| modes.is_set(mode)) {
        Some(true) => 1,
        Some(false) => 2,
        None => 0,
    };
    Some(format!("\x1b[{params};{state}$y"))
}

fn is_window_query(params: &str) -> bool {
    let first = params.split(';').next().and_then(number);
    matches!(first, Some(11 | 13..=16 | 18..=21))
}

fn osc(data: &[u8], end: StringEnd) -> Option<String> {
    let data = std::str::from_utf8(data).ok()?;
    let (command, rest) = data.split_once(';')?;
    let asks = rest
        .split(';')
        .any(|field| field == "?" || field.ends_with("=?"));
    let (4 | 5 | 10..=19 | 21 | 22 | 50 | 52 | 60 | 61) = number(command)? else {
        return (command == "1337" && is_iterm_query(rest)).then(String::new);
    };
    let terminator = match end {
        StringEnd::Bel => "\x07",
        StringEnd::St => "\x1b\\",
    };
    asks.then(|| match (command, rest) {
        ("10" | "12", "?") => format!("\x1b]{command};{FOREGROUND}{terminator}"),
        ("11", "?") => format!("\x1b]{command};{BACKGROUND}{terminator}"),
        // Several at once: each colour in turn.
        ("10", "?;?") => {
            format!("\x1b]10;{FOREGROUND}{terminator}\x1b]11;{BACKGROUND}{terminator}")
        }
        _ => String::new(),
    })
}

fn is_iterm_query(rest: &str) -> bool {
    rest == "ReportCellSize" || rest == "Capabilities" || rest.starts_with("ReportVariable=")
}

fn dcs(data: &[u8]) -> Option<String> {
    let data = std::str::from_utf8(data).ok()?;
    if let Some(names) = data.strip_prefix("+q") {
        return Some(names.split(';').map(capability).collect());
    }
    // Settings of the screen: "no such setting", as there is no screen.
    data.starts_with("$q").then(|| "\x1bP0$r\x1b\\".to_owned())
}

/// XTGETTCAP: a terminfo capability, name and value in hexadecimal digits.
fn capability(name: &str) -> String {
    let value = match decode(name).as_deref() {
        Some(b"TN" | b"name") => "xterm-256color",
        Some(b"Co" | b"colors") => "256",
        Some(b"RGB") => "8/8/8",
        _ => {
            // Only digits go back: never type for a program what it made up.
            let name = if name.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                name
            } else {
                ""
            };
            return format!("\x1bP0+r{name}\x1b\\");
        }
    };
    let value: String = value.bytes().map(|byte| format!("{byte:02X}")).collect();
    format!("\x1bP1+r{name}={value}\x1b\\")
}

fn decode(digits: &str) -> Option<Vec<u8>> {
    let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    digits.as_bytes().chunks(2).map(pair).collect()
}

fn is_picture_query(data: &[u8]) -> bool {
    let Some(data) = data.strip_prefix(b"G") else {
        return false;
    };
    let control = data.split(|byte| *byte == b';').next().unwrap_or_default();
    control
        .split(|byte| *byte == b',')
        .any(|pair| pair == b"a=q")
}

fn number(digits: &str) -> Option<u16> {
    digits
        .bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| digits.parse().ok())
        .flatten()
}
