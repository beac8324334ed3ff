//! Compressing the bodies of segments, and what says that one is.
//!
//! zstd at its fastest regular level: of recorded agent output it leaves half of what LZ4 leaves,
//! and takes as long (benches/README.md has the figures).

use std::cell::RefCell;
use std::io;

use bytes::Bytes;
use memmap2::MmapMut;
use zstd::bulk::Decompressor;
use zstd::zstd_safe::CParameter;

use super::extend::Thrift;
use crate::stored::Malformed;

const LEVEL: i32 = 1;

/// What takes a tenth less time than the level has by itself, and leaves a twentieth more: a table of what
/// there was that fits into the cache next to a processor, and no look at repetitions of fewer bytes.
const HURRIED: [CParameter; 2] = [CParameter::HashLog(13), CParameter::MinMatch(7)];

/// How much of a body is tried.
const SAMPLE_BYTES: usize = 8 << 10;

/// From how many bytes on a body is worth memory of its own, which is whole pages and a call of the system.
const APART_BYTES: usize = 64 << 10;

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

/// What is known of a body before it is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Like {
    Nothing,
    /// What came before it compressed.
    Compressed,
}

/// What compresses, with room to do it in. All of it is about a MiB, so one serves a whole
/// transaction.
pub(crate) struct Packer {
    tables: zstd::bulk::Compressor<'static>,
    body: Vec<u8>,
    packed: Vec<u8>,
}

impl Packer {
    pub(crate) fn new() -> Self {
        Self {
            tables: zstd::bulk::Compressor::new(LEVEL).expect("it is a level of zstd's"),
            body: Vec::new(),
            packed: Vec::new(),
        }
    }

    /// One that saves room or time.
    pub(super) fn saving(thrift: Thrift) -> Self {
        let mut packer = Self::new();
        if thrift == Thrift::Time {
            for parameter in HURRIED {
                let set = packer.tables.set_parameter(parameter);
                set.expect("it is within zstd's bounds");
            }
        }
        packer
    }

    /// An empty buffer for a body.
    pub(super) fn body(&mut self) -> &mut Vec<u8> {
        self.body.clear();
        &mut self.body
    }

    /// The body in the buffer as it is kept: compressed, where that is shorter. Only one of which nothing
    /// is known is tried before.
    pub(super) fn pack(&mut self, like: Like) -> (Codec, &[u8]) {
        if like == Like::Nothing && !self.seems_to_compress() {
            return (Codec::Plain, &self.body);
        }
        self.packed.clear();
        // Whatever is longer than the body need not have room.
        self.packed.reserve(self.body.len());
        match self.tables.compress_to_buffer(&self.body, &mut self.packed) {
            Ok(_) if self.packed.len() < self.body.len() => (Codec::Zstd, &self.packed),
            _ => (Codec::Plain, &self.body),
        }
    }

    /// The body in the buffer compressed, even if that is longer.
    pub(super) fn compress(&mut self) -> &[u8] {
        self.packed.clear();
        self.packed
            .reserve(zstd::zstd_safe::compress_bound(self.body.len()));
        self.tables
            .compress_to_buffer(&self.body, &mut self.packed)
            .expect("there is room for whatever it becomes");
        &self.packed
    }

    /// Whether a large body is worth it: noise is told by its beginning and its middle, and costs as
    /// much as text otherwise.
    fn seems_to_compress(&mut self) -> bool {
        if self.body.len() < 4 * SAMPLE_BYTES {
            return true;
        }
        [0, self.body.len() / 2].into_iter().any(|start| {
            self.packed.clear();
            self.packed.reserve(SAMPLE_BYTES);
            let sample = &self.body[start..start + SAMPLE_BYTES];
            let packed = self.tables.compress_to_buffer(sample, &mut self.packed);
            packed.is_ok_and(|len| len < SAMPLE_BYTES - SAMPLE_BYTES / 32)
        })
    }
}

thread_local! {
    /// What decompresses. Its tables are of some 100 KiB and take longer to make than a segment to
    /// decompress, so whoever reads keeps them for as long as its thread.
    static TABLES: RefCell<Option<Decompressor<'static>>> = const { RefCell::new(None) };
}

/// A body of `len` bytes again, whatever `packed` holds.
pub(super) fn unpack(codec: Codec, packed: &[u8], len: usize) -> Result<Vec<u8>, Malformed> {
    let body = match codec {
        Codec::Plain => packed.to_vec(),
        Codec::Zstd => with_tables(|tables| tables.decompress(packed, len))?,
    };
    if body.len() == len {
        Ok(body)
    } else {
        Err(Malformed::Value { field: "length" })
    }
}

/// The same, in memory of its own if it is large: it is the system's again as soon as nobody has
/// it any more, whatever else was allocated meanwhile.
pub(super) fn unpack_apart(codec: Codec, packed: &[u8], len: usize) -> Result<Bytes, Malformed> {
    let apart = (len >= APART_BYTES).then(|| MmapMut::map_anon(len).ok());
    let Some(mut body) = apart.flatten() else {
        return unpack(codec, packed, len).map(Bytes::from);
    };
    let unpacked = match codec {
        Codec::Plain if packed.len() == len => {
            body.copy_from_slice(packed);
            len
        }
        Codec::Plain => packed.len(),
        Codec::Zstd => with_tables(|tables| tables.decompress_to_buffer(packed, &mut body[..]))?,
    };
    if unpacked == len {
        Ok(Bytes::from_owner(body))
    } else {
        Err(Malformed::Value { field: "length" })
    }
}

fn with_tables<T>(
    decompress: impl FnOnce(&mut Decompressor<'static>) -> io::Result<T>,
) -> Result<T, Malformed> {
    let decompressed = TABLES.with_borrow_mut(|tables| {
        let tables = match tables {
            Some(tables) => tables,
            none => none.insert(Decompressor::new()?),
        };
        decompress(tables)
    });
    decompressed.map_err(|error| Malformed::Bytes {
        problem: error.to_string(),
    })
}
