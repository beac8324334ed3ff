//! Frames: how records lie in a spool and how both sides speak over the socket. Frozen for ever.
//!
//! ```text
//! length u32 LE │ kind u16 LE │ payload, `length` bytes │ CRC-32 of kind and payload, u32 LE
//! ```
//!
//! The checksum is not of the length: one that is wrong shows by what lies where it says that the frame ends,
//! if anything does. Whoever reads what was kept looks for that.
//!
//! A reader that does not know a kind skips the frame. What a kind's payload is never changes: a
//! later version that has more to say says it in a kind of its own.

use bytes::{Bytes, BytesMut};

/// The most bytes of a payload: what a launch may need, whose arguments and environment the system
/// limits to about 2 MiB, with a prompt for its stdin.
pub const MAX_PAYLOAD_BYTES: usize = 8 << 20;

/// Before the payload.
pub const HEAD_BYTES: usize = 6;

/// Before and after the payload.
pub const OVERHEAD_BYTES: usize = HEAD_BYTES + 4;

/// A frame whose bytes are what was sent. What they mean is the kind's to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// What it is.
    pub kind: u16,
    /// The rest.
    pub payload: Bytes,
}

/// These bytes are no frame, and nothing behind them can be made out either: close the connection,
/// or tell the file damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadFrame {
    /// Its length is over [`MAX_PAYLOAD_BYTES`].
    #[error("a frame of {len_bytes} bytes is over the limit")]
    TooLong {
        /// What it says of its length.
        len_bytes: usize,
    },
    /// Its bytes are not those that its checksum was made of.
    #[error("a frame's checksum does not fit its bytes")]
    Checksum,
}

/// Appends a frame, with what `payload` appends to it as the payload.
///
/// # Panics
/// When the payload is over [`MAX_PAYLOAD_BYTES`].
pub fn encode(kind: u16, out: &mut Vec<u8>, payload: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&kind.to_le_bytes());
    payload(out);
    let len_bytes = out.len() - start - HEAD_BYTES;
    assert!(len_bytes <= MAX_PAYLOAD_BYTES, "a payload has a limit");
    let length = u32::try_from(len_bytes).expect("it is under the limit");
    out[start..start + 4].copy_from_slice(&length.to_le_bytes());
    let checksum = crc32fast::hash(&out[start + 4..]);
    out.extend_from_slice(&checksum.to_le_bytes());
}

/// How many bytes the frame takes that begins with `bytes`; `None` while its length is not all
/// there.
///
/// # Errors
/// [`BadFrame::TooLong`].
pub fn len_bytes(bytes: &[u8]) -> Result<Option<usize>, BadFrame> {
    let Some(length) = bytes.first_chunk::<4>() else {
        return Ok(None);
    };
    let len_bytes = u32::from_le_bytes(*length) as usize;
    if len_bytes > MAX_PAYLOAD_BYTES {
        return Err(BadFrame::TooLong { len_bytes });
    }
    Ok(Some(len_bytes + OVERHEAD_BYTES))
}

/// Finds frames in a stream of bytes, whatever the chunks it comes in.
#[derive(Debug, Default)]
pub struct Decoder {
    buffer: BytesMut,
}

impl Decoder {
    /// Where to put the next bytes: appended, and nothing else done to it.
    pub fn buffer(&mut self) -> &mut BytesMut {
        &mut self.buffer
    }

    /// The next frame; `None` until more bytes have come.
    ///
    /// # Errors
    /// [`BadFrame`], and the same again: the stream is of no use any more.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, BadFrame> {
        let Some(len_bytes) = len_bytes(&self.buffer)? else {
            self.let_go();
            return Ok(None);
        };
        if self.buffer.len() < len_bytes {
            return Ok(None);
        }
        let (checked, checksum) = self.buffer[4..len_bytes].split_at(len_bytes - 8);
        if crc32fast::hash(checked).to_le_bytes() != checksum {
            return Err(BadFrame::Checksum);
        }
        let mut frame = self.buffer.split_to(len_bytes).freeze();
        let kind = u16::from_le_bytes([frame[4], frame[5]]);
        frame.truncate(len_bytes - 4);
        let payload = frame.slice(HEAD_BYTES..);
        Ok(Some(Frame { kind, payload }))
    }

    /// How many bytes wait for the rest of their frame.
    pub fn left_bytes(&self) -> usize {
        self.buffer.len()
    }

    /// An idle side holds no memory for what has been said.
    fn let_go(&mut self) {
        if self.buffer.is_empty() {
            self.buffer = BytesMut::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frames() -> impl Strategy<Value = Vec<(u16, Vec<u8>)>> {
        prop::collection::vec(
            (any::<u16>(), prop::collection::vec(any::<u8>(), 0..80)),
            0..8,
        )
    }

    fn encoded(frames: &[(u16, Vec<u8>)]) -> Vec<u8> {
        let mut out = Vec::new();
        for (kind, payload) in frames {
            encode(*kind, &mut out, |out| out.extend_from_slice(payload));
        }
        out
    }

    #[test]
    fn a_frame_is_these_bytes_and_no_others() {
        let bytes = encoded(&[(0x0102, b"ab".to_vec())]);
        assert_eq!(bytes[..8], [2, 0, 0, 0, 2, 1, b'a', b'b']);
        assert_eq!(
            bytes[8..],
            crc32fast::hash(&[2, 1, b'a', b'b']).to_le_bytes()
        );
    }

    #[test]
    fn a_length_over_the_limit_is_told_before_anything_is_kept_for_it() {
        let mut decoder = Decoder::default();
        decoder.buffer().extend_from_slice(&u32::MAX.to_le_bytes());
        let len_bytes = u32::MAX as usize;
        assert_eq!(decoder.next_frame(), Err(BadFrame::TooLong { len_bytes }));
    }

    #[test]
    fn a_bit_that_turned_behind_the_length_is_seen() {
        let bytes = encoded(&[(7, b"payload".to_vec())]);
        for bit in 32..bytes.len() * 8 {
            let mut decoder = Decoder::default();
            decoder.buffer().extend_from_slice(&bytes);
            decoder.buffer()[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(decoder.next_frame(), Err(BadFrame::Checksum), "bit {bit}");
        }
    }

    proptest! {
        #[test]
        fn frames_come_out_as_they_went_in_whatever_the_chunks(
            frames in frames(),
            chunk in 1..40_usize,
        ) {
            let mut decoder = Decoder::default();
            let mut found = Vec::new();
            for bytes in encoded(&frames).chunks(chunk) {
                decoder.buffer().extend_from_slice(bytes);
                while let Some(frame) = decoder.next_frame().unwrap() {
                    found.push((frame.kind, frame.payload.to_vec()));
                }
            }
            prop_assert_eq!(found, frames);
            prop_assert_eq!(decoder.left_bytes(), 0);
        }

        #[test]
        fn whatever_bytes_come_no_frame_is_made_up_and_nothing_panics(
            bytes in prop::collection::vec(any::<u8>(), 0..200),
        ) {
            let mut decoder = Decoder::default();
            decoder.buffer().extend_from_slice(&bytes);
            let mut again = Vec::new();
            while let Ok(Some(frame)) = decoder.next_frame() {
                encode(frame.kind, &mut again, |out| out.extend_from_slice(&frame.payload));
            }
            prop_assert!(bytes.starts_with(&again));
        }
    }
}
