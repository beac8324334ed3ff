//! Where a stream of terminal output may be cut.

/// How many bytes at the end of `bytes`, 0 to 3, are the beginning of a UTF-8 character whose end
/// has not come. Hold them back, for a moment, to keep the character in one piece.
pub fn incomplete_utf8(bytes: &[u8]) -> usize {
    let tail = &bytes[bytes.len().saturating_sub(3)..];
    // The error of a cut character has no length: more bytes could mend it.
    (1..=tail.len())
        .rev()
        .find(|len_bytes| {
            let end = &tail[tail.len() - len_bytes..];
            std::str::from_utf8(end)
                .is_err_and(|error| error.valid_up_to() == 0 && error.error_len().is_none())
        })
        .unwrap_or(0)
}

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
