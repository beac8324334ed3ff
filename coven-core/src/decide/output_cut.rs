//! Where output may be cut into events.

use crate::limits;

/// What the payload's other fields leave for the data.
const DATA_BUDGET: usize = limits::MAX_OUTPUT_PAYLOAD_BYTES - 200;

/// The most that [`encoded_len`] says.
const MAX_ENCODED_LEN: u8 = 6;

/// Bytes counted at once; their encoded lengths add up to less than 256.
const BLOCK_BYTES: usize = 32;

/// How many bytes of `data` (from its start) make the next output event: as many as encode into
/// [`MAX_OUTPUT_PAYLOAD_BYTES`](crate::limits::MAX_OUTPUT_PAYLOAD_BYTES) of JSON text, cut
/// between characters. It is 0 only for empty data. The end of `data` is taken for a place to
/// cut; [`incomplete_char`] tells whether it is one.
///
/// Counts what JSON makes of each byte at its worst: six bytes for a control character, two for
/// a quote or backslash, three for a byte that is not UTF-8 (U+FFFD).
pub fn output_cut(data: &[u8]) -> usize {
    if data.len() <= DATA_BUDGET / usize::from(MAX_ENCODED_LEN) {
        return data.len();
    }
    let mut left = DATA_BUDGET;
    for (at, block) in data.chunks(BLOCK_BYTES).enumerate() {
        let encoded: u8 = block.iter().map(|byte| encoded_len(*byte)).sum();
        match left.checked_sub(encoded.into()) {
            Some(rest) => left = rest,
            None => {
                let fits = fitting(block, left);
                return character_start(data, at * BLOCK_BYTES + fits);
            }
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

/// What JSON makes of a byte at its worst. Without a branch, so that blocks are counted at once.
fn encoded_len(byte: u8) -> u8 {
    let control = u8::from(byte < 0x20 || byte == 0x7F);
    let quoted = u8::from(byte == b'"' || byte == b'\\');
    let beyond_ascii = u8::from(byte >= 0x80);
    1 + (MAX_ENCODED_LEN - 1) * control + quoted + 2 * beyond_ascii
}

/// How many bytes of a block encode into `budget`.
fn fitting(block: &[u8], budget: usize) -> usize {
    let mut encoded = 0;
    block
        .iter()
        .take_while(|byte| {
            encoded += usize::from(encoded_len(**byte));
            encoded <= budget
        })
        .count()
}

/// The last place at or before `at` where a character can start, at most three bytes back.
fn character_start(data: &[u8], at: usize) -> usize {
    (at.saturating_sub(3)..=at)
        .rev()
        .find(|start| data[*start] & 0xC0 != 0x80)
        .unwrap_or(at)
}
