//! Before the cold file is written to: whether its pages are such that nothing is lost by it.

use std::collections::BTreeSet;

use redb::TableHandle;

use crate::cold::segment::Segment;
use crate::fault::{Fault, damage};
use crate::file::Kept;
use crate::layout::{SEGMENTS, SLOTS};
use crate::raw::{Depth, Written};
use crate::read::slot_of_row;

/// Refuses to have a file written to of which a page leads elsewhere than it did, for the database would use
/// again what is in use; or what comes behind all rows of these slots, where a leaf that would be written anew for
/// it may have lost rows. Pages of tables that are `given_up` are not gone by.
///
/// # Errors
/// [`Fault::Damage`], which says where.
pub(crate) fn may_be_written(
    file: &Kept,
    given_up: &BTreeSet<&'static str>,
    slots: &BTreeSet<u64>,
) -> Result<(), Fault> {
    let written = |proves_itself| {
        Depth::Written(Written {
            slots,
            proves_itself,
        })
    };
    let bad = file.first_bad_page(|table| match table {
        _ if given_up.contains(table) => Depth::Nothing,
        _ if table == SEGMENTS.name() => written(is_segment),
        _ if table == SLOTS.name() => written(is_slot),
        _ => Depth::Branches,
    });
    bad.map_or(Ok(()), |bad| Err(damage(bad)))
}

fn is_segment(key: &[u8], value: &[u8]) -> bool {
    let numbers = key.as_chunks().0;
    match numbers {
        [slot, first] => {
            let (slot, first) = (u64::from_le_bytes(*slot), u64::from_le_bytes(*first));
            Segment::head(slot, first, value).is_ok()
        }
        _ => false,
    }
}

fn is_slot(key: &[u8], value: &[u8]) -> bool {
    let slot = key.try_into().map(u64::from_le_bytes);
    slot.is_ok_and(|slot| slot_of_row(slot, value).is_ok())
}
