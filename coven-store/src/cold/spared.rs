//! What the folder leaves alone until the log is opened by another process: it is damaged, and
//! nobody needs it.

use std::collections::{BTreeMap, BTreeSet};

use redb::ReadableTable;

use crate::fault::Fault;

/// A row of the list of what is to be done: a slot, and up to where. What is left alone is that row, and not
/// one of the same slot that goes further.
pub(crate) type Task = (u64, u64);

#[derive(Debug, Default)]
pub(crate) struct Spared {
    tasks: BTreeSet<Task>,
    /// (slot, first seq) → up to where its slot was to be trimmed or erased when it was found to be damaged.
    segments: BTreeMap<(u64, u64), u64>,
    /// Even the list of what is to be done is damaged.
    all: bool,
}

impl Spared {
    /// Leaves alone what damage was met in.
    pub(crate) fn add(&mut self, task: Task) {
        self.tasks.insert(task);
    }

    /// Leaves all alone: damage was met before it was known in what.
    pub(crate) fn add_all(&mut self) {
        self.all = true;
    }

    /// Leaves a damaged segment alone, as long as its slot is trimmed or erased up to there.
    pub(super) fn add_segment(&mut self, place: (u64, u64), up_to: u64) {
        self.segments.insert(place, up_to);
    }

    pub(super) fn has_segment(&self, place: (u64, u64), up_to: u64) -> bool {
        self.segments.get(&place) == Some(&up_to)
    }

    pub(super) fn has_segments_of(&self, (slot, up_to): Task) -> bool {
        let range = (slot, 0)..=(slot, u64::MAX);
        let mut segments = self.segments.range(range);
        segments.any(|(_, known)| *known == up_to)
    }

    /// The first row of a list of slots that is not to be left alone.
    pub(crate) fn first_of(
        &self,
        list: &impl ReadableTable<u64, u64>,
    ) -> Result<Option<Task>, Fault> {
        if self.all {
            return Ok(None);
        }
        for row in list.iter()? {
            let (slot, value) = row?;
            let task = (slot.value(), value.value());
            if !self.tasks.contains(&task) {
                return Ok(Some(task));
            }
        }
        Ok(None)
    }

    /// The same, for who goes on to touch it: `at` is told which that is.
    pub(super) fn next_of(
        &self,
        list: &impl ReadableTable<u64, u64>,
        at: &mut Option<Task>,
    ) -> Result<Option<Task>, Fault> {
        *at = None;
        *at = self.first_of(list)?;
        Ok(*at)
    }
}
