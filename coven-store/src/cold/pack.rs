//! Compressing the bodies of segments, and what says that one is.
//!
//! zstd at its fastest regular level: of recorded agent output it leaves half of what LZ4 leaves,
//! and takes as long (benches/README.md has the figures).

use crate::stored::Malformed;

const LEVEL: i32 = 1;

/// How a body is kept. It is stated in each segment, so that another can be written one day and these
/// still be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Codec {
    Plain,
    Zstd,
}

impl Codec {
    pub(super) const fn byte(self) -> u8 {
        match self {
            Self::Plain => 0,
            Self::Zstd => 1,
        }
    }

    pub(super) const fn of(byte: u8) -> Result<Self, Malformed> {
        match byte {
            0 => Ok(Self::Plain),
            1 => Ok(Self::Zstd),
            _ => Err(Malformed::Value { field: "codec" }),
        }
    }
}

/// What compresses. It has tables of about a MiB, so one serves a whole transaction.
pub(crate) struct Packer(zstd::bulk::Compressor<'static>);

impl Packer {
    pub(crate) fn new() -> Self {
        Self(zstd::bulk::Compressor::new(LEVEL).expect("it is a level of zstd's"))
    }

    /// A body as it is kept: compressed, where that is shorter.
    pub(super) fn pack(&mut self, body: Vec<u8>) -> (Codec, Vec<u8>) {
        match self.0.compress(&body) {
            Ok(packed) if packed.len() < body.len() => (Codec::Zstd, packed),
            _ => (Codec::Plain, body),
        }
    }
}

/// A body of `len` bytes again, whatever `packed` holds.
pub(super) fn unpack(codec: Codec, packed: &[u8], len: usize) -> Result<Vec<u8>, Malformed> {
    let body = match codec {
        Codec::Plain => packed.to_vec(),
        Codec::Zstd => zstd::bulk::decompress(packed, len).map_err(|error| Malformed::Bytes {
            problem: error.to_string(),
        })?,
    };
    if body.len() == len {
        Ok(body)
    } else {
        Err(Malformed::Value { field: "length" })
    }
}
