//! Where segments were that cannot be read. What was in them is lost, and not void because output was trimmed
//! later: other events were among it, or may have been.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use super::{Catalogue, u64_of};
use crate::raw::{BadPage, Bounds, Row};

/// A slot, and the first place of a segment.
type Key = (u64, u64);

/// Keys of segments that are not there: above one, and up to another.
pub(super) type Stretch = (Option<Key>, Option<Key>);

/// Finds the stretches in which a segment cannot be read, out of the segments in the order of their keys. A page
/// that is damaged and only led to others has none: what hangs on it is found.
#[derive(Default)]
pub(super) struct Unread {
    /// Each with how far below the first page its page is.
    stretches: Vec<(usize, Stretch)>,
    page: Option<Page>,
    /// What was met of pages that are not what they were.
    damaged: Vec<Bounds>,
    /// How far below the first page those are that have segments.
    depth: Option<usize>,
}

/// The rows of one page.
struct Page {
    bounds: Bounds,
    is_sound: bool,
    /// Their keys, and whether each is of a segment that can be read.
    rows: Vec<(Key, bool)>,
}

impl Unread {
    /// The next row, and whether its segment can be read.
    pub(super) fn meet(&mut self, row: &Row, is_read: bool) {
        let is_another = |page: &Page| !page.bounds.is_of_one_page_with(&row.bounds);
        if self.page.as_ref().is_none_or(is_another) {
            self.leave_page();
        }
        let page = self.page.get_or_insert_with(|| Page {
            bounds: row.bounds.clone(),
            is_sound: row.is_sound,
            rows: Vec::new(),
        });
        page.rows.push((key_of(&row.key), is_read));
    }

    fn leave_page(&mut self) {
        let Some(page) = self.page.take() else {
            return;
        };
        let depth = page.bounds.depth();
        match page.is_sound {
            true => self.depth = Some(depth),
            false => self.damaged.push(page.bounds.clone()),
        }
        let stretches = page.stretches().into_iter();
        self.stretches
            .extend(stretches.map(|stretch| (depth, stretch)));
    }

    /// All were met, and these are the pages that are not what they were.
    pub(super) fn finish(mut self, bad: &[BadPage]) -> Vec<Stretch> {
        self.leave_page();
        for page in bad.iter().filter(|page| page.table == "segments") {
            let ends = (page.above.as_deref(), page.up_to.as_deref());
            let has_rows = self
                .damaged
                .iter()
                .any(|it| (it.above(), it.up_to()) == ends);
            if !has_rows && self.depth == Some(page.depth) {
                let stretch = (ends.0.map(key_of), ends.1.map(key_of));
                self.stretches.push((page.depth, stretch));
            }
        }
        let depth = self.depth;
        let mut stretches = self.stretches;
        stretches.retain(|(at, _)| depth.is_none_or(|depth| depth == *at));
        stretches.sort_unstable();
        stretches.into_iter().map(|(_, stretch)| stretch).collect()
    }
}

impl Page {
    fn stretches(&self) -> Vec<Stretch> {
        let (above, up_to) = (self.bounds.above(), self.bounds.up_to());
        let (mut from, end) = (above.map(key_of), up_to.map(key_of));
        // Where nothing says what became of a page that is not what it was, another may be in its place.
        if !self.is_sound && (self.is_astray() || self.rows.iter().all(|row| row.1)) {
            return vec![(from, end)];
        }
        let mut stretches = Vec::new();
        let mut lacks_one = false;
        for &((slot, first), is_read) in &self.rows {
            if is_read && lacks_one {
                stretches.push((from, Some((slot, first.saturating_sub(1)))));
            }
            if is_read {
                from = Some((slot, first));
            }
            lacks_one = !is_read;
        }
        stretches.extend(lacks_one.then_some((from, end)));
        stretches
    }

    /// Its keys are not in order, or not all its own.
    fn is_astray(&self) -> bool {
        let keys = || self.rows.iter().map(|row| row.0);
        !keys().is_sorted() || !keys().all(|key| have(&self.bounds, key))
    }
}

/// Whether a page can have a key.
fn have(bounds: &Bounds, key: Key) -> bool {
    bounds.above().is_none_or(|above| key_of(above) < key)
        && bounds.up_to().is_none_or(|up_to| key <= key_of(up_to))
}

fn key_of(bytes: &[u8]) -> Key {
    (u64_of(bytes), u64_of(bytes.get(8..).unwrap_or_default()))
}

impl Catalogue {
    /// Takes in the keys of a page of which all segments can be read, whenever it was written. New segments come
    /// after all that a session has, so there is none between two of these.
    pub(super) fn join(&mut self, keys: impl Iterator<Item = Key> + Clone) {
        let pairs = keys.clone().zip(keys.skip(1));
        let of_one_slot = pairs.filter(|(before, after)| before.0 == after.0 && before.1 < after.1);
        for (before, (_, after)) in of_one_slot {
            let up_to = self.joined.entry(before).or_default();
            *up_to = after.max(*up_to);
        }
    }

    /// Which of some slots had events in segments that cannot be read, as the order says, and nothing that is
    /// left has them.
    pub(in crate::salvage) fn lacking(&self, slots: impl Iterator<Item = u64>) -> BTreeSet<u64> {
        let gaps = slots.map(|slot| (slot, self.gaps_of(slot)));
        let mut gaps: BTreeMap<u64, Vec<(u64, u64)>> =
            gaps.filter(|(_, gaps)| !gaps.is_empty()).collect();
        let mut lacking = BTreeSet::new();
        if gaps.is_empty() {
            return lacking;
        }
        for run in self.order() {
            let Some(of_slot) = gaps.get(&run.slot) else {
                continue;
            };
            let is_lost = of_slot.iter().any(|&(first, last)| {
                let (first, last) = (first.max(run.first.get()), last.min(run.last.get()));
                first <= last && self.lacks_some(run.slot, first, last)
            });
            if is_lost {
                gaps.remove(&run.slot);
                lacking.insert(run.slot);
            }
        }
        lacking
    }

    /// The places of a slot where segments of it were that cannot be read, without those that a segment spans which
    /// can: what that lacks was trimmed.
    fn gaps_of(&self, slot: u64) -> Vec<(u64, u64)> {
        let pieces = self.pieces(slot);
        let mut gaps = Vec::new();
        let is_before = |(_, up_to): &Stretch| up_to.is_some_and(|key| key.0 < slot);
        for &(above, up_to) in &self.unread[self.unread.partition_point(is_before)..] {
            let mut next = match above {
                Some(key) if key.0 > slot => break,
                Some(key) if key.0 == slot => key.1,
                Some(_) | None => 0,
            };
            let last = up_to.filter(|key| key.0 == slot).map(|key| key.1);
            for piece in pieces {
                if next < piece.first {
                    gaps.push((next, piece.first - 1));
                }
                let joined = self.joined.get(&(slot, piece.first)).copied();
                next = next
                    .max(piece.last.saturating_add(1))
                    .max(joined.unwrap_or(0));
                // The last that is lost may have gone on up to here.
                if last.is_some_and(|last| last < piece.first) {
                    break;
                }
            }
            if last.is_none_or(|last| next <= last) {
                gaps.push((next, u64::MAX));
            }
        }
        gaps
    }

    /// Whether the journal lacks some of the places of a slot from one to another.
    fn lacks_some(&self, slot: u64, first: u64, last: u64) -> bool {
        let recent = self.recent.get(&slot);
        let there = recent.map_or(0, |rows| rows.range(first..=last).count() as u64);
        there < last - first + 1
    }
}
