//! The language of terminals: laws on any bytes cut anywhere, and what the real CLIs say.

use bytes::Bytes;
use coven_harness::terminal::{FromViewer, Listener, Modes, Query, ToViewer, resume_point};
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

fn replies(bytes: &[u8]) -> String {
    hear(bytes)
        .into_iter()
        .map(|query| String::from_utf8(query.reply).unwrap())
        .collect()
}

fn modes(bytes: &[u8]) -> Modes {
    let mut listener = Listener::new();
    listener.hear(bytes);
    listener.modes().clone()
}

fn to_viewer(bytes: &'static [u8]) -> Bytes {
    ToViewer::new().pass(Bytes::from_static(bytes))
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

#[test]
fn all_that_codex_asks_at_its_start_is_answered_so_that_it_does_not_wait() {
    assert_eq!(
        replies(CODEX_START),
        "\x1b[?7u\x1b[?62;22c\x1b[1;1R\x1b]10;rgb:cccc/cccc/cccc\x1b\\\x1b]11;rgb:0000/0000/0000\x1b\\"
    );
}

#[test]
fn all_that_claude_asks_at_its_start_is_answered() {
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(
        replies(CLAUDE_START),
        format!("\x1bP>|coven {version}\x1b\\\x1b[?62;22c\x1b[?2026;2$y\x1b[?62;22c")
    );
}

#[test]
fn a_query_is_known_by_its_place_in_the_output() {
    let mut listener = Listener::starting_at(1000);
    assert_eq!(listener.hear(b"text\x1b[6"), []);
    let queries = listener.hear(b"n\x1b[c");
    let ranges: Vec<_> = queries.into_iter().map(|query| query.range).collect();
    assert_eq!(ranges, [1004..1008, 1008..1011]);
}

#[test]
fn each_kind_of_query_has_its_answer() {
    for (query, reply) in [
        ("\x1b[0c", "\x1b[?62;22c"),
        ("\x1bZ", "\x1b[?62;22c"),
        ("\x1b[>c", "\x1b[>1;10;0c"),
        ("\x1b[=c", "\x1bP!|00000000\x1b\\"),
        ("\x1b[5n", "\x1b[0n"),
        ("\x1b[?6n", "\x1b[?1;1R"),
        ("\x1b[?996n", "\x1b[?997;1n"),
        ("\x1b[?u", "\x1b[?0u"),
        ("\x1b[>1u\x1b[>5u\x1b[?u", "\x1b[?5u"),
        ("\x1b]11;?\x07", "\x1b]11;rgb:0000/0000/0000\x07"),
        (
            "\x1b]10;?;?\x07",
            "\x1b]10;rgb:cccc/cccc/cccc\x07\x1b]11;rgb:0000/0000/0000\x07",
        ),
        ("\x1b[?2004h\x1b[?2004$p", "\x1b[?2004;1$y"),
        ("\x1b[?25$p\x1b[?7$p", "\x1b[?25;1$y\x1b[?7;1$y"),
        ("\x1b[?2048$p\x1b[20$p", "\x1b[?2048;0$y\x1b[20;0$y"),
        (
            "\x1bP+q544e\x1b\\",
            "\x1bP1+r544e=787465726D2D323536636F6C6F72\x1b\\",
        ),
        (
            "\x1bP+q436F;6b31\x1b\\",
            "\x1bP1+r436F=323536\x1b\\\x1bP0+r6b31\x1b\\",
        ),
        ("\x1bP$qm\x1b\\", "\x1bP0$r\x1b\\"),
    ] {
        assert_eq!(replies(query.as_bytes()), reply, "{query:?}");
    }
}

#[test]
fn what_only_a_screen_or_a_person_could_answer_is_a_query_without_a_reply() {
    for query in [
        "\x1b]52;c;?\x07",
        "\x1b]4;1;?\x1b\\",
        "\x1b[14t",
        "\x1b[18t",
        "\x1b[21t",
        "\x1b[1;1;1;1;24;80*y",
        "\x1b[?1;1;0S",
        "\x1b[?4m",
        "\x1b_Gi=1,a=q;AAAA\x1b\\",
        "\x1b]1337;ReportCellSize\x07",
        "\x1b[?99999$p",
    ] {
        let queries = hear(query.as_bytes());
        assert_eq!(queries.len(), 1, "{query:?}");
        assert_eq!(queries[0].reply, b"", "{query:?}");
    }
}

#[test]
fn what_tells_or_sets_is_no_query() {
    for told in [
        "\x1b[?62;22c",
        "\x1b[1;1R",
        "\x1b[0m",
        "\x1b[>4;2m",
        "\x1b[>4n",
        "\x1b[2 q",
        "\x1b[1;5r",
        "\x1b]10;#ffffff\x07",
        "\x1b]0;Really?\x07",
        "\x1b]8;;http://x/?a=?\x1b\\",
        "\x1b[8;24;80t",
        "\x1b]52;c;aGk=\x07",
        "\x1b]7501;state=idle:app=codex\x1b\\",
        "\x1b]9;4;3;\x07",
        "\x1b[>7u",
        "\x1b[22;0t",
        "\x1b]11;?",
        "\x1b[?u".strip_suffix('u').unwrap(),
        "\x1b_Ga=T;AAAA\x1b\\",
    ] {
        assert_eq!(hear(told.as_bytes()), [], "{told:?}");
    }
}

#[test]
fn an_interrupted_sequence_is_none_and_the_next_one_counts() {
    assert_eq!(replies(b"\x1b[6\x1b[5n"), "\x1b[0n");
    assert_eq!(replies(b"\x1b[6\x18n"), "");
    assert_eq!(replies(b"\x1b]11;?\x1b[5n"), "\x1b[0n");
    assert_eq!(replies(b"\x1b[6\xc3n"), "");
    assert_eq!(
        replies(b"\x1b[\r6n"),
        "\x1b[1;1R",
        "a control within a sequence does not end it"
    );
}

#[test]
fn a_title_that_holds_the_byte_of_a_c1_control_is_one_string() {
    assert_eq!(replies("\x1b]0;✳ [6n\x07\u{9b}6n".as_bytes()), "");
}

#[test]
fn a_sequence_too_long_to_be_a_query_is_passed_over() {
    let mut bytes = b"\x1b]11;?".to_vec();
    bytes.extend(std::iter::repeat_n(b' ', 5000));
    bytes.extend_from_slice(b"\x07\x1b[5n");
    assert_eq!(replies(&bytes), "\x1b[0n");
}

#[test]
fn viewers_are_shown_everything_but_queries() {
    let shown = to_viewer(CODEX_START);
    assert!(hear(&shown).is_empty());
    assert_eq!(modes(&shown), modes(CODEX_START));
    assert_eq!(
        shown,
        b"\x1b[?2004h\x1b[>4;0m\x1b[>7u\x1b[?1004h\x1b[?2026h\x1b[?25l\x1b[?1049h\
\x1b[>4;0m\x1b[>7u\x1b[?1007l\x1b[?1000h\x1b[?1002h\x1b[?1003h\x1b[?1006h"[..]
    );
}

#[test]
fn output_without_queries_is_not_even_copied() {
    let output = Bytes::from_static("one \x1b[31mtwo\x1b[0m ✳".as_bytes());
    let shown = ToViewer::new().pass(output.clone());
    assert_eq!(shown.as_ptr(), output.as_ptr());
    assert_eq!(shown, output);
}

#[test]
fn a_viewers_answers_are_not_typed_into_the_program() {
    for answer in [
        "\x1b[?62;22c",
        "\x1b[>41;390;0c",
        "\x1b[24;80R",
        "\x1b[?24;80R",
        "\x1b[0n",
        "\x1b[?0u",
        "\x1bP>|kitty(0.40.0)\x1b\\",
        "\x1b]11;rgb:1e1e/1e1e/1e1e\x07",
        "\x1b]10;rgb:0/0/0\x1b\\",
        "\x1b[?2026;2$y",
        "\x1bP1+r544e=78\x1b\\",
        "\x1bP1$r0m\x1b\\",
        "\x1bP!|00000000\x1b\\",
        "\x1b[?997;1n",
        "\x1b[8;24;80t",
        "\x1b_Gi=1;OK\x1b\\",
        "\x1b[2;1;1;128;128;1;0x",
    ] {
        let typed = format!("a{answer}b");
        let mut viewer = FromViewer::new();
        assert_eq!(viewer.pass(typed.clone().into()), "ab", "{answer:?}");
        let mut viewer = FromViewer::new();
        let one_by_one: Vec<u8> = typed
            .bytes()
            .flat_map(|byte| viewer.pass(Bytes::from(vec![byte])))
            .collect();
        assert_eq!(one_by_one, b"ab", "{answer:?}");
    }
}

#[test]
fn what_a_viewer_types_arrives() {
    for typed in [
        "text\r",
        "ä🦀",
        "\x1b[A",
        "\x1bOP",
        "\x1b[1;5D",
        "\x1b[1;2R",
        "\x1b[97;5u",
        "\x1b[13u",
        "\x1b[27;5;13~",
        "\x1b[I",
        "\x1b[O",
        "\x1b[<0;10;5M",
        "\x1b[<0;10;5m",
        "\x1b[M !!",
        "\x1bx",
        "\x03",
        "\x1b[c",
        "\x1b[200~a\x1b[6nb\x1b]11;?\x07\x1b[24;80R\x1b[201~",
    ] {
        let mut viewer = FromViewer::new();
        let passed = viewer.pass(Bytes::copy_from_slice(typed.as_bytes()));
        assert_eq!(
            (passed, viewer.holds()),
            (Bytes::copy_from_slice(typed.as_bytes()), false)
        );
    }
}

#[test]
fn an_escape_key_is_held_until_it_is_sure() {
    let mut viewer = FromViewer::new();
    assert_eq!(viewer.pass(Bytes::from_static(b"x\x1b")), "x");
    assert!(viewer.holds());
    assert_eq!(viewer.flush(), "\x1b");
    assert!(!viewer.holds());
    assert_eq!(
        viewer.pass(Bytes::from_static(b"[24;80R")),
        "[24;80R",
        "the Escape was a key"
    );
}

#[test]
fn the_modes_of_codex_can_be_restored_elsewhere_and_are_gone_when_it_has_left() {
    let running = modes(CODEX_START);
    let restored = String::from_utf8(running.restore()).unwrap();
    assert_eq!(
        restored,
        "\x1b[>7u\x1b[?1049h\x1b[>7u\x1b[?25l\x1b[?1004h\x1b[?1007l\x1b[?2004h\x1b[?1006h\x1b[?1003h"
    );
    let mut both = CODEX_START.to_vec();
    both.extend_from_slice(CODEX_END);
    // It leaves one mode behind: the wheel is no longer arrow keys.
    assert_eq!(modes(&both).restore(), b"\x1b[?1007l");
}

#[test]
fn claude_leaves_no_mode_behind() {
    let mut both = CLAUDE_START.to_vec();
    assert_eq!(
        modes(&both).restore(),
        b"\x1b[?25l\x1b[?1004h\x1b[?2004h\x1b[?2031h"
    );
    both.extend_from_slice(CLAUDE_END);
    assert_eq!(modes(&both), Modes::default());
    assert_eq!(modes(&both).restore(), b"");
    assert_eq!(modes(&both).reset(), b"");
}

#[test]
fn each_kind_of_mode_is_restored() {
    for set in [
        "\x1b[?1h",
        "\x1b[?7l",
        "\x1b[?47h",
        "\x1b[?1047h",
        "\x1b[?9h",
        "\x1b[?1015h",
        "\x1b=",
        "\x1b[>4;2m",
        "\x1b[3 q",
        "\x1b[2;20r",
        "\x1b(0",
        "\x1b)0\x0e",
        "\x1b[>1u\x1b[>5u",
    ] {
        assert_eq!(modes(set.as_bytes()).restore(), set.as_bytes(), "{set:?}");
    }
    assert_eq!(
        modes(b"\x1b[?2026h").restore(),
        b"",
        "a frame is not restored"
    );
    assert_eq!(
        modes(b"\x1b[=3;1u\x1b[=4;2u\x1b[=1;3u").restore(),
        b"\x1b[>6u"
    );
    assert_eq!(modes(b"\x1b[>1u\x1b[>5u\x1b[<u").restore(), b"\x1b[>1u");
}

#[test]
fn a_reset_by_the_program_resets() {
    for reset in ["\x1bc", "\x1b[?25h\x1b[?1l\x1b[r\x1b(B"] {
        let all = format!("\x1b[?25l\x1b[?1h\x1b[2;5r\x1b(0{reset}");
        assert_eq!(modes(all.as_bytes()), Modes::default(), "{reset:?}");
    }
    assert_eq!(
        modes(b"\x1b[?2004h\x1b[?25l\x1b=\x1b[2;5r\x1b[!p").restore(),
        b"\x1b[?2004h"
    );
}

#[test]
fn a_resize_ends_a_scroll_region() {
    let mut modes = modes(b"\x1b[2;5r");
    modes.resized();
    assert_eq!(modes, Modes::default());
}

#[test]
fn output_resumes_where_a_sequence_surely_starts() {
    for (tail, place) in [
        ("31mred\r\nnext", 7),
        ("31mred\x1b[0m", 6),
        ("itle of it\x1b\\text", 12),
        ("itle of it\x07text", 11),
        ("\u{fffd}x\x1b", 4),
        ("no place at all", 15),
        ("", 0),
        ("\x1b[H", 0),
    ] {
        assert_eq!(resume_point(tail.as_bytes()), place, "{tail:?}");
    }
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

proptest! {
    #[test]
    fn however_output_is_cut_the_same_is_heard(bytes in output(), lengths in lengths()) {
        let (mut whole, mut cut) = (Listener::new(), Listener::new());
        let at_once = whole.hear(&bytes);
        let queries: Vec<Query> =
            pieces(&bytes, &lengths).into_iter().flat_map(|piece| cut.hear(piece)).collect();
        prop_assert_eq!(&queries, &at_once);
        prop_assert_eq!(cut.modes(), whole.modes());
        // A query's bytes, alone, are that query.
        for query in &queries {
            let range = query.range.start as usize..query.range.end as usize;
            prop_assert_eq!(hear(&bytes[range]).len(), 1);
        }
    }

    #[test]
    fn however_output_is_cut_viewers_see_the_same_without_queries(
        bytes in output(),
        lengths in lengths(),
    ) {
        let queries = hear(&bytes);
        let mut expected = Vec::new();
        let mut done = 0;
        for query in queries {
            expected.extend_from_slice(&bytes[done..query.range.start as usize]);
            done = query.range.end as usize;
        }
        expected.extend_from_slice(&bytes[done..]);
        let mut viewer = ToViewer::new();
        let shown: Vec<u8> = pieces(&bytes, &lengths)
            .into_iter()
            .flat_map(|piece| viewer.pass(Bytes::copy_from_slice(piece)))
            .collect();
        // The end may be an unfinished sequence, which is held back.
        prop_assert!(expected.starts_with(&shown));
        prop_assert!(expected.len() - shown.len() <= 4100);
    }

    #[test]
    fn however_input_is_cut_the_same_is_typed_and_nothing_is_held_after_a_flush(
        bytes in output(),
        lengths in lengths(),
    ) {
        let (mut whole, mut cut) = (FromViewer::new(), FromViewer::new());
        let mut at_once = whole.pass(Bytes::copy_from_slice(&bytes)).to_vec();
        at_once.extend_from_slice(&whole.flush());
        let mut typed: Vec<u8> = pieces(&bytes, &lengths)
            .into_iter()
            .flat_map(|piece| cut.pass(Bytes::copy_from_slice(piece)))
            .collect();
        typed.extend_from_slice(&cut.flush());
        prop_assert_eq!(typed, at_once);
        prop_assert!(!cut.holds());
    }

    #[test]
    fn restored_modes_are_the_same_modes_and_reset_ones_are_none(bytes in output()) {
        // A frame that is open is not restored.
        let mut before = bytes.clone();
        before.extend_from_slice(b"\x18\x1b[?2026l");
        let modes_before = modes(&before);
        let mut restored = modes_before.restore();
        prop_assert_eq!(&modes(&restored), &modes_before);
        restored.extend_from_slice(&modes_before.reset());
        prop_assert_eq!(modes(&restored), Modes::default());
    }

    #[test]
    fn from_a_resume_point_on_the_same_is_heard(
        parts in prop::collection::vec(whole(), 0..12),
        cut in any::<prop::sample::Index>(),
    ) {
        let bytes = parts.concat();
        let cut = cut.index(bytes.len() + 1);
        let place = cut + resume_point(&bytes[cut..]);
        let mut later = hear(&bytes);
        later.retain(|query| query.range.start >= place as u64);
        let ranges = |queries: Vec<Query>| -> Vec<_> {
            queries.into_iter().map(|query| query.range).collect()
        };
        let resumed = Listener::starting_at(place as u64).hear(&bytes[place..]);
        prop_assert_eq!(ranges(resumed), ranges(later));
        prop_assert!(place == bytes.len() || bytes[place] & 0xc0 != 0x80);
    }
}
