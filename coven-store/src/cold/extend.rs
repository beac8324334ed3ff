//! Adding events to a session's segments.

use std::borrow::Cow;

use redb::ReadableTable;

use super::cut;
use super::pack::Packer;
use super::segment::{Segment, SegmentRow};
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
    let unfilled = take_unfilled(tables, slot)?;
    let before = unfilled.iter().flat_map(|segment| segment.iter());
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
    let mut like = None;
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

/// Takes the last segment out, if it does not fill its pages. One that is damaged stays where it
/// is: what comes after it is whole.
fn take_unfilled(
    tables: &mut Tables<'_>,
    slot: u64,
) -> Result<Option<Vec<SegmentRow<'static>>>, Fault> {
    let (first, bytes) = {
        let mut range = tables.segments.range((slot, 0)..=(slot, u64::MAX))?;
        let Some(last) = range.next_back().transpose()? else {
            return Ok(None);
        };
        let bytes = last.1.value();
        if cut::is_full(bytes.len()) {
            return Ok(None);
        }
        (last.0.value().1, bytes.to_vec())
    };
    match rows_of(slot, first, &bytes) {
        Ok((rows, output)) => {
            tables.segments.remove((slot, first))?;
            if let Some(offset) = output {
                tables.output.remove((slot, offset))?;
            }
            Ok(Some(rows))
        }
        Err(problem) => {
            tracing::error!(slot, first, %problem, "a segment is damaged");
            Ok(None)
        }
    }
}

fn rows_of(
    slot: u64,
    first: u64,
    bytes: &[u8],
) -> Result<(Vec<SegmentRow<'static>>, Option<u64>), Malformed> {
    let segment = Segment::decode(slot, first, bytes)?;
    let rows: Result<Vec<_>, Malformed> = segment
        .rows()
        .map(|row| {
            let (seq, bytes) = row?;
            Ok(SegmentRow {
                seq,
                output: decode::<EventRow>(bytes)?
                    .output()
                    .map(|(offset, _)| offset),
                bytes: Cow::Owned(bytes.to_vec()),
            })
        })
        .collect();
    Ok((rows?, segment.head.output))
}
