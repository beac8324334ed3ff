//! Adding events to a session's segments.

use std::borrow::Cow;

use redb::ReadableTable;

use super::cut::{self, Density};
use super::pack::Packer;
use super::segment::{Head, Segment, SegmentRow};
use crate::fault::Fault;
use crate::layout::Tables;
use crate::stored::{EventRow, Malformed, decode};
use crate::tail::Row;

/// Puts `rows` behind the events that a session has. Its last segment is made again if it does
/// not fill its pages.
pub(super) fn extend(
    tables: &mut Tables<'_>,
    packer: &mut Packer,
    slot: u64,
    rows: &[Row],
) -> Result<(), Fault> {
    let last = last(tables, slot)?;
    let before = last.iter().flat_map(|last| &last.unfilled);
    let before = before.map(|row| SegmentRow {
        seq: row.seq,
        bytes: Cow::Borrowed(&row.bytes),
        output: row.output,
    });
    let rows = rows.iter().map(|row| SegmentRow {
        seq: row.seq,
        bytes: Cow::Borrowed(&row.bytes),
        output: row.output.map(|span| span.offset),
    });
    let rows: Vec<SegmentRow<'_>> = before.chain(rows).collect();
    let mut rest = rows.as_slice();
    let mut like = last.as_ref().map(|last| last.density);
    while let Some(first) = rest.first() {
        let cut = cut::first(packer, slot, rest, like);
        like = Some(cut.density);
        let seq = first.seq.get();
        tables.segments.insert((slot, seq), cut.bytes.as_slice())?;
        let (segment, after) = rest.split_at(cut.rows);
        if let Some(offset) = segment.iter().find_map(|row| row.output) {
            tables.output.insert((slot, offset), seq)?;
        }
        rest = after;
    }
    Ok(())
}

/// What there is of a session.
struct Last {
    /// How well its last segment compressed.
    density: Density,
    /// The events of that segment, taken out, if it does not fill its pages.
    unfilled: Vec<SegmentRow<'static>>,
}

/// Looks at the last segment, and takes it out if it does not fill its pages. One that is damaged
/// stays where it is: what comes after it is whole.
fn last(tables: &mut Tables<'_>, slot: u64) -> Result<Option<Last>, Fault> {
    let mut range = tables.segments.range((slot, 0)..=(slot, u64::MAX))?;
    let Some(entry) = range.next_back().transpose()? else {
        return Ok(None);
    };
    drop(range);
    let (first, bytes) = (entry.0.value().1, entry.1.value());
    let found = if cut::is_full(bytes.len()) {
        Segment::head(slot, first, bytes).map(|head| (head, Vec::new()))
    } else {
        rows_of(slot, first, bytes)
    };
    let packed = bytes.len();
    drop(entry);
    let (head, unfilled) = match found {
        Ok(found) => found,
        Err(problem) => {
            tracing::error!(slot, first, %problem, "a segment is damaged");
            return Ok(None);
        }
    };
    if !unfilled.is_empty() {
        tables.segments.remove((slot, first))?;
        if let Some(offset) = head.output {
            tables.output.remove((slot, offset))?;
        }
    }
    let density = Density {
        body: (head.body_bytes as usize).max(1),
        packed,
    };
    Ok(Some(Last { density, unfilled }))
}

fn rows_of(
    slot: u64,
    first: u64,
    bytes: &[u8],
) -> Result<(Head, Vec<SegmentRow<'static>>), Malformed> {
    let segment = Segment::decode(slot, first, bytes)?;
    let rows: Result<Vec<_>, Malformed> = segment
        .rows()
        .map(|row| {
            let (seq, bytes) = row?;
            Ok(SegmentRow {
                seq,
                output: decode::<EventRow<&[u8]>>(bytes)?
                    .output()
                    .map(|(offset, _)| offset),
                bytes: Cow::Owned(bytes.to_vec()),
            })
        })
        .collect();
    Ok((segment.head, rows?))
}
