//! What a bookmark is as bytes.

use coven_core::InputId;

use super::*;

/// One with something of everything, set within a sequence.
fn one() -> Bookmark {
    let mut screen = Screenless::starting_at(7);
    screen
        .hear(b"\x1b[?2004h\x1b[?1049h\x1b[>1u\x1b(0\x0e\x1b[5;20r\x1b[4 q\x1b=text \x1b]0;a tit");
    screen.recorded(5000, screen.state());
    let undelivered = Undelivered {
        id: InputId([2; 16]),
        len_bytes: 300,
        written_bytes: None,
    };
    Bookmark {
        session: SessionId::parse("one").unwrap(),
        seq: Seq::new(1000),
        at: Timestamp::from_nanos(1_764_460_800_000_000_000),
        output_bytes: 5000,
        screen,
        names: vec![InputId([1; 16]), InputId([2; 16])],
        undelivered: vec![undelivered],
        scanned: Some(Scanned::OVER),
        waiting: vec![(InputId([3; 16]), (Seq::new(7), Seq::new(9)))],
    }
}

/// What it says, for comparing.
fn told(bookmark: &Bookmark) -> String {
    format!("{bookmark:?}")
}

#[test]
fn it_is_read_as_it_was_written() {
    let read = Bookmark::decode(&one().encode().unwrap()).unwrap();
    assert_eq!(told(&read), told(&one()));
}

/// Whoever changes what this is counts [`FORMAT`] up.
#[test]
fn its_bytes_are_those_of_its_format() {
    let bytes = one().encode().unwrap();
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, GOLDEN);
}

#[test]
fn one_of_another_format_or_cut_short_is_none() {
    let bytes = one().encode().unwrap();
    let mut other = bytes.clone();
    other[0] += 1;
    assert!(Bookmark::decode(&other).is_none());
    for len in 0..bytes.len() {
        assert!(Bookmark::decode(&bytes[..len]).is_none());
    }
}

const GOLDEN: &str = concat!(
    "02036f6e65e8078080d0c1f8efcffc30882703003c3307303b61207469740001d40f00000199080001000101000401051401",
    "0130000101882703003c3307303b61207469740001d40f000001990800010001010004010514010130000101000202010101",
    "01010101010101010101010101020202020202020202020202020202020102020202020202020202020202020202ac020001",
    "030303030303030303030303030303030709",
);
