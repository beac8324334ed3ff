//! The room that a fold takes on the disk, told before it begins.
//!
//! It is told as if no page of the file were free: whoever has so much meets no full disk in the middle.

use redb::{ReadOnlyTable, ReadTransaction, ReadableTableMetadata};

use super::cut;
use super::segment::BODY_BYTES;
use crate::fault::Fault;
use crate::layout::{RECORDS, SEGMENTS};
use crate::limits::MAX_BATCH_BYTES;
use crate::pages::PAGE_BYTES;
use crate::tail::{Fold, FoldedSlot, Standing};

/// What a session takes beside its events where it has its places to itself: a page of each table that it
/// is in, and of the way there.
const ALONE_BYTES: u64 = 8 * PAGE_BYTES as u64;

/// What a session takes of all tables but that of segments, where every page has many: no fold takes more
/// than all of them have.
const BESIDE_OTHERS_BYTES: u64 = 2 << 10;

/// What a run of events takes in the order of all, with what its page does not use.
const RUN_BYTES: u64 = 24;

/// The most that a last segment has which is written anew: one event may be as long as a batch.
const MAX_LAST_BYTES: u64 = (MAX_BATCH_BYTES + BODY_BYTES) as u64;

/// Bytes that `fold` takes, whatever the file has.
pub(crate) fn at_most(fold: &Fold) -> u64 {
    let events = fold
        .slots
        .iter()
        .map(|slot| of_events(slot, MAX_LAST_BYTES));
    of_places(fold, u64::MAX) + events.sum::<u64>()
}

/// Bytes that `fold` takes. Looks for the last segment of each of its sessions.
pub(crate) fn of(txn: &ReadTransaction, fold: &Fold) -> Result<u64, Fault> {
    let sessions = txn.open_table(RECORDS)?.len()?;
    let segments = txn.open_table(SEGMENTS)?;
    let mut bytes = of_places(fold, sessions);
    for slot in &fold.slots {
        bytes += of_events(slot, last_bytes(&segments, slot.slot)?);
    }
    Ok(bytes)
}

/// What everything but the events takes, in a file of so many sessions.
fn of_places(fold: &Fold, sessions: u64) -> u64 {
    let slots = fold.slots.len() as u64;
    let all_bytes = sessions
        .saturating_add(slots)
        .saturating_mul(BESIDE_OTHERS_BYTES);
    RUN_BYTES * fold.runs.len() as u64 + all_bytes.min(ALONE_BYTES * slots)
}

/// What a session's events take, where so many bytes of its last segment are written anew with them: in the
/// worst case as much again as there is, since a run of pages may be half empty; but where there is more
/// than a segment has, only the last is.
fn of_events(slot: &FoldedSlot, last_bytes: u64) -> u64 {
    let rows = slot.rows.iter().map(|row| row.bytes.len() as u64 + 4);
    let bytes = match slot.standing {
        Standing::Living(_) => rows.sum::<u64>() + last_bytes,
        Standing::Deleted { .. } => 0,
    };
    bytes + bytes / 4 + bytes.min(BODY_BYTES as u64)
}

/// Bytes of a session's last segment, if that is written anew when more comes.
fn last_bytes(
    segments: &ReadOnlyTable<(u64, u64), &'static [u8]>,
    slot: u64,
) -> Result<u64, Fault> {
    let mut range = segments.range((slot, 0)..=(slot, u64::MAX))?;
    let Some(entry) = range.next_back().transpose()? else {
        return Ok(0);
    };
    let len_bytes = entry.1.value().len();
    Ok(match cut::is_full(len_bytes) {
        true => 0,
        false => len_bytes as u64,
    })
}
