//! What a program asks its terminal is heard, once, and answered.

use coven_harness::terminal::{Listener, Query, resume_point};
use proptest::prelude::*;

use crate::{CLAUDE_START, CODEX_START, hear, lengths, output, pieces, whole};

fn replies(bytes: &[u8]) -> String {
    hear(bytes)
        .into_iter()
        .map(|query| String::from_utf8(query.reply).unwrap())
        .collect()
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
fn output_resumes_where_a_sequence_surely_starts() {
    for (tail, place) in [
        ("31mred\r\nnext", 7),
        ("31mred\x1b[0m", 6),
        ("itle of it\x1b\\text", 12),
        ("itle of it\x07text", 11),
        ("\u{fffd}x\x1b", 4),
        ("no place at all", 0),
        ("", 0),
        ("\x1b[H", 0),
    ] {
        assert_eq!(resume_point(tail.as_bytes()), place, "{tail:?}");
    }
}

#[test]
fn text_without_a_line_s_end_resumes_at_its_first_whole_character() {
    let text = "\u{e9}".repeat(4000);
    for end in ["", "\r\n", "\x1b[0m"] {
        let tail = [&text.as_bytes()[1..], end.as_bytes()].concat();
        assert_eq!(resume_point(&tail), 1, "{end:?}");
    }
    for end in ["\x07", "\x1b\\"] {
        let tail = [&text.as_bytes()[1..], end.as_bytes()].concat();
        assert_eq!(
            resume_point(&tail),
            tail.len(),
            "the end of a string: {end:?}"
        );
    }
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
