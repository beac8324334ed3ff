//! Adding events to a session's segments.

use std::borrow::Cow;

use redb::ReadableTable;

use super::cut::{self, Cut, Density};
use super::pack::Packer;
use super::segment::{Head, Segment, SegmentRow};
use crate::fault::Fault;
use crate::layout::Tables;
use crate::stored::{EventRow, Malformed, decode};
use crate::tail::Row;

/// Events that go behind those that a session has.
pub(super) struct Extension<'a> {
    slot: u64,
    rows: Vec<SegmentRow<'a>>,
    like: Option<Density>,
}

impl<'a> Extension<'a> {
    /// Begins to put `rows` behind the events of a session. Its last segment is taken out, and made
    /// again with them, if it does not fill its pages.
    pub(super) fn begin(tables: &mut Tables<'_>, slot: u64, new: &'a [Row]) -> Result<Self, Fault> {
        let last = last(tables, slot)?;
        let like = last.as_ref().map(|last| last.density);
        let mut rows = last.map_or_else(Vec::new, |last| last.unfilled);
        rows.extend(new.iter().map(|row| SegmentRow {
            seq: row.seq,
            bytes: Cow::Borrowed(&row.bytes),
            output: row.output.map(|span| span.offset),
        }));
        Ok(Self { slot, rows, like })
    }

    /// Its segments. It takes all the time there is to it, and needs no table.
    pub(super) fn cut(&self, packer: &mut Packer) -> Vec<Cut> {
        let (mut rest, mut like) = (self.rows.as_slice(), self.like);
        let mut cuts = Vec::new();
        while !rest.is_empty() {
            let cut = cut::first(packer, self.slot, rest, like);
            like = Some(cut.density);
            rest = &rest[cut.rows..];
            cuts.push(cut);
        }
        cuts
    }

    /// Puts them in their places.
    pub(super) fn put(&self, tables: &mut Tables<'_>, cuts: &[Cut]) -> Result<(), Fault> {
        let mut rest = self.rows.as_slice();
        for cut in cuts {
            let (segment, after) = rest.split_at(cut.rows);
            let seq = segment[0].seq.get();
            tables
                .segments
                .insert((self.slot, seq), cut.bytes.as_slice())?;
            if let Some(offset) = segment.iter().find_map(|row| row.output) {
                tables.output.insert((self.slot, offset), seq)?;
            }
            rest = after;
        }
        Ok(())
    }

    /// About what its rows take in memory beside those of the tail.
    pub(super) fn len_bytes(&self) -> usize {
        self.rows.iter().map(SegmentRow::cost).sum()
    }
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
