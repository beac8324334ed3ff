//! Cutting a session's events into segments that fill their pages.
//!
//! How many events fill a run of pages is known once they are compressed, and compressing is what
//! folding spends its time on. So each segment is compressed once: how well the one before it did
//! tells how many events to take.

use super::pack::{Like, Packer};
use super::segment::{BODY_BYTES, SegmentRow, encode_like};
use crate::pages::{PAGE_BYTES, half_of, run_of};

/// How full a run of pages is to be, in percent, for the segment in it to be left as it is when more
/// events come.
const FULL_PERCENT: usize = 60;

/// How full a run is expected to be, in percent, for as many events to be put together as go into
/// it; else as many as fill half of it.
const WORTH_PERCENT: usize = 70;

/// How much of a run is aimed for, in percent: what compresses does so now better and now worse, and
/// what does not fit takes twice as much. What does not compress is what it is.
const AIM_PERCENT: usize = 85;
const PLAIN_AIM_PERCENT: usize = 99;

/// A segment for its place.
pub(super) struct Cut {
    /// Its first event.
    pub(super) first: u64,
    /// Where its first output begins, if it has any.
    pub(super) output: Option<u64>,
    pub(super) bytes: Vec<u8>,
}

/// Bytes before and after compression; none are 0.
#[derive(Clone, Copy, Debug)]
pub(super) struct Density {
    pub(super) body: usize,
    pub(super) packed: usize,
}

impl Density {
    /// How many bytes to put into one segment: as many as it may have, or fewer, where what they
    /// compress to fills a run of pages better.
    pub(super) fn body_to_fill_pages(self) -> usize {
        let packed = BODY_BYTES * self.packed / self.body;
        let run = run_of(packed);
        let run = match packed * 100 >= run * WORTH_PERCENT {
            true => run,
            false => half_of(run),
        };
        let aim = match self.tells() {
            Like::Compressed => AIM_PERCENT,
            Like::Nothing => PLAIN_AIM_PERCENT,
        };
        (run * aim / 100 * self.body / self.packed).min(BODY_BYTES)
    }

    /// What it tells of what comes next.
    fn tells(self) -> Like {
        match self.packed < self.body - self.body / 32 {
            true => Like::Compressed,
            false => Like::Nothing,
        }
    }
}

/// Whether a segment of so many bytes is to be left as it is when more events come.
pub(super) fn is_full(len_bytes: usize) -> bool {
    len_bytes > PAGE_BYTES && len_bytes * 100 >= run_of(len_bytes) * FULL_PERCENT
}

/// Cuts `rows` into segments, which compress `like` what came before them. The last one takes what
/// there is.
pub(super) fn all(
    packer: &mut Packer,
    slot: u64,
    mut rows: &[SegmentRow<'_>],
    mut like: Option<Density>,
) -> Vec<Cut> {
    let mut cuts = Vec::new();
    while !rows.is_empty() {
        let most = like.map_or(BODY_BYTES, Density::body_to_fill_pages);
        let (segment, rest) = rows.split_at(within(rows, most).max(1));
        let bytes = encode_like(
            packer,
            slot,
            segment,
            like.map_or(Like::Nothing, Density::tells),
        );
        like = Some(Density {
            body: cost(segment),
            packed: bytes.len(),
        });
        cuts.push(Cut {
            first: segment[0].seq.get(),
            output: segment.iter().find_map(|row| row.output),
            bytes,
        });
        rows = rest;
    }
    cuts
}

/// What `rows` take in a body of their own.
pub(super) fn cost(rows: &[SegmentRow<'_>]) -> usize {
    costs(rows).sum()
}

/// How many of `rows` take at most so many bytes.
pub(super) fn within(rows: &[SegmentRow<'_>], len_bytes: usize) -> usize {
    let mut bytes = 0;
    let fitting = costs(rows).take_while(|cost| {
        bytes += cost;
        bytes <= len_bytes
    });
    fitting.count()
}

/// What each of `rows` takes in a body of their own.
fn costs(rows: &[SegmentRow<'_>]) -> impl Iterator<Item = usize> {
    let mut before = rows.first().map_or(0, |row| row.seq.get());
    rows.iter()
        .map(move |row| row.cost(std::mem::replace(&mut before, row.seq.get())))
}

#[cfg(test)]
mod tests {
    use coven_core::Seq;

    use super::*;
    use crate::cold::segment::Segment;
    use crate::test_support::noise;

    fn aimed_at(percent: usize) -> (usize, usize) {
        let density = Density {
            body: 100_000,
            packed: 1000 * percent,
        };
        let body = density.body_to_fill_pages();
        (body, body * percent / 100)
    }

    #[test]
    fn what_compresses_as_well_as_what_came_before_fills_most_of_its_pages() {
        for percent in 1..=100 {
            let (body, packed) = aimed_at(percent);
            assert!(body <= BODY_BYTES);
            let filled = packed * 100 / run_of(packed);
            assert!(
                filled >= WORTH_PERCENT - 1 || packed <= PAGE_BYTES,
                "{percent}: {filled}"
            );
        }
    }

    #[test]
    fn what_does_not_compress_fills_its_pages_to_the_brim() {
        let (body, packed) = aimed_at(100);
        assert!(packed * 100 >= run_of(packed) * 98, "{body}");
    }

    #[test]
    fn no_body_is_longer_than_one_may_be_however_short_its_events_and_far_apart() {
        for (len_bytes, apart) in [(200, 20_000), (24, 3_000_000), (1, 1), (1000, 1)] {
            let events: Vec<_> = (0..20_000).map(|seed| noise(seed, len_bytes)).collect();
            let rows: Vec<_> = (1..)
                .step_by(apart)
                .zip(&events)
                .map(|(seq, bytes)| SegmentRow {
                    seq: Seq::new(seq),
                    bytes,
                    output: None,
                })
                .collect();
            let cuts = all(&mut Packer::new(), 5, &rows, None);
            let bodies: Vec<_> = cuts
                .iter()
                .map(|cut| Segment::decode(5, cut.first, &cut.bytes).expect("it is whole"))
                .map(|segment| segment.len_bytes())
                .collect();
            assert!(
                bodies.iter().all(|body| *body <= BODY_BYTES),
                "{len_bytes} bytes {apart} apart: {bodies:?}"
            );
        }
    }
}
