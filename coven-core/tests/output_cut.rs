//! Where output is cut: against a real JSON encoder and the standard library's UTF-8.

use coven_core::decide::{incomplete_char, output_cut};
use coven_core::limits::MAX_OUTPUT_PAYLOAD_BYTES;
use proptest::collection::vec;
use proptest::prelude::*;

/// The payload of an output event at its longest: what HTTP shows for these bytes.
fn payload(data: &[u8]) -> String {
    serde_json::json!({
        "data": String::from_utf8_lossy(data),
        "offset": u64::MAX,
        "bytes": data.len(),
        "channel": "stdout",
    })
    .to_string()
}

/// Cuts all of `data`, as it is done when output is recorded.
fn pieces(mut data: &[u8]) -> Vec<&[u8]> {
    let mut pieces = Vec::new();
    while !data.is_empty() {
        let (piece, rest) = data.split_at(output_cut(data));
        assert!(!piece.is_empty(), "a cut must move on");
        pieces.push(piece);
        data = rest;
    }
    pieces
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_piece_encodes_within_the_limit(data in bytes()) {
        for piece in pieces(&data) {
            prop_assert!(payload(piece).len() <= MAX_OUTPUT_PAYLOAD_BYTES);
        }
    }

    #[test]
    fn no_piece_is_smaller_than_it_must_be(data in bytes()) {
        let pieces = pieces(&data);
        for piece in pieces.iter().rev().skip(1) {
            // Six bytes at most for each, less a character that did not fit whole.
            prop_assert!(piece.len() >= MAX_OUTPUT_PAYLOAD_BYTES / 6 - 50);
        }
    }

    #[test]
    fn no_character_of_valid_text_is_split(text in text()) {
        for piece in pieces(text.as_bytes()) {
            prop_assert!(std::str::from_utf8(piece).is_ok());
        }
    }

    #[test]
    fn of_text_split_anywhere_exactly_the_begun_character_waits(text in text(), at in any::<prop::sample::Index>()) {
        let at = at.index(text.len() + 1);
        let whole = (0..=at).rev().find(|end| text.is_char_boundary(*end)).expect("0 is one");
        prop_assert_eq!(incomplete_char(&text.as_bytes()[..at]), at - whole);
    }

    #[test]
    fn at_most_three_bytes_wait_and_they_may_become_a_character(data in vec(any::<u8>(), 0..12)) {
        let waiting = incomplete_char(&data);
        prop_assert!(waiting <= 3);
        let (_, begun) = data.split_at(data.len() - waiting);
        if !begun.is_empty() {
            let error = std::str::from_utf8(begun).expect_err("it is not complete");
            prop_assert_eq!((error.valid_up_to(), error.error_len()), (0, None));
        }
    }

    #[test]
    fn cutting_changes_nothing_of_how_bytes_read_as_text(data in bytes()) {
        let whole = String::from_utf8_lossy(&data);
        let joined: String = pieces(&data).into_iter().map(String::from_utf8_lossy).collect();
        prop_assert!(joined == whole);
        let (done, begun) = data.split_at(data.len() - incomplete_char(&data));
        let joined = String::from_utf8_lossy(done) + String::from_utf8_lossy(begun);
        prop_assert!(joined == whole);
    }
}

#[test]
fn every_split_of_every_length_of_character_waits_for_the_rest() {
    for text in [
        "a",
        "é",
        "€",
        "🧵",
        "\u{7ff}",
        "\u{800}",
        "\u{ffff}",
        "\u{10ffff}",
    ] {
        for at in 1..text.len() {
            let mut data = b"\x1b[1m\xff".to_vec();
            data.extend_from_slice(&text.as_bytes()[..at]);
            assert_eq!(incomplete_char(&data), at, "{text:?} at {at}");
        }
        assert_eq!(incomplete_char(text.as_bytes()), 0, "{text:?}");
    }
}

#[test]
fn bytes_that_can_begin_no_character_do_not_wait() {
    for data in [
        &b""[..],
        b"\xff",
        b"\xc0",
        b"\xc1",
        b"\xf5",
        b"\x80\x80\x80",
        b"\xe0\x80",
        b"\xed\xa0",
        b"\xf4\x90",
    ] {
        assert_eq!(incomplete_char(data), 0, "{data:x?}");
    }
}

#[test]
fn a_flood_of_escapes_is_cut_at_ten_thousand_bytes_and_plain_text_at_sixty() {
    assert!((9_900..=10_000).contains(&output_cut(&[0x1b; 70_000])));
    assert!((59_000..=60_000).contains(&output_cut(&[b'x'; 70_000])));
}

/// What agents write and what they do not: text, escapes, binary, runs of one byte.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        vec(any::<u8>(), 0..70_000),
        text().prop_map(String::into_bytes),
        (any::<u8>(), 0..150_000usize).prop_map(|(byte, len)| vec![byte; len]),
        (vec(any::<u8>(), 1..9), 0..20_000usize).prop_map(|(unit, times)| unit.repeat(times)),
    ]
}

fn text() -> impl Strategy<Value = String> {
    ("[a-zé€🧵\u{1b}\"\\\\\r\n\u{0}\u{7f}]{1,40}", 0..2_500usize)
        .prop_map(|(unit, times)| unit.repeat(times))
}
