//! `Unpacked`: the segments that were decompressed last. Who reads a session page by page comes
//! back to the one that the page before ended in.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use crate::cold::segment::Segment;
use crate::stored::{Malformed, sealed};

/// How many are kept, each of up to a segment's body
/// ([`BODY_BYTES`](crate::cold::segment::BODY_BYTES), or one larger event): about 1 MiB.
const KEPT: usize = 4;

#[derive(Debug, Default)]
pub(crate) struct Unpacked(Mutex<VecDeque<(Key, Segment)>>);

/// A segment's place and content: one that was made again is another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Key {
    slot: u64,
    first: u64,
    len_bytes: usize,
    checksum: [u8; 4],
}

impl Unpacked {
    /// The segment of `bytes` at (`slot`, `first`), which `decode` makes if it is not here.
    pub(super) fn get_or(
        &self,
        slot: u64,
        first: u64,
        bytes: &[u8],
        decode: impl FnOnce() -> Result<Segment, Malformed>,
    ) -> Result<Segment, Malformed> {
        let Some(checksum) = sealed::checksum(bytes) else {
            return decode();
        };
        let key = Key {
            slot,
            first,
            len_bytes: bytes.len(),
            checksum,
        };
        if let Some(segment) = self.get(&key) {
            return Ok(segment);
        }
        let segment = decode()?;
        self.put(key, segment.clone());
        Ok(segment)
    }

    fn get(&self, key: &Key) -> Option<Segment> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = kept.iter().find(|(of, _)| of == key);
        found.map(|(_, segment)| segment.clone())
    }

    fn put(&self, key: Key, segment: Segment) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.truncate(KEPT - 1);
        kept.push_front((key, segment));
    }
}
