//! Where a stream of terminal output may be cut.

use super::scanner::MAX_SEQUENCE_BYTES;

/// Where in `tail`, the last part of some output, a control sequence or a character begins, so
/// that a terminal can be shown the rest. Output from its first byte needs no such place.
///
/// What comes before may be the middle of a sequence; only a line's end, a bell, or the next ESC
/// shows that it is over. Where that is further away than sequences are long, it was text, and the
/// rest begins with its first whole character: only a string of control may be that long, and its
/// end is told from a text's.
pub fn resume_point(tail: &[u8]) -> usize {
    let place = tail
        .iter()
        .position(|byte| matches!(byte, b'\n' | b'\r' | 0x07 | 0x1b));
    match place.map(|place| (place, &tail[place..])) {
        // The end of a string.
        Some((place, [0x1b, b'\\', ..])) => place + 2,
        Some((place, [0x07, ..])) => place + 1,
        Some((place, [0x1b, ..])) if place <= MAX_SEQUENCE_BYTES => place,
        Some((place, _)) if place <= MAX_SEQUENCE_BYTES => place + 1,
        Some(_) | None => first_char(tail),
    }
}

/// Where the first character begins that is not the rest of one.
fn first_char(tail: &[u8]) -> usize {
    let of_one_before = tail.iter().take(3).take_while(|byte| **byte & 0xc0 == 0x80);
    of_one_before.count()
}
