//! `Shelf`: what a cache holds, within a number of bytes.
//!
//! What was not used for longest goes first. But a segment that is in use does not go for another of
//! the same session: who reads a session that is larger than the shelf, again and again, would find none
//! of it when he comes back to its beginning. So its beginning stays, and the rest is not put here.

#[cfg(test)]
pub(super) mod tests;

use std::collections::{BTreeMap, HashMap};
use std::time::Instant;

use coven_core::SessionId;

use super::{Facts, Found, Place};
use crate::limits::CACHE_PATIENCE;
use crate::read::unpacked::Unpacked;

/// About what a segment takes beside its body: its places in the maps here, and what is shared of it.
const SEGMENT_BYTES: usize = 512;

/// About what a session takes beside its segments.
const SLOT_BYTES: usize = 512;

pub(super) struct Shelf {
    most_bytes: usize,
    len_bytes: usize,
    slots: HashMap<u64, Slot>,
    ids: HashMap<SessionId, u64>,
    /// Segments in the order in which they were used: (slot, first seq).
    order: BTreeMap<u64, (u64, u64)>,
    /// Counts the uses.
    uses: u64,
}

/// A session that has a segment here.
struct Slot {
    told: Option<(SessionId, Facts)>,
    /// Where its first segment begins, which may not be here.
    first: Next,
    segments: BTreeMap<u64, Held>,
    /// Where the first output of a segment begins → where that segment does.
    outputs: BTreeMap<u64, u64>,
}

struct Held {
    segment: Unpacked,
    next: Next,
    /// Its place in the order.
    used: u64,
    used_at: Instant,
}

/// What comes next in the cold file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    Unknown,
    Segment(u64),
    End,
}

/// What comes before a segment in the cold file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Before {
    Unknown,
    /// It is the first of its session.
    Nothing,
    /// The one that begins there.
    Segment(u64),
}

