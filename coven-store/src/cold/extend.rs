//! Adding events to a session's segments.
//!
//! The last segment of a session is made again with what comes, as long as it does not fill its pages.
//! All of it is compressed together, which takes the least room; or in a hurry, what comes alone.

use redb::ReadableTable;

use super::cut::{self, Cut, Density};
use super::pack::Packer;
use super::segment::{self, Head, Segment, SegmentRow};
use crate::fault::{Fault, damage};
use crate::layout::Tables;
use crate::stored::{EventRow, Malformed, decode};
use crate::tail::Row;

/// How many bytes of events are compressed by themselves: 8 KiB of agent output take twice as much room
/// so as with what comes before them, and fewer yet more.
const WORTH_BYTES: usize = 8 << 10;

/// What the way from one event to the next takes at most.
const MAX_STEP_BYTES: usize = 10;

/// What a fold is to save.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Thrift {
    /// Room on the disk: there is time.
    Room,
    /// Time: while it folds, more comes. What it compresses may take a little more room, too.
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
    /// Begins to put `new` behind the events of a session. Where those have the place of one of them, or
    /// go further, nothing is put there.
    pub(super) fn begin(tables: &Tables<'_>, slot: u64, new: &'a [Row]) -> Result<Self, Fault> {
        let last = last(tables, slot)?;
        if let (Some(last), Some(row)) = (&last, new.first())
            && row.seq.get() <= last.head.last
        {
            return Err(damage(format!(
                "the events of slot {slot} go up to {}, and {} is to be put behind them",
                last.head.last, row.seq
            )));
        }
        let new = new.iter().map(|row| SegmentRow {
            seq: row.seq,
            bytes: &row.bytes,
            output: row.output.map(|span| span.offset),
        });
        Ok(Self {
            slot,
            last,
            new: new.collect(),
        })
    }

    /// Its segments. It takes all the time there is to it, and needs no table.
    pub(super) fn cut(&self, packer: &mut Packer, thrift: Thrift) -> Vec<Cut> {
        let like = self.last.as_ref().map(|last| last.density);
        if self.new.is_empty() {
            return Vec::new();
        }
        let Some((last, bytes)) = self.last.as_ref().and_then(Last::unfilled) else {
            return cut::all(packer, self.slot, &self.new, like);
        };
        let grown = match thrift {
            Thrift::Time => self.grow(packer, last, bytes),
            Thrift::Room => Ok(None),
        };
        let made = match grown {
            Ok(Some(cuts)) => Ok(cuts),
            Ok(None) => self.make_again(packer, last, bytes),
            Err(problem) => Err(problem),
        };
        made.unwrap_or_else(|problem| {
            // It stays where it is: what comes after it is whole.
            tracing::error!(slot = self.slot, last.first, %problem, "a segment is damaged");
            cut::all(packer, self.slot, &self.new, like)
        })
    }

    /// With what comes behind what the last segment has, where that is worth it.
    fn grow(
        &self,
        packer: &mut Packer,
        last: &Last,
        bytes: &[u8],
    ) -> Result<Option<Vec<Cut>>, Malformed> {
        let has = last.head.body_bytes as usize + MAX_STEP_BYTES;
        let room = last.density.body_to_fill_pages().saturating_sub(has);
        let (fitting, rest) = self.new.split_at(cut::within(&self.new, room));
        let cost = cut::cost(fitting);
        if cost < WORTH_BYTES {
            return Ok(None);
        }
        let place = (self.slot, last.first);
        let Some(bytes) = segment::grow(packer, place, bytes, fitting)? else {
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
        cuts.extend(cut::all(packer, self.slot, rest, Some(density)));
        Ok(Some(cuts))
    }

    /// With what the last segment has before what comes.
    fn make_again(
        &self,
        packer: &mut Packer,
        last: &Last,
        bytes: &[u8],
    ) -> Result<Vec<Cut>, Malformed> {
        let segment = Segment::decode(self.slot, last.first, bytes)?;
        let mut rows = rows_of(&segment)?;
        rows.extend(&self.new);
        Ok(cut::all(packer, self.slot, &rows, Some(last.density)))
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

    /// About what it takes in memory beside the tail, with what it becomes.
    pub(super) fn held_bytes(&self) -> usize {
        let has = self.last.as_ref().and_then(Last::unfilled);
        cut::cost(&self.new) + has.map_or(0, |(_, bytes)| bytes.len())
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

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use coven_core::{Actor, Channel, Envelope, Event, Seq};
    use redb::{Database, ReadableTableMetadata};

    use super::*;
    use crate::stored::encode;
    use crate::tail::Span;
    use crate::test_support::{at, id, noise};

    /// What agents print, or noise, of some length.
    fn said(number: u64) -> Vec<u8> {
        let line = format!("\x1b[3{}mline {number} of many\x1b[0m\r\n", number % 8);
        match number / 100 % 3 {
            0 | 1 => line.repeat(20 + number as usize % 30).into(),
            _ => noise(number, 900),
        }
    }

    /// Output events one behind the other, some places apart, as they are in the tail.
    fn rows() -> Vec<Row> {
        let mut offset = 0;
        let row = |number: u64| {
            let data = Bytes::from(said(number));
            let len_bytes = data.len() as u64;
            let seq = Seq::new(1 + 3 * number);
            let envelope = Envelope {
                seq,
                session: id("a"),
                at: at(1),
                actor: None::<Actor>,
                event: Event::Output {
                    offset,
                    channel: Channel::Tty,
                    data,
                },
            };
            let output = Some(Span { offset, len_bytes });
            offset += len_bytes;
            Row {
                seq,
                bytes: encode(&EventRow::from(&envelope)).into(),
                output,
            }
        };
        (0..1500).map(row).collect()
    }

    /// What becomes of rows that come so many at a time: bytes of the segments, and how often one grew.
    fn extended(rows: &[Row], at_once: usize, thrift: Thrift) -> (usize, usize) {
        let backend = redb::backends::InMemoryBackend::new();
        let db = Database::builder().create_with_backend(backend);
        let txn = db
            .expect("a database")
            .begin_write()
            .expect("a transaction");
        let mut tables = Tables::open(&txn).expect("tables");
        let mut packer = Packer::saving(thrift);
        let mut grew = 0;
        for new in rows.chunks(at_once) {
            let extension = Extension::begin(&tables, 5, new).expect("a read");
            let unfilled = extension.last.as_ref().and_then(Last::unfilled);
            let made_again = unfilled.map(|(last, bytes)| {
                let made = extension.make_again(&mut packer, last, bytes);
                made.expect("it is whole").swap_remove(0).bytes
            });
            let cuts = extension.cut(&mut packer, thrift);
            grew += usize::from(made_again.is_some_and(|made| made != cuts[0].bytes));
            extension.put(&mut tables, &cuts).expect("a write");
        }
        let (mut bytes, mut found) = (0, Vec::new());
        for entry in tables.segments.iter().expect("a read") {
            let (key, value) = entry.expect("a row");
            let first = key.value().1;
            let segment = Segment::decode(5, first, value.value()).expect("it is whole");
            let offset = segment.head.output.expect("all is output");
            let known = tables.output.get((5, offset)).expect("a read");
            assert_eq!(known.map(|known| known.value()), Some(first));
            bytes += value.value().len();
            found.extend(segment.rows().map(|row| {
                let (seq, bytes) = row.expect("a row");
                (seq, bytes.to_vec())
            }));
        }
        let expected = rows.iter().map(|row| (row.seq, row.bytes.to_vec()));
        assert!(found.into_iter().eq(expected), "it is what was put");
        let segments = tables.segments.len().expect("a read");
        assert_eq!(tables.output.len().expect("a read"), segments);
        (bytes, grew)
    }

    #[test]
    fn events_come_back_as_they_were_put_whatever_a_fold_saved() {
        let rows = rows();
        for at_once in [3, 17, 60, 400] {
            let (thorough, never) = extended(&rows, at_once, Thrift::Room);
            let (hurried, grew) = extended(&rows, at_once, Thrift::Time);
            assert_eq!(never, 0);
            // Of very many the last segment may fill its pages by itself.
            assert!(at_once > 100 || (grew > 0) == (at_once > 10), "{at_once}");
            // Where both are cut is chance, which may give a hundredth to either.
            assert!(
                hurried * 100 >= thorough * 99 && hurried < 2 * thorough,
                "{hurried}, {thorough}"
            );
        }
    }
}
