//! Viewers are shown no queries, and their terminals' answers are not typed.

use bytes::Bytes;
use coven_harness::terminal::{FromViewer, ToViewer};
use proptest::prelude::*;

use crate::{CODEX_START, hear, lengths, modes, output, pieces};

fn to_viewer(bytes: &'static [u8]) -> Bytes {
    ToViewer::new().pass(Bytes::from_static(bytes))
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
fn a_paste_whose_end_comes_in_two_halves_long_apart_has_ended() {
    const END: &[u8] = b"\x1b[201~";
    for start in [
        &b"\x1b[200~text"[..],
        b"\x1b[200~\x1b]0;text",
        b"\x1b[200~\x1b[2",
    ] {
        for cut in 1..END.len() {
            let (first, rest) = END.split_at(cut);
            let mut viewer = FromViewer::new();
            let mut typed = viewer.pass([start, first].concat().into()).to_vec();
            typed.extend_from_slice(&viewer.flush());
            assert_eq!(typed, [start, first].concat(), "all of it is given");
            assert!(!viewer.holds());
            assert_eq!(viewer.flush(), "", "once");
            let passed = viewer.pass([rest, b"\x1b[?62;22ckeys"].concat().into());
            assert_eq!(passed, [rest, b"keys"].concat(), "{start:?} {cut}");
        }
    }
}

#[test]
fn what_looked_like_a_pastes_end_and_was_none_does_not_end_it() {
    let mut viewer = FromViewer::new();
    viewer.pass(Bytes::from_static(b"\x1b[200~\x1b[20"));
    assert_eq!(viewer.flush(), "\x1b[20");
    for more in [&b"\x1b[2"[..], b"4;80R", b"\x1b[6n"] {
        let mut passed = viewer.pass(Bytes::from_static(more)).to_vec();
        passed.extend_from_slice(&viewer.flush());
        assert_eq!(passed, more);
    }
}

proptest! {
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
}
