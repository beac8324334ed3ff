//! Cutting a session's events into segments that fill their pages: a segment ends where what it
//! compresses to fits just so.

use super::pack::Packer;
use super::segment::{BODY_BYTES, SegmentRow, encode};
use crate::pages::{PAGE_BYTES, half_of, run_of};

/// How full a run of pages is to be, in percent, for the segment in it to be left as it is: to fill it
/// better its events would have to be compressed again, which is what folding spends its time on.
const FULL_PERCENT: usize = 60;

/// A segment that is not worth being cut shorter.
const SMALL_BYTES: usize = PAGE_BYTES << 4;

/// How often a segment is made again to fill its pages better.
const TRIES: u32 = 4;

/// A segment and how many events went into it.
pub(super) struct Cut {
    pub(super) rows: usize,
    pub(super) bytes: Vec<u8>,
    /// How well they compressed: a first guess at how many go into the next one.
    pub(super) density: Density,
}

/// Bytes before and after compression.
#[derive(Clone, Copy, Debug)]
pub(super) struct Density {
    body: usize,
    packed: usize,
}

impl Density {
    /// What so many bytes compress to, if they compress as well.
    const fn packed(self, body: usize) -> usize {
        body * self.packed / self.body
    }

    /// How many bytes will likely compress to no more than so many. What compresses does so now
    /// better and now worse; what does not, is what it is.
    const fn body(self, packed: usize) -> usize {
        let compresses = self.packed < self.body - self.body / 32;
        let percent = if compresses { 90 } else { 99 };
        self.body * packed / self.packed * percent / 100
    }
}

impl Cut {
    fn of(packer: &mut Packer, slot: u64, rows: &[SegmentRow<'_>]) -> Self {
        let bytes = encode(packer, slot, rows);
        let density = Density {
            body: rows.iter().map(SegmentRow::cost).sum(),
            packed: bytes.len(),
        };
        Self {
            rows: rows.len(),
            bytes,
            density,
        }
    }
}

/// Whether a segment of so many bytes is to be left as it is when more events come.
pub(super) fn is_full(len_bytes: usize) -> bool {
    len_bytes > PAGE_BYTES && len_bytes * 100 >= run_of(len_bytes) * FULL_PERCENT
}

/// Cuts the first segment off `rows`, of which there is at least one. The last segment of a
/// session takes what there is.
pub(super) fn first(
    packer: &mut Packer,
    slot: u64,
    rows: &[SegmentRow<'_>],
    like: Option<Density>,
) -> Cut {
    let most = &rows[..within(rows, BODY_BYTES)];
    let body = most.iter().map(SegmentRow::cost).sum();
    let expected = like.map(|density| (density, goal(density.packed(body))));
    let (mut cut, goal) = match expected {
        Some((density, goal)) if most.len() < rows.len() || goal > SMALL_BYTES => (
            Cut::of(packer, slot, &rows[..within(most, density.body(goal))]),
            goal,
        ),
        _ => {
            let all = Cut::of(packer, slot, most);
            if most.len() == rows.len() && all.bytes.len() <= SMALL_BYTES {
                return all;
            }
            let goal = goal(all.bytes.len());
            (all, goal)
        }
    };
    for _ in 0..TRIES {
        if cut.rows == 1 || is_full(cut.bytes.len()) {
            break;
        }
        let better = within(most, cut.density.body(goal));
        if better == cut.rows {
            break;
        }
        cut = Cut::of(packer, slot, &rows[..better]);
    }
    cut
}

/// The run of pages to fill, where so many bytes could be had.
fn goal(len_bytes: usize) -> usize {
    let run = run_of(len_bytes);
    if is_full(len_bytes) {
        run
    } else {
        half_of(run)
    }
}

/// How many of `rows` take at most so many bytes; at least one.
fn within(rows: &[SegmentRow<'_>], len_bytes: usize) -> usize {
    let mut bytes = 0;
    let fitting = rows.iter().take_while(|row| {
        bytes += row.cost();
        bytes <= len_bytes
    });
    fitting.count().max(1)
}
