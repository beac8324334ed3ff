//! A segment: a run of one session's events, as one value of the cold file.
//!
//! ```text
//! version │ codec │ head │ body │ crc32(slot, first seq, all of it)
//! body, once it is decompressed: for each event how far its seq is from the one before it, its
//!       length, its bytes; compressed in one piece or several, one behind the other
//! ```
//!
//! Numbers are postcard's (varints).

use bytes::Bytes;
use coven_core::Seq;
use serde::{Deserialize, Serialize};

use super::pack::{Codec, Like, Packer, unpack, unpack_apart};
use crate::stored::{Malformed, put, sealed, take};

const VERSION: u8 = 1;

/// What a body takes at most once it is decompressed: a bound on what a read of one event costs,
/// and on what a damaged length can ask for. One event may be larger, and is then alone. A segment
/// that does not compress fills its run of pages.
pub(crate) const BODY_BYTES: usize = (256 << 10) - 128;

/// The most that one event can take, with room to spare.
const MAX_BODY_BYTES: usize = BODY_BYTES + 2 * crate::limits::MAX_BATCH_BYTES;

/// What is known of a segment without decompressing it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Head {
    /// The place of its last event.
    pub(crate) last: u64,
    /// How many it has.
    pub(crate) rows: u32,
    /// Bytes of its body, decompressed.
    pub(crate) body_bytes: u32,
    /// Where its first output is in the session's output, if it has any.
    pub(crate) output: Option<u64>,
}

impl Head {
    fn of(body_bytes: usize, rows: &[SegmentRow<'_>]) -> Self {
        let count = |number: usize| u32::try_from(number).expect("a body is bounded");
        Self {
            last: rows.last().map_or(0, |row| row.seq.get()),
            rows: count(rows.len()),
            body_bytes: count(body_bytes),
            output: rows.iter().find_map(|row| row.output),
        }
    }

    /// With what follows.
    fn and(self, more: Self) -> Self {
        Self {
            last: more.last,
            rows: self.rows + more.rows,
            body_bytes: self.body_bytes + more.body_bytes,
            output: self.output.or(more.output),
        }
    }
}

/// An event in a segment that is being made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SegmentRow<'a> {
    pub(crate) seq: Seq,
    pub(crate) bytes: &'a [u8],
    /// Where its output begins, where it is output.
    pub(crate) output: Option<u64>,
}

impl SegmentRow<'_> {
    /// Bytes that it takes in a body, behind the event at `before`.
    pub(super) const fn cost(&self, before: u64) -> usize {
        let step = self.seq.get().saturating_sub(before);
        varint_len(step) + varint_len(self.bytes.len() as u64) + self.bytes.len()
    }
}

/// Bytes of a number as postcard writes it, seven bits in each.
const fn varint_len(number: u64) -> usize {
    (u64::BITS - (number | 1).leading_zeros()).div_ceil(7) as usize
}

