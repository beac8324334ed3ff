//! What the folder leaves alone until the log is opened by another process: it is damaged, and
//! nobody needs it.

use std::collections::BTreeSet;

use redb::ReadableTable;

use crate::fault::Fault;

/// A row of a list of what is to be done. What is left alone is that row, and not one of the same slot that goes
/// further, nor one of the other list: where that goes up to is another kind of number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Task {
    pub(super) what: What,
    pub(crate) slot: u64,
    /// The place of its `Deleted`, or the offset that it is trimmed to.
    pub(super) up_to: u64,
}

/// Which list it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum What {
    Erase,
    Trim,
}

#[derive(Debug, Default)]
pub(crate) struct Spared {
    tasks: BTreeSet<Task>,
    /// What was to be done with a segment, by its first seq, when it was found to be damaged.
    segments: BTreeSet<(Task, u64)>,
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
    pub(super) fn add_segment(&mut self, task: Task, first: u64) {
        self.segments.insert((task, first));
    }

    pub(super) fn has_segment(&self, task: Task, first: u64) -> bool {
        self.segments.contains(&(task, first))
    }

    pub(super) fn has_segments_of(&self, task: Task) -> bool {
        let mut segments = self.segments.range((task, 0)..=(task, u64::MAX));
        segments.next().is_some()
    }

    /// The first row of a list of slots that is not to be left alone.
    pub(crate) fn first_of(
        &self,
        what: What,
        list: &impl ReadableTable<u64, u64>,
    ) -> Result<Option<Task>, Fault> {
        if self.all {
            return Ok(None);
        }
        for row in list.iter()? {
            let (slot, value) = row?;
            let task = Task {
                what,
                slot: slot.value(),
                up_to: value.value(),
            };
            if !self.tasks.contains(&task) {
                return Ok(Some(task));
            }
        }
        Ok(None)
    }

    /// The same, for who goes on to touch it: `at` is told which that is.
    pub(super) fn next_of(
        &self,
        what: What,
        list: &impl ReadableTable<u64, u64>,
        at: &mut Option<Task>,
    ) -> Result<Option<Task>, Fault> {
        *at = None;
        *at = self.first_of(what, list)?;
        Ok(*at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_alone_as_it_is_erased_is_not_as_it_is_trimmed_to_the_same_number() {
        let [erased, trimmed] = [What::Erase, What::Trim].map(|what| Task {
            what,
            slot: 3,
            up_to: 70,
        });
        let mut spared = Spared::default();
        spared.add(erased);
        spared.add_segment(erased, 5);
        assert!(spared.tasks.contains(&erased) && !spared.tasks.contains(&trimmed));
        assert!(spared.has_segment(erased, 5) && !spared.has_segment(trimmed, 5));
        assert!(spared.has_segments_of(erased) && !spared.has_segments_of(trimmed));
        let further = Task {
            up_to: 71,
            ..erased
        };
        assert!(!spared.has_segments_of(further));
    }
}