impl Shelf {
    pub(super) fn new(most_bytes: usize) -> Self {
        Self {
            most_bytes,
            len_bytes: 0,
            slots: HashMap::new(),
            ids: HashMap::new(),
            order: BTreeMap::new(),
            uses: 0,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    #[cfg(test)]
    pub(super) fn len_bytes(&self) -> usize {
        self.len_bytes
    }

    pub(super) fn slot_of(&self, id: &SessionId) -> Option<u64> {
        self.ids.get(id).copied()
    }

    pub(super) fn facts(&self, slot: u64) -> Option<Facts> {
        let (_, facts) = self.slots.get(&slot)?.told.as_ref()?;
        Some(*facts)
    }

    pub(super) fn at(&mut self, slot: u64, place: Place, now: Instant) -> Found {
        let next = match self.slots.get(&slot) {
            Some(of) => of.next(place),
            None => Next::Unknown,
        };
        match next {
            Next::Unknown => Found::Unknown,
            Next::End => Found::End,
            Next::Segment(first) => self
                .segment(slot, first, now)
                .map_or(Found::Unknown, Found::Segment),
        }
    }

    pub(super) fn segment(&mut self, slot: u64, first: u64, now: Instant) -> Option<Unpacked> {
        let held = self.slots.get_mut(&slot)?.segments.get_mut(&first)?;
        self.order.remove(&held.used);
        self.uses += 1;
        self.order.insert(self.uses, (slot, first));
        held.used = self.uses;
        held.used_at = now;
        Some(held.segment.clone())
    }

    pub(super) fn near_output(&self, slot: u64, offset: u64) -> Option<u64> {
        let outputs = &self.slots.get(&slot)?.outputs;
        let (_, first) = outputs.range(..=offset).next_back()?;
        Some(*first)
    }

    /// Puts a segment here, if there is room for it or that can be made; gives what went for it.
    pub(super) fn put(
        &mut self,
        slot: u64,
        before: Before,
        segment: &Unpacked,
        now: Instant,
    ) -> Vec<Unpacked> {
        let first = segment.first();
        let mut gone = Vec::new();
        if self.segment(slot, first, now).is_none() {
            if !self.make_room(slot, cost(segment), now, &mut gone) {
                self.link(slot, before, first);
                return gone;
            }
            self.insert(slot, segment, now);
        }
        self.link(slot, before, first);
        gone
    }

    fn insert(&mut self, slot: u64, segment: &Unpacked, now: Instant) {
        let first = segment.first();
        self.len_bytes += cost(segment);
        let of = self.slots.entry(slot).or_insert_with(|| {
            self.len_bytes += SLOT_BYTES;
            Slot {
                told: None,
                first: Next::Unknown,
                segments: BTreeMap::new(),
                outputs: BTreeMap::new(),
            }
        });
        if let Some(offset) = segment.output() {
            of.outputs.insert(offset, first);
        }
        self.uses += 1;
        self.order.insert(self.uses, (slot, first));
        let held = Held {
            segment: segment.clone(),
            next: Next::Unknown,
            used: self.uses,
            used_at: now,
        };
        of.segments.insert(first, held);
    }

    /// Notes what the segment that begins at `first` comes behind. Of a file whose keys are not in order nothing is
    /// noted that leads back: who goes from one segment to the next comes to an end.
    fn link(&mut self, slot: u64, before: Before, first: u64) {
        let Some(of) = self.slots.get_mut(&slot) else {
            return;
        };
        match before {
            Before::Unknown => {}
            Before::Nothing => of.first = Next::Segment(first),
            Before::Segment(before) if before < first => of.lead(before, Next::Segment(first)),
            Before::Segment(_) => {}
        }
    }

    pub(super) fn put_end(&mut self, slot: u64, first: u64) {
        if let Some(of) = self.slots.get_mut(&slot) {
            of.lead(first, Next::End);
        }
    }

    pub(super) fn put_facts(&mut self, slot: u64, id: &SessionId, facts: Facts) {
        if let Some(of) = self.slots.get_mut(&slot) {
            of.told = Some((id.clone(), facts));
            self.ids.insert(id.clone(), slot);
        }
    }

    /// Makes room for so many bytes of a slot; `false` where that would only make the slot lose what
    /// is in use of it.
    fn make_room(
        &mut self,
        slot: u64,
        len_bytes: usize,
        now: Instant,
        gone: &mut Vec<Unpacked>,
    ) -> bool {
        let len_bytes = len_bytes + SLOT_BYTES;
        if len_bytes > self.most_bytes {
            return false;
        }
        while self.len_bytes + len_bytes > self.most_bytes {
            let Some((_, &(oldest, first))) = self.order.first_key_value() else {
                return false;
            };
            if oldest == slot && self.is_in_use(oldest, first, now) {
                return false;
            }
            gone.extend(self.remove_segment(oldest, first));
        }
        true
    }

    fn is_in_use(&self, slot: u64, first: u64, now: Instant) -> bool {
        let of = self.slots.get(&slot);
        let held = of.and_then(|of| of.segments.get(&first));
        held.is_some_and(|held| now.saturating_duration_since(held.used_at) < CACHE_PATIENCE)
    }

    fn remove_segment(&mut self, slot: u64, first: u64) -> Option<Unpacked> {
        let of = self.slots.get_mut(&slot)?;
        let held = of.segments.remove(&first)?;
        if let Some(offset) = held.segment.output() {
            of.outputs.remove(&offset);
        }
        self.order.remove(&held.used);
        self.len_bytes -= cost(&held.segment);
        if of.segments.is_empty() {
            let _ = self.remove_slot(slot);
        }
        Some(held.segment)
    }

    /// Takes out all there is of some slots.
    pub(super) fn remove(&mut self, slots: &[u64]) -> Vec<Unpacked> {
        if self.slots.is_empty() {
            return Vec::new();
        }
        let segments = slots.iter().flat_map(|slot| self.remove_slot(*slot));
        segments.collect()
    }

    fn remove_slot(&mut self, slot: u64) -> Vec<Unpacked> {
        let Some(of) = self.slots.remove(&slot) else {
            return Vec::new();
        };
        self.len_bytes -= SLOT_BYTES;
        if let Some((id, _)) = &of.told
            && self.ids.get(id) == Some(&slot)
        {
            self.ids.remove(id);
        }
        let held = of.segments.into_values();
        held.map(|held| {
            self.order.remove(&held.used);
            self.len_bytes -= cost(&held.segment);
            held.segment
        })
        .collect()
    }

    /// Takes out all there is.
    pub(super) fn take(&mut self) -> Vec<Unpacked> {
        let all = std::mem::replace(self, Self::new(self.most_bytes));
        let slots = all.slots.into_values();
        let held = slots.flat_map(|of| of.segments.into_values());
        held.map(|held| held.segment).collect()
    }
}

impl Slot {
    fn next(&self, place: Place) -> Next {
        match place {
            Place::From(seq) => match self.segments.range(..=seq.get()).next_back() {
                Some((&first, held)) if held.segment.last() >= seq.get() => Next::Segment(first),
                // If what comes next begins before `seq`, it is not here, or it would be nearer.
                Some((_, held)) => held.next,
                None => self.first,
            },
            Place::Behind(first) => self
                .segments
                .get(&first)
                .map_or(Next::Unknown, |held| held.next),
        }
    }

    fn lead(&mut self, first: u64, next: Next) {
        if let Some(held) = self.segments.get_mut(&first) {
            held.next = next;
        }
    }
}

fn cost(segment: &Unpacked) -> usize {
    segment.len_bytes() + SEGMENT_BYTES
}
