//! Rows of the cold file that say of themselves that they are what was written.

use super::order::runs_of_row;
use super::segment::Segment;
use crate::read::slot_of_row;

/// Whether that is a row of segments, slots or the order, with a checksum of its own that is right and covers its
/// key. Of records it cannot be told: whose they are is not in them.
pub(crate) fn proves_itself(key: &[u8], value: &[u8]) -> bool {
    let numbers = key.as_chunks().0;
    match numbers {
        [slot, first] => {
            let (slot, first) = (u64::from_le_bytes(*slot), u64::from_le_bytes(*first));
            Segment::head(slot, first, value).is_ok()
        }
        [number] => {
            let number = u64::from_le_bytes(*number);
            slot_of_row(number, value).is_ok() || runs_of_row(number, value).is_ok()
        }
        _ => false,
    }
}
