//! What lies at the end of the last part and is no whole frame: a record that the shim's death cut, or
//! records of which somebody changed the bytes.

use crc32fast::Hasher;

use crate::shim::frame;
use crate::shim::protocol::is_record;

/// What of a frame comes before what its checksum is of.
const LENGTH_BYTES: usize = 4;

/// The least that a frame has: one without a payload.
const LEAST_BYTES: usize = frame::OVERHEAD_BYTES;

/// How many bytes are looked at, all in all, to find frames in others: what a shim can have left needs less,
/// as a rule, and what an agent puts there could need hours.
const MAX_LOOKED_AT_BYTES: usize = 64 << 20;

/// Whether `bytes`, which a frame begins that says it is longer, are what was written of a record when its
/// shim died. They are not, where it is whole but for its length, or where whole frames come behind it. It
/// is all of the record that there is, then, and they are damaged.
///
/// What an agent writes may have frames in it. A record of that which was cut is taken for damage: the
/// folder stays, for somebody to look at, and what was typed is not known to have been.
pub(super) fn is_cut(bytes: &[u8]) -> bool {
    !is_whole_but_for_its_length(bytes) && !has_frames(bytes)
}

/// Whether there is a length with which this frame's checksum fits.
fn is_whole_but_for_its_length(bytes: &[u8]) -> bool {
    let checked = bytes.get(LENGTH_BYTES..).unwrap_or_default();
    let Some((kind, rest)) = checked.split_at_checked(2) else {
        return false;
    };
    let mut checksum = Hasher::new();
    checksum.update(kind);
    for (more, behind) in rest.iter().zip(rest.windows(4)) {
        if checksum.clone().finalize().to_le_bytes() == behind {
            return true;
        }
        checksum.update(std::slice::from_ref(more));
    }
    false
}

/// Whether a whole record begins anywhere behind the first byte, as far as is looked.
fn has_frames(bytes: &[u8]) -> bool {
    let mut left_bytes = MAX_LOOKED_AT_BYTES;
    for start in 1..bytes.len().saturating_sub(LEAST_BYTES - 1) {
        let Some(frame) = record_at(&bytes[start..]) else {
            continue;
        };
        let (checked, checksum) = frame[LENGTH_BYTES..].split_at(frame.len() - 2 * LENGTH_BYTES);
        if crc32fast::hash(checked).to_le_bytes() == checksum {
            return true;
        }
        left_bytes = left_bytes.saturating_sub(frame.len());
        if left_bytes == 0 {
            // Nobody knows, and nothing is passed over that may be one.
            return true;
        }
    }
    false
}

/// The bytes of the frame that begins with these, if it is within them and has the kind of a record.
fn record_at(bytes: &[u8]) -> Option<&[u8]> {
    let len_bytes = frame::len_bytes(bytes).ok()??;
    let frame = bytes.get(..len_bytes)?;
    let kind = u16::from_le_bytes([frame[4], frame[5]]);
    is_record(kind).then_some(frame)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records() -> Vec<u8> {
        let mut bytes = Vec::new();
        for len in [0, 5, 300] {
            frame::encode(4, &mut bytes, |out| out.resize(out.len() + len, 7));
        }
        bytes
    }

    #[test]
    fn a_record_that_was_cut_anywhere_is_told_from_one_of_another_length() {
        for text in [&[7; 300][..], b"\x02\0\0\0\x04\0ab", &[0; 300]] {
            let mut whole = Vec::new();
            frame::encode(4, &mut whole, |out| out.extend_from_slice(text));
            for len in 1..whole.len() {
                assert!(is_cut(&whole[..len]), "{len} bytes");
            }
            // Whatever its length says.
            whole[2] = 9;
            assert!(!is_cut(&whole));
            assert!(!is_cut(&[whole, vec![7; 100]].concat()));
        }
    }

    #[test]
    fn whole_records_behind_one_that_is_damaged_throughout_are_seen() {
        for junk in [1, 9, 10, 11, 400] {
            let mut bytes = vec![0xfe; junk];
            assert!(is_cut(&bytes));
            bytes.extend(records());
            assert!(!is_cut(&bytes), "behind {junk}");
            // The last of them may be cut.
            bytes.truncate(bytes.len() - 1);
            assert!(!is_cut(&bytes), "behind {junk}");
        }
    }

    #[test]
    fn what_would_take_too_long_to_look_through_is_not_passed_over() {
        // Each of them begins a record of 256 KiB.
        let begins = [0x40, 0, 0x04, 0];
        assert!(!is_cut(&begins.repeat(256 << 10)));
    }
}
