//! Pages of tables that can be made anew.
//!
//! To drop a table redb goes through its pages, and believes each: one that was altered may lead it to
//! pages of others, which would be used again. So a page that is not what it was is made a leaf first,
//! which leads nowhere, and of more rows than a page can have, so that nobody takes it for an empty one.

use super::snapshot::Snapshot;
use super::system::Patch;
use super::{RawFile, Widths};

/// The first bytes of a page: that it is a leaf, and of how many rows. All of the page is written with them: a disk
/// that does not give it may take it anew, and cannot be given a part.
const LEADS_NOWHERE: [u8; 4] = [1, 0, 0xff, 0xff];

/// What to write where, so that `tables` can be dropped. Reads their pages; those that are not what they were
/// twice, as it may be a read that failed.
pub(crate) fn spoilt(file: RawFile, tables: &[(&'static str, Widths)]) -> Vec<Patch> {
    let snapshot = Snapshot::at_last(file);
    // Where the tables themselves are not known, no page can be told to be theirs.
    if !snapshot.take_bad().is_empty() {
        return Vec::new();
    }
    let look = || {
        for (table, widths) in tables {
            snapshot.rows(table, *widths).for_each(drop);
        }
        snapshot.take_bad()
    };
    let at_first = look();
    if at_first.is_empty() {
        return Vec::new();
    }
    let still = look().into_iter().filter(|it| at_first.contains(it));
    still
        .filter_map(|found| {
            let mut bytes = LEADS_NOWHERE.to_vec();
            bytes.resize(found.len_bytes, 0);
            Some(Patch {
                at: found.at?,
                bytes,
                found,
            })
        })
        .collect()
}
