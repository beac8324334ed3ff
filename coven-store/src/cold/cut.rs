//! Cutting a session's events into segments that fill their pages: a segment ends where what it
//! compresses to fits just so.

use super::segment::{BODY_BYTES, SegmentRow, encode};
use crate::pages::{PAGE_BYTES, half_of, run_of};

/// How full a run of pages is to be, in percent, for the segment in it not to be cut shorter.
const FULL_PERCENT: usize = 92;

/// How often a segment is made again to fill its pages better.
const TRIES: u32 = 4;

/// A segment and how many events went into it.
pub(super) struct Cut {
    pub(super) rows: usize,
    pub(super) bytes: Vec<u8>,
}

/// Whether a segment of so many bytes is to be left as it is when more events come.
pub(super) fn is_full(len_bytes: usize) -> bool {
    len_bytes > PAGE_BYTES && len_bytes * 100 >= run_of(len_bytes) * FULL_PERCENT
}

/// Cuts the first segment off `rows`, of which there is at least one. The last segment of a
/// session takes what there is.
pub(super) fn first(slot: u64, rows: &[SegmentRow<'_>]) -> Cut {
    let most = within(rows, BODY_BYTES);
    let mut cut = Cut {
        rows: most,
        bytes: encode(slot, &rows[..most]),
    };
    if most == rows.len() && cut.bytes.len() <= PAGE_BYTES << 4 {
        return cut;
    }
    let mut target = run_of(cut.bytes.len());
    if !is_full(cut.bytes.len()) {
        target = half_of(target);
    }
    for _ in 0..TRIES {
        if cut.rows == 1 || is_full(cut.bytes.len()) {
            break;
        }
        let body: usize = rows[..cut.rows].iter().map(SegmentRow::cost).sum();
        // A little less than what would fit if all of it compressed as well as this did.
        let room = body * target / cut.bytes.len() * 99 / 100;
        let fewer = within(rows, room.min(BODY_BYTES));
        if fewer == cut.rows {
            break;
        }
        cut = Cut {
            rows: fewer,
            bytes: encode(slot, &rows[..fewer]),
        };
    }
    cut
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
