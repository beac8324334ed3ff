//! `LaterCount`: a count that rows of earlier versions end before.

use std::fmt;

use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// 0 takes no bytes, so it must be a row's last field, and rows in which it is 0 are what they were.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LaterCount(pub(super) u64);

/// The most bytes that postcard writes a `u64` in.
const MOST_BYTES: usize = 10;

impl Serialize for LaterCount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            0 => serializer.serialize_unit(),
            count => serializer.serialize_u64(count),
        }
    }
}

impl<'de> Deserialize<'de> for LaterCount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Byte by byte: to who asks for the whole number, one that is cut looks like none.
        deserializer.deserialize_tuple(MOST_BYTES, Bytes)
    }
}

/// postcard's number: seven bits a byte, the lowest first, and a bit that says that more come.
struct Bytes;

impl<'de> Visitor<'de> for Bytes {
    type Value = LaterCount;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a count, or the end of the row")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut bytes: A) -> Result<LaterCount, A::Error> {
        let Ok(Some(mut byte)) = bytes.next_element::<u8>() else {
            return Ok(LaterCount(0));
        };
        let mut count = 0;
        let mut shift = 0;
        loop {
            let bits = u64::from(byte & 0x7f);
            if bits << shift >> shift != bits {
                return Err(A::Error::custom("a count is too large"));
            }
            count |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(LaterCount(count));
            }
            shift += 7;
            let next = bytes.next_element()?;
            byte = next.ok_or_else(|| A::Error::custom("a count is too long"))?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Option<LaterCount> {
        let (count, rest) = postcard::take_from_bytes(bytes).ok()?;
        rest.is_empty().then_some(count)
    }

    #[test]
    fn a_count_is_read_as_it_was_written_and_none_as_zero() {
        for count in [
            0,
            1,
            127,
            128,
            300,
            u64::from(u32::MAX),
            u64::MAX - 1,
            u64::MAX,
        ] {
            let bytes = postcard::to_stdvec(&LaterCount(count)).expect("written");
            assert_eq!(bytes.is_empty(), count == 0);
            assert_eq!(read(&bytes), Some(LaterCount(count)));
        }
    }

    #[test]
    fn a_count_that_is_cut_or_goes_on_is_no_count() {
        for count in [128, 300, u64::MAX] {
            let mut bytes = postcard::to_stdvec(&LaterCount(count)).expect("written");
            for len in 1..bytes.len() {
                assert_eq!(read(&bytes[..len]), None, "{len} bytes of {count}");
            }
            bytes.push(0);
            assert_eq!(read(&bytes), None, "{count} and more");
        }
        assert_eq!(read(&[0xff; 10]), None);
        assert_eq!(
            read(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2]),
            None
        );
    }
}
