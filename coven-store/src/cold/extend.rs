//! Adding events to a session's segments.
//!
//! The last segment of a session is made again with what comes, as long as it does not fill its pages.
//! All of it is compressed together, which takes the least room; or in a hurry, what comes alone.

use redb::ReadableTable;

use super::crew::Tools;
use super::cut::{self, Cut, Density};
use super::segment::{self, Head, Segment, SegmentRow};
use crate::fault::Fault;
use crate::layout::Tables;
use crate::stored::{EventRow, Malformed, decode};
use crate::tail::Row;

/// How many bytes of events are compressed by themselves: 8 KiB of agent output take twice as much room
/// so as with what comes before them, and fewer yet more.
const WORTH_BYTES: usize = 8 << 10;

/// What a fold is to save.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Thrift {
    /// Room on the disk: there is time.
    Room,
    /// Time: while it folds, more comes.
    Time,
}

/// Events that go behind those that a session has.
pub(super) struct Extension<'a> {
    slot: u64,
    last: Option<Last>,
    new: Vec<SegmentRow<'a>>,
}

/// The last segment of a session.
struct Last {
    first: u64,
    head: Head,
    /// How well it compressed.
    density: Density,
    /// All of it, if it does not fill its pages.
    unfilled: Option<Vec<u8>>,
}

impl<'a> Extension<'a> {
    /// Begins to put `new` behind the events of a session.
    pub(super) fn begin(tables: &Tables<'_>, slot: u64, new: &'a [Row]) -> Result<Self, Fault> {
        let new = new.iter().map(|row| SegmentRow {
            seq: row.seq,
            bytes: &row.bytes,
            output: row.output.map(|span| span.offset),
        });
        Ok(Self {
            slot,
            last: last(tables, slot)?,
            new: new.collect(),
        })
    }

    /// Its segments. It takes all the time there is to it, and needs no table.
    pub(super) fn cut(&self, tools: &mut Tools, thrift: Thrift) -> Vec<Cut> {
        let like = self.last.as_ref().map(|last| last.density);
        if self.new.is_empty() {
            return Vec::new();
        }
        let Some((last, bytes)) = self.last.as_ref().and_then(Last::unfilled) else {
            return cut::all(&mut tools.packer, self.slot, &self.new, like);
        };
        let grown = match thrift {
            Thrift::Time => self.grow(tools, last, bytes),
            Thrift::Room => Ok(None),
        };
        let made = match grown {
            Ok(Some(cuts)) => Ok(cuts),
            Ok(None) => self.make_again(tools, last, bytes),
            Err(problem) => Err(problem),
        };
        made.unwrap_or_else(|problem| {
            // It stays where it is: what comes after it is whole.
            tracing::error!(slot = self.slot, last.first, %problem, "a segment is damaged");
            cut::all(&mut tools.packer, self.slot, &self.new, like)
        })
    }

    /// With what comes behind what the last segment has, where that is worth it.
    fn grow(
        &self,
        tools: &mut Tools,
        last: &Last,
        bytes: &[u8],
    ) -> Result<Option<Vec<Cut>>, Malformed> {
        let has = last.head.body_bytes as usize;
        let room = last.density.body_to_fill_pages().saturating_sub(has);
        let (fitting, rest) = self.new.split_at(cut::within(&self.new, room));
        let cost = cut::cost(fitting);
        if cost < WORTH_BYTES {
            return Ok(None);
        }
        let place = (self.slot, last.first);
        let Some(bytes) = segment::grow(&mut tools.packer, place, bytes, fitting)? else {
            return Ok(None);
        };
        let density = Density {
            body: has + cost,
            packed: bytes.len(),
        };
        let output = fitting.iter().find_map(|row| row.output);
        let mut cuts = vec![Cut {
            first: last.first,
            output: last.head.output.or(output),
            bytes,
        }];
        cuts.extend(cut::all(&mut tools.packer, self.slot, rest, Some(density)));
        Ok(Some(cuts))
    }

    /// With what the last segment has before what comes.
    fn make_again(
        &self,
        tools: &mut Tools,
        last: &Last,
        bytes: &[u8],
    ) -> Result<Vec<Cut>, Malformed> {
        let segment = Segment::decode_with(&mut tools.unpacker, self.slot, last.first, bytes)?;
        let mut rows = rows_of(&segment)?;
        rows.extend(&self.new);
        Ok(cut::all(
            &mut tools.packer,
            self.slot,
            &rows,
            Some(last.density),
        ))
    }

    /// Puts them in their places. The first one may be in that of the last segment, with all that it
    /// had.
    pub(super) fn put(&self, tables: &mut Tables<'_>, cuts: &[Cut]) -> Result<(), Fault> {
        for cut in cuts {
            tables
                .segments
                .insert((self.slot, cut.first), cut.bytes.as_slice())?;
            if let Some(offset) = cut.output {
                tables.output.insert((self.slot, offset), cut.first)?;
            }
        }
        Ok(())
    }

    /// About what its rows take in memory beside those of the tail.
    pub(super) fn len_bytes(&self) -> usize {
        let has = self.last.as_ref().and_then(Last::unfilled);
        cut::cost(&self.new) + has.map_or(0, |(last, _)| last.head.body_bytes as usize)
    }
}

impl Last {
    /// The same with all of it, if it does not fill its pages.
    fn unfilled(&self) -> Option<(&Self, &[u8])> {
        Some((self, self.unfilled.as_deref()?))
    }
}

/// The last segment of a session; none where that is damaged: what comes after it is whole.
fn last(tables: &Tables<'_>, slot: u64) -> Result<Option<Last>, Fault> {
    let mut range = tables.segments.range((slot, 0)..=(slot, u64::MAX))?;
    let Some(entry) = range.next_back().transpose()? else {
        return Ok(None);
    };
    let (first, bytes) = (entry.0.value().1, entry.1.value());
    let head = match Segment::head(slot, first, bytes) {
        Ok(head) => head,
        Err(problem) => {
            tracing::error!(slot, first, %problem, "a segment is damaged");
            return Ok(None);
        }
    };
    Ok(Some(Last {
        first,
        head,
        density: Density {
            body: (head.body_bytes as usize).max(1),
            packed: bytes.len(),
        },
        unfilled: (!cut::is_full(bytes.len())).then(|| bytes.to_vec()),
    }))
}

fn rows_of(segment: &Segment) -> Result<Vec<SegmentRow<'_>>, Malformed> {
    let rows = segment.rows().map(|row| {
        let (seq, bytes) = row?;
        let output = decode::<EventRow<&[u8]>>(bytes)?.output();
        Ok(SegmentRow {
            seq,
            bytes,
            output: output.map(|(offset, _)| offset),
        })
    });
    rows.collect()
}
