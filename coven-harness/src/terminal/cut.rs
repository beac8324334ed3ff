//! Where a stream of terminal output may be cut.

/// The first place in `tail`, the last part of some output, where a control sequence or a
/// character certainly begins, so that a terminal can be shown the rest; the length of `tail` if
/// there is none, and a longer tail is needed. Output from its first byte needs no such place.
///
/// What comes before may be the middle of a sequence; only a line's end, a bell, or the next ESC
/// shows that it is over.
pub fn resume_point(tail: &[u8]) -> usize {
    let Some(place) = tail
        .iter()
        .position(|byte| matches!(byte, b'\n' | b'\r' | 0x07 | 0x1b))
    else {
        return tail.len();
    };
    match (tail[place], tail.get(place + 1)) {
        // The end of a string.
        (0x1b, Some(b'\\')) => place + 2,
        (0x1b, _) => place,
        _ => place + 1,
    }
}
