//! Taking trimmed output out of segments, a bounded number of them in each transaction.
//!
//! The index of output says which segments have any; one that was gone through is not in it any
//! more, or with what is left. So this goes on by itself after a crash, from where it was.
//!
//! The list of what is to be taken out has no checksum. So nothing is taken out but what a session's
//! record, which has one, says was trimmed.

#[cfg(test)]
mod tests;

use coven_core::is_trimmed;
use redb::{ReadableTable, WriteTransaction};

use super::pack::Packer;
use super::segment::{self, Segment, SegmentRow};
use super::spared::{Spared, Task, What};
use crate::fault::{Fault, damage};
use crate::layout::Tables;
use crate::limits::TRIM_SEGMENTS;
use crate::read::{load_record, session_of_slot};
use crate::stored::{EventRow, Malformed, decode};

/// Takes some out of one session's segments; `false` when there is nothing left of any. `at` is
/// told what it is about to do. A segment that is damaged stays, whatever else it has, and so does what
/// contradicts its session's record.
pub(crate) fn some(
    txn: &WriteTransaction,
    spared: &mut Spared,
    at: &mut Option<Task>,
) -> Result<bool, Fault> {
    let mut tables = Tables::open(txn)?;
    while let Some(task) = spared.next_of(What::Trim, &tables.trimming, at)? {
        if was_trimmed(&tables, task)? {
            step(&mut tables, spared, task)?;
            return Ok(true);
        }
        tracing::error!(
            slot = task.slot,
            trimmed_bytes = task.up_to,
            "what is to be taken out was not trimmed"
        );
        spared.add(task);
    }
    Ok(false)
}

/// Whether a session's record says the same as the list.
fn was_trimmed(tables: &Tables<'_>, task: Task) -> Result<bool, Fault> {
    let slot = task.slot;
    let record =
        session_of_slot(&tables.slots, slot).and_then(|id| load_record(&tables.records, slot, &id));
    match record {
        Ok(record) => Ok(record.session.trimmed_bytes == task.up_to),
        Err(Fault::Damage(damage)) => {
            tracing::error!(%damage, "trimmed output of a session stays");
            Ok(false)
        }
        Err(fault) => Err(fault),
    }
}

/// Takes some out of one session's segments.
fn step(tables: &mut Tables<'_>, spared: &mut Spared, task: Task) -> Result<(), Fault> {
    let slot = task.slot;
    let mut packer = Packer::new();
    let outputs = outputs(tables, spared, task)?;
    for &(offset, first) in &outputs {
        let place = (slot, first);
        let segment = segment_at(tables, place)?;
        let left = segment
            .as_ref()
            .map_err(Malformed::clone)
            .and_then(|segment| Left::of(segment, task.up_to));
        match left {
            Ok(Left::Less(rows)) => replace(tables, &mut packer, place, offset, &rows)?,
            Ok(Left::All) => spared.add_segment(task, first),
            Err(problem) => {
                tracing::error!(slot, first, %problem, "trimmed output stays in a damaged segment");
                spared.add_segment(task, first);
            }
        }
    }
    if outputs.is_empty() {
        if spared.has_segments_of(task) {
            spared.add(task);
        } else if tables.trimming.remove(slot)?.is_none() {
            // Who would go on would come to no end.
            return Err(damage(
                "the list of what is to be taken out is out of its order",
            ));
        }
    }
    Ok(())
}

/// Where the first segments that have trimmed output are: (offset, first seq).
fn outputs(tables: &Tables<'_>, spared: &Spared, task: Task) -> Result<Vec<(u64, u64)>, Fault> {
    let mut found = Vec::new();
    for row in tables
        .output
        .range((task.slot, 0)..(task.slot, task.up_to))?
    {
        let (key, first) = row?;
        if !spared.has_segment(task, first.value()) {
            found.push((key.value().1, first.value()));
        }
        if found.len() == TRIM_SEGMENTS {
            break;
        }
    }
    Ok(found)
}

/// The segment at a place, if it can be read.
fn segment_at(
    tables: &Tables<'_>,
    (slot, first): (u64, u64),
) -> Result<Result<Segment, Malformed>, Fault> {
    Ok(match tables.segments.get((slot, first))? {
        Some(bytes) => Segment::decode(slot, first, bytes.value()),
        None => Err(Malformed::Empty),
    })
}

/// What a segment has beside trimmed output.
enum Left<'a> {
    Less(Vec<SegmentRow<'a>>),
    /// Its first output was trimmed in part only, which nobody should do.
    All,
}

impl<'a> Left<'a> {
    fn of(segment: &'a Segment, trimmed_bytes: u64) -> Result<Self, Malformed> {
        let mut left = Vec::new();
        for row in segment.rows() {
            let (seq, bytes) = row?;
            let output = decode::<EventRow<&[u8]>>(bytes)?.output();
            if output.is_none_or(|(at, len)| !is_trimmed(at, len as u64, trimmed_bytes)) {
                left.push(SegmentRow {
                    seq,
                    bytes,
                    output: output.map(|(at, _)| at),
                });
            }
        }
        if left.len() == segment.head.rows as usize {
            return Ok(Self::All);
        }
        Ok(Self::Less(left))
    }
}

/// Puts what is left of a segment in its place, which is that of its first event.
fn replace(
    tables: &mut Tables<'_>,
    packer: &mut Packer,
    place: (u64, u64),
    offset: u64,
    left: &[SegmentRow<'_>],
) -> Result<(), Fault> {
    let (slot, _) = place;
    tables.output.remove((slot, offset))?;
    tables.segments.remove(place)?;
    let Some(first) = left.first() else {
        return Ok(());
    };
    let seq = first.seq.get();
    let bytes = segment::encode(packer, slot, left);
    tables.segments.insert((slot, seq), bytes.as_slice())?;
    if let Some(at) = left.iter().find_map(|row| row.output) {
        tables.output.insert((slot, at), seq)?;
    }
    Ok(())
}
