//! The language of terminals: laws on any bytes cut anywhere, and what the real CLIs say.

mod modes;
mod queries;
mod viewers;

use coven_harness::terminal::{Listener, Modes, Query};
use proptest::prelude::*;

/// Codex 0.169.0 at its start.
const CODEX_START: &[u8] = b"\x1b[?2004h\x1b[>4;0m\x1b[>7u\x1b[?1004h\x1b[?u\x1b[c\x1b[6n\x1b]10;?\x1b\\\x1b]11;?\x1b\\\
\x1b[?2026h\x1b[?25l\x1b[?1049h\x1b[>4;0m\x1b[>7u\x1b[?1007l\x1b[?1000h\x1b[?1002h\x1b[?1003h\x1b[?1006h";

/// Codex at its end.
const CODEX_END: &[u8] =
    b"\x1b[?1006l\x1b[?1015l\x1b[?1003l\x1b[?1002l\x1b[?1000l\x1b[<1u\x1b[?1007l\x1b[?1049l\
\x1b[<1u\x1b[<u\x1b[>4;0m\x1b[?2004l\x1b[?1004l\x1b[c\x1b[0 q\x1b[?25h\x1b]7501;state=clear\x1b\\";

/// Claude Code 2.1.197 at its start, its XTVERSION answered.
const CLAUDE_START: &[u8] = b"\x1b7\x1b[r\x1b8\x1b[?25h\x1b[?25l\x1b[?2004h\x1b[?1004h\x1b[?2031h\
\x1b]0;\xe2\x9c\xb3 Claude Code\x07\x1b[>0q\x1b[c\x1b[?2026$p\x1b[c";

const CLAUDE_END: &[u8] =
    b"\x1b[?1006l\x1b[?1003l\x1b[?1002l\x1b[?1000l\x1b(B\x0f\x1b[>4m\x1b[<u\x1b[?1004l\
\x1b[?2031l\x1b[?2004l\x1b[?25h\x1b7\x1b[r\x1b8\x1b]0;\x07";

fn hear(bytes: &[u8]) -> Vec<Query> {
    Listener::new().hear(bytes)
}

fn modes(bytes: &[u8]) -> Modes {
    let mut listener = Listener::new();
    listener.hear(bytes);
    listener.modes().clone()
}

/// `bytes` in pieces of the given lengths, the rest in one.
fn pieces<'a>(bytes: &'a [u8], lengths: &[usize]) -> Vec<&'a [u8]> {
    let mut rest = bytes;
    let mut pieces = Vec::new();
    for length in lengths {
        let (piece, more) = rest.split_at((*length).min(rest.len()));
        pieces.push(piece);
        rest = more;
    }
    pieces.push(rest);
    pieces
}

/// Text and sequences as programs write them.
fn whole() -> impl Strategy<Value = &'static [u8]> {
    prop::sample::select(vec![
        CODEX_START,
        CODEX_END,
        CLAUDE_START,
        CLAUDE_END,
        b"\x1b[6n",
        b"\x1b[?u",
        b"\x1b]11;?\x07",
        b"\x1b[?1049h",
        b"\x1b[?1049l",
        b"\x1b[>5u",
        b"\x1b[<u",
        b"\x1b[=1;2u",
        b"\x1b(0",
        b"\x0e",
        b"\x0f",
        b"\x1b[2;9r",
        b"\x1b[4 q",
        b"\x1b=",
        b"\x1bc",
        b"\x1b[!p",
        b"\x1b[?1000h",
        b"\x1b[?1006h",
        b"\x1b[?1l",
        b"\x1b[?7l",
        b"\x1bP+q544e\x1b\\",
        "é€🦀".as_bytes(),
        b"\n",
        b"\x1b[200~",
        b"\x1b[201~",
        b"\x1b[24;80R",
    ])
}

/// Bytes in which sequences are likely, whole and broken.
fn output() -> impl Strategy<Value = Vec<u8>> {
    let part = prop_oneof![
        4 => whole().prop_map(<[u8]>::to_vec),
        1 => Just(b"\x1b]".to_vec()),
        2 => prop::collection::vec(any::<u8>(), 0..20),
        2 => prop::collection::vec(prop::sample::select(b"\x1b[]?>=$;0159\\Pqnchlmu\x07\x18".to_vec()), 0..12),
        1 => (4000..4200_usize).prop_map(|length| {
            [&b"\x1b]"[..], &vec![b'x'; length], b"\x1b"].concat()
        }),
    ];
    prop::collection::vec(part, 0..12).prop_map(|parts| parts.concat())
}

fn lengths() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(prop_oneof![0..4_usize, 0..200_usize], 0..40)
}