/// The bytes of a segment of `rows`, of which there is at least one.
pub(crate) fn encode(packer: &mut Packer, slot: u64, rows: &[SegmentRow<'_>]) -> Vec<u8> {
    encode_like(packer, slot, rows, Like::Nothing)
}

/// The same, where something is known of how they compress.
pub(super) fn encode_like(
    packer: &mut Packer,
    slot: u64,
    rows: &[SegmentRow<'_>],
    like: Like,
) -> Vec<u8> {
    let first = rows[0].seq.get();
    let body = packer.body();
    put_rows(body, first, rows);
    let head = Head::of(body.len(), rows);
    let (codec, body) = packer.pack(like);
    close(slot, first, codec, &head, [body, &[]])
}

/// The bytes of the segment `bytes` with `rows` behind its events, of which there is at least one. Its
/// body stays as it was compressed, and theirs is put behind it; `None` where it was not, and theirs
/// would be.
pub(super) fn grow(
    packer: &mut Packer,
    (slot, first): (u64, u64),
    bytes: &[u8],
    rows: &[SegmentRow<'_>],
) -> Result<Option<Vec<u8>>, Malformed> {
    let (codec, before, old) = open(slot, first, bytes)?;
    let body = packer.body();
    put_rows(body, before.last, rows);
    let more = Head::of(body.len(), rows);
    let new = match codec {
        Codec::Zstd => packer.compress(),
        Codec::Plain => match packer.pack(Like::Nothing) {
            (Codec::Plain, body) => body,
            (Codec::Zstd, _) => return Ok(None),
        },
    };
    let head = before.and(more);
    Ok(Some(close(slot, first, codec, &head, [old, new])))
}

/// Puts `rows` behind the event that is at `before`, which none of them is before.
fn put_rows(body: &mut Vec<u8>, mut before: u64, rows: &[SegmentRow<'_>]) {
    for row in rows {
        let step = row.seq.get().checked_sub(before);
        put(
            body,
            &step.expect("events come in the order of their places"),
        );
        put(body, &row.bytes.len());
        body.extend_from_slice(row.bytes);
        before = row.seq.get();
    }
}

/// The bytes of a segment whose body is in pieces.
fn close(slot: u64, first: u64, codec: Codec, head: &Head, body: [&[u8]; 2]) -> Vec<u8> {
    let len: usize = body.iter().map(|piece| piece.len()).sum();
    let mut bytes = Vec::with_capacity(len + 64);
    bytes.extend([VERSION, codec.byte()]);
    put(&mut bytes, head);
    for piece in body {
        bytes.extend_from_slice(piece);
    }
    sealed::close(&mut bytes, &place(slot, first));
    bytes
}

fn place(slot: u64, first: u64) -> [u8; 16] {
    let mut place = [0; 16];
    place[..8].copy_from_slice(&slot.to_be_bytes());
    place[8..].copy_from_slice(&first.to_be_bytes());
    place
}

/// A segment that is whole, its body decompressed. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Segment {
    pub(crate) first: u64,
    pub(crate) head: Head,
    body: Bytes,
}

impl Segment {
    /// Reads the segment at (`slot`, `first`).
    pub(crate) fn decode(slot: u64, first: u64, bytes: &[u8]) -> Result<Self, Malformed> {
        Self::decode_by(slot, first, bytes, |codec, packed, len| {
            unpack(codec, packed, len).map(Bytes::from)
        })
    }

    /// The same, with a body that is given back to the system when nobody has it any more, for who may
    /// have it for long.
    pub(crate) fn decode_apart(slot: u64, first: u64, bytes: &[u8]) -> Result<Self, Malformed> {
        Self::decode_by(slot, first, bytes, unpack_apart)
    }

    fn decode_by(
        slot: u64,
        first: u64,
        bytes: &[u8],
        unpack: impl FnOnce(Codec, &[u8], usize) -> Result<Bytes, Malformed>,
    ) -> Result<Self, Malformed> {
        let (codec, head, packed) = open(slot, first, bytes)?;
        let body = unpack(codec, packed, body_len(&head)?)?;
        Ok(Self { first, head, body })
    }

    /// What is known of the segment at (`slot`, `first`) without decompressing it.
    pub(crate) fn head(slot: u64, first: u64, bytes: &[u8]) -> Result<Head, Malformed> {
        open(slot, first, bytes).map(|(_, head, _)| head)
    }

    /// Its events, one after the other.
    pub(crate) fn body(&self) -> &[u8] {
        &self.body
    }

    /// Bytes of its body.
    pub(crate) const fn len_bytes(&self) -> usize {
        self.body.len()
    }

    /// Where a row is in its body.
    pub(crate) fn place_of(&self, row: &[u8]) -> usize {
        row.as_ptr().addr() - self.body.as_ptr().addr()
    }

    /// Bytes of a row, for as long as they are wanted: a share of all the segment's.
    pub(crate) fn share(&self, row: &[u8]) -> Bytes {
        self.body.slice_ref(row)
    }

    /// Its events, oldest first. After one that cannot be read there are none.
    pub(crate) fn rows(&self) -> impl Iterator<Item = Result<(Seq, &[u8]), Malformed>> {
        let mut rest = &self.body[..];
        let mut seq = self.first;
        let mut left = self.head.rows;
        std::iter::from_fn(move || {
            if left == 0 {
                return None;
            }
            left -= 1;
            let row = next_row(&mut rest, &mut seq);
            if row.is_err() {
                left = 0;
            }
            Some(row)
        })
    }
}

fn body_len(head: &Head) -> Result<usize, Malformed> {
    let len = head.body_bytes as usize;
    if len > MAX_BODY_BYTES {
        return Err(Malformed::Value { field: "length" });
    }
    Ok(len)
}

fn next_row<'a>(rest: &mut &'a [u8], seq: &mut u64) -> Result<(Seq, &'a [u8]), Malformed> {
    let step: u64 = take(rest)?;
    *seq = seq
        .checked_add(step)
        .ok_or(Malformed::Value { field: "seq" })?;
    let len: usize = take(rest)?;
    let (row, after) = rest.split_at_checked(len).ok_or(Malformed::Empty)?;
    *rest = after;
    Ok((Seq::new(*seq), row))
}

/// The parts of a segment whose checksum is right.
fn open(slot: u64, first: u64, bytes: &[u8]) -> Result<(Codec, Head, &[u8]), Malformed> {
    let mut rest = sealed::checked(bytes, &place(slot, first))?;
    let (&[version, codec], after) = rest.split_first_chunk().ok_or(Malformed::Empty)?;
    if version != VERSION {
        return Err(Malformed::Version { found: version });
    }
    let codec = Codec::of(codec)?;
    rest = after;
    let head = take(&mut rest)?;
    Ok((codec, head, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support::noise;

    fn text(number: u64) -> Vec<u8> {
        format!("line {number} of what an agent said\r\n")
            .repeat(20)
            .into()
    }

    fn rows(bytes: &[Vec<u8>]) -> Vec<SegmentRow<'_>> {
        (7..)
            .step_by(3)
            .zip(bytes)
            .map(|(seq, bytes)| SegmentRow {
                seq: Seq::new(seq),
                bytes,
                output: (seq > 20).then_some(seq * 1000),
            })
            .collect()
    }

    fn read_back(bytes: &[u8]) -> (Head, Vec<(Seq, Vec<u8>)>) {
        let segment = Segment::decode(5, 7, bytes).expect("it is whole");
        let rows = segment.rows().map(|row| {
            let (seq, bytes) = row.expect("a row");
            (seq, bytes.to_vec())
        });
        (segment.head, rows.collect())
    }

    #[test]
    fn a_segment_that_grew_is_read_as_one_that_was_made_at_once() {
        let texts: Vec<_> = (0..60).map(text).collect();
        let noises: Vec<_> = (0..60).map(|seed| noise(seed, 900)).collect();
        let mut packer = Packer::new();
        for bytes in [&texts, &noises] {
            let rows = rows(bytes);
            let at_once = encode(&mut packer, 5, &rows);
            let mut grown = encode(&mut packer, 5, &rows[..20]);
            for more in rows[20..].chunks(9) {
                let more = grow(&mut packer, (5, 7), &grown, more).expect("it is whole");
                grown = more.expect("it is as what was there");
            }
            assert_eq!(read_back(&grown), read_back(&at_once));
        }
    }

    #[test]
    fn what_is_like_what_compressed_is_compressed_whatever_it_looks_like() {
        // What is looked at is its beginning and its middle.
        let of = |seed: u64| match seed % 50 {
            0..20 => noise(seed, 900),
            _ => text(seed),
        };
        let bytes: Vec<_> = (0..100).map(of).collect();
        let (rows, mut packer) = (rows(&bytes), Packer::new());
        let whole = encode(&mut packer, 5, &rows);
        let like = encode_like(&mut packer, 5, &rows, Like::Compressed);
        let body: usize = rows.iter().map(|row| row.bytes.len()).sum();
        assert!(whole.len() > body && like.len() < body * 3 / 4);
        assert_eq!(read_back(&like), read_back(&whole));
    }

    #[test]
    fn what_compresses_is_not_put_behind_what_does_not() {
        let noise: Vec<_> = (0..3).map(|seed| noise(seed, 900)).collect();
        let texts: Vec<_> = (0..60).map(text).collect();
        let mut packer = Packer::new();
        let bytes = encode(&mut packer, 5, &rows(&noise));
        let grown = grow(&mut packer, (5, 7), &bytes, &rows(&texts)[3..]);
        assert_eq!(grown, Ok(None));
    }
}
