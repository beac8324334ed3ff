//! A version byte and postcard.

use postcard::ser_flavors::Flavor;
use serde::{Deserialize, Serialize};

/// The version of every stored type there is.
const VERSION: u8 = 1;

/// Bytes that are no value of the type looked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Malformed {
    #[error("there is nothing")]
    Empty,
    #[error("its version is {found}, and {VERSION} is the only one known")]
    Version { found: u8 },
    #[error("its bytes do not decode: {problem}")]
    Bytes { problem: String },
    #[error("{len_bytes} bytes are left over")]
    Trailing { len_bytes: usize },
    #[error("its checksum is not that of its bytes")]
    Checksum,
    #[error("its {field} is not one")]
    Value { field: &'static str },
}

/// The bytes of a value.
pub(crate) fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode_onto(&mut bytes, value);
    bytes
}

/// Puts the same behind `bytes`.
pub(crate) fn encode_onto<T: Serialize>(bytes: &mut Vec<u8>, value: &T) {
    bytes.push(VERSION);
    put(bytes, value);
}

/// How many bytes [`encode`] makes of a value.
pub(crate) fn encoded_len<T: Serialize>(value: &T) -> usize {
    let mut len_bytes = 1;
    postcard::serialize_with_flavor(value, Counted(&mut len_bytes)).expect(PLAIN);
    len_bytes
}

/// The value of bytes from the log, which may hold anything.
pub(crate) fn decode<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, Malformed> {
    let (&version, body) = bytes.split_first().ok_or(Malformed::Empty)?;
    if version != VERSION {
        return Err(Malformed::Version { found: version });
    }
    let (value, rest) = postcard::take_from_bytes(body).map_err(|error| Malformed::Bytes {
        problem: error.to_string(),
    })?;
    if rest.is_empty() {
        Ok(value)
    } else {
        Err(Malformed::Trailing {
            len_bytes: rest.len(),
        })
    }
}

/// Puts a value without a version behind `bytes`, whose own version covers it.
pub(crate) fn put(bytes: &mut Vec<u8>, value: &impl Serialize) {
    postcard::serialize_with_flavor(value, Behind(bytes)).expect(PLAIN);
}

const PLAIN: &str = "stored types are plain data, which always encodes";

/// Puts what is encoded behind bytes, each run of it in one piece: postcard's own way to let a vector
/// grow goes byte by byte, and most of a row is one run.
struct Behind<'a>(&'a mut Vec<u8>);

impl Flavor for Behind<'_> {
    type Output = ();

    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.0.push(byte);
        Ok(())
    }

    fn try_extend(&mut self, run: &[u8]) -> postcard::Result<()> {
        self.0.extend_from_slice(run);
        Ok(())
    }

    fn finalize(self) -> postcard::Result<()> {
        Ok(())
    }
}

/// Counts what is encoded.
struct Counted<'a>(&'a mut usize);

impl Flavor for Counted<'_> {
    type Output = ();

    fn try_push(&mut self, _byte: u8) -> postcard::Result<()> {
        *self.0 += 1;
        Ok(())
    }

    fn try_extend(&mut self, run: &[u8]) -> postcard::Result<()> {
        *self.0 += run.len();
        Ok(())
    }

    fn finalize(self) -> postcard::Result<()> {
        Ok(())
    }
}

/// Takes such a value off the beginning of `rest`.
pub(crate) fn take<'a, T: Deserialize<'a>>(rest: &mut &'a [u8]) -> Result<T, Malformed> {
    let (value, after) = postcard::take_from_bytes(rest).map_err(|error| Malformed::Bytes {
        problem: error.to_string(),
    })?;
    *rest = after;
    Ok(value)
}
