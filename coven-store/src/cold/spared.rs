//! What the folder leaves alone until the log is opened by another process: it is damaged, and
//! nobody needs it.

use std::collections::BTreeSet;

use redb::ReadableTable;

use crate::fault::Fault;

#[derive(Debug, Default)]
pub(crate) struct Spared {
    slots: BTreeSet<u64>,
    /// (slot, first seq)
    segments: BTreeSet<(u64, u64)>,
    /// Even the list of what is to be done is damaged.
    all: bool,
}

impl Spared {
    /// Adds the slot that damage was met in; all, where none was known yet.
    pub(crate) fn add(&mut self, slot: Option<u64>) {
        match slot {
            Some(slot) => _ = self.slots.insert(slot),
            None => self.all = true,
        }
    }

    pub(super) fn add_segment(&mut self, place: (u64, u64)) {
        self.segments.insert(place);
    }

    pub(super) fn has_segment(&self, place: (u64, u64)) -> bool {
        self.segments.contains(&place)
    }

    pub(super) fn has_segments_of(&self, slot: u64) -> bool {
        let range = (slot, 0)..=(slot, u64::MAX);
        self.segments.range(range).next().is_some()
    }

    /// The first row of a list of slots that is not to be left alone.
    pub(super) fn first_of(
        &self,
        list: &impl ReadableTable<u64, u64>,
    ) -> Result<Option<(u64, u64)>, Fault> {
        if self.all {
            return Ok(None);
        }
        for row in list.iter()? {
            let (slot, value) = row?;
            if !self.slots.contains(&slot.value()) {
                return Ok(Some((slot.value(), value.value())));
            }
        }
        Ok(None)
    }
}
