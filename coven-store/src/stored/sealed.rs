//! Values with a checksum: redb checks its pages after a crash only, and a disk may turn a bit at
//! any time.
//!
//! The checksum covers the key as well, so that a value that is found in another's place is not
//! taken for that one's.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Malformed, decode, encode};

/// What a checksum takes.
pub(crate) const SUM_BYTES: usize = 4;

/// The bytes of a value that is kept at `place`.
pub(crate) fn seal<T: Serialize>(value: &T, place: &[u8]) -> Vec<u8> {
    let mut bytes = encode(value);
    close(&mut bytes, place);
    bytes
}

/// The value of bytes from `place`, which may hold anything.
pub(crate) fn unseal<T: DeserializeOwned>(bytes: &[u8], place: &[u8]) -> Result<T, Malformed> {
    decode(checked(bytes, place)?)
}

/// Puts the checksum at the end of bytes that are kept at `place`.
pub(crate) fn close(bytes: &mut Vec<u8>, place: &[u8]) {
    let sum = sum(bytes, place);
    bytes.extend_from_slice(&sum);
}

/// What the checksum covers, if it is right.
pub(crate) fn checked<'a>(bytes: &'a [u8], place: &[u8]) -> Result<&'a [u8], Malformed> {
    let (body, stored) = bytes
        .split_last_chunk::<SUM_BYTES>()
        .ok_or(Malformed::Empty)?;
    if sum(body, place) == *stored {
        Ok(body)
    } else {
        Err(Malformed::Checksum)
    }
}

/// The checksum that belongs behind bytes in pieces that are kept at `place`.
pub(crate) fn sum_of<'a>(pieces: impl Iterator<Item = &'a [u8]>, place: &[u8]) -> [u8; SUM_BYTES] {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(place);
    pieces.for_each(|piece| hasher.update(piece));
    hasher.finalize().to_le_bytes()
}

fn sum(body: &[u8], place: &[u8]) -> [u8; SUM_BYTES] {
    sum_of(std::iter::once(body), place)
}
