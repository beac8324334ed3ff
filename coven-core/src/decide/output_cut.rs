//! Where output may be cut into events.

use crate::limits;

/// What the payload's other fields leave for the data.
const DATA_BUDGET: usize = limits::MAX_OUTPUT_PAYLOAD_BYTES - 200;

/// The most that [`encoded_len`] says.
const MAX_ENCODED_LEN: usize = 6;

/// How many bytes of `data` (from its start) make the next output event: as many as encode into
/// [`MAX_OUTPUT_PAYLOAD_BYTES`](crate::limits::MAX_OUTPUT_PAYLOAD_BYTES) of JSON text, cut
/// between characters. It is 0 only for empty data. The end of `data` is taken for a place to
/// cut; [`incomplete_char`] tells whether it is one.
///
/// Counts what JSON makes of each byte at its worst: six bytes for a control character, two for
/// a quote or backslash, three for a byte that is not UTF-8 (U+FFFD).
pub fn output_cut(data: &[u8]) -> usize {
    if data.len() <= DATA_BUDGET / MAX_ENCODED_LEN {
        return data.len();
    }
    let mut encoded = 0;
    for (at, byte) in data.iter().enumerate() {
        encoded += encoded_len(*byte);
        if encoded > DATA_BUDGET {
            return character_start(data, at);
        }
    }
    data.len()
}

/// How many bytes at the end of `data` begin a UTF-8 character that is not complete: 0 to 3.
/// They may wait for the next read.
pub fn incomplete_char(data: &[u8]) -> usize {
    let tail = &data[data.len().saturating_sub(3)..];
    let Some(back) = tail.iter().rev().position(|byte| byte & 0xC0 != 0x80) else {
        return 0;
    };
    let start = tail.len() - 1 - back;
    match std::str::from_utf8(&tail[start..]) {
        Err(error) if error.error_len().is_none() => tail.len() - start,
        Ok(_) | Err(_) => 0,
    }
}

const fn encoded_len(byte: u8) -> usize {
    match byte {
        b'"' | b'\\' => 2,
        0..=0x1F | 0x7F => MAX_ENCODED_LEN,
        0x20..=0x7E => 1,
        0x80..=0xFF => 3,
    }
}

/// The last place at or before `at` where a character can start, at most three bytes back.
fn character_start(data: &[u8], at: usize) -> usize {
    (at.saturating_sub(3)..=at)
        .rev()
        .find(|start| data[*start] & 0xC0 != 0x80)
        .unwrap_or(at)
}
