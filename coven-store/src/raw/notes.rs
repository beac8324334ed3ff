//! What was found out about one commit at some length, for those who read it next.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How much is noted of one commit at most, at 16 bytes each and as much again.
const MOST: usize = 1 << 16;

/// How much output of a slot is trimmed, where all its segments had to be looked at for that.
#[derive(Debug, Default)]
pub(crate) struct Notes(Mutex<HashMap<u64, u64>>);

impl Notes {
    /// What is noted of a slot, or what `find` does, which is noted then. Where that finds nothing, the next who asks
    /// looks again: the disk may give more by then.
    pub(crate) fn of(&self, slot: u64, find: impl FnOnce() -> Option<u64>) -> Option<u64> {
        if let Some(&known) = lock(&self.0).get(&slot) {
            return Some(known);
        }
        let found = find()?;
        let mut notes = lock(&self.0);
        if notes.len() < MOST {
            notes.insert(slot, found);
        }
        Some(found)
    }
}

/// The notes of the commit that was read last.
#[derive(Debug, Default)]
pub(crate) struct LastNotes(Mutex<Option<Noted>>);

#[derive(Debug)]
struct Noted {
    /// Of which commit, in which opening of the file: the number of the one alone may be given again.
    moment: (u64, u64),
    notes: Arc<Notes>,
}

impl LastNotes {
    /// Those of a commit. Those of another are let go of, and of one that is not known there are none.
    pub(crate) fn of(&self, opening: u64, commit: Option<u64>) -> Arc<Notes> {
        let Some(commit) = commit else {
            return Arc::default();
        };
        let moment = (opening, commit);
        let mut last = lock(&self.0);
        if let Some(noted) = last.as_ref().filter(|noted| noted.moment == moment) {
            return Arc::clone(&noted.notes);
        }
        let notes = Arc::<Notes>::default();
        *last = Some(Noted {
            moment,
            notes: Arc::clone(&notes),
        });
        notes
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nobody_looks() -> Option<u64> {
        panic!("it is noted")
    }

    #[test]
    fn what_was_found_of_a_slot_is_looked_for_again_in_another_commit_or_opening_alone() {
        let all = LastNotes::default();
        assert_eq!(all.of(1, Some(1)).of(7, || None), None);
        assert_eq!(all.of(1, Some(1)).of(7, || Some(5)), Some(5));
        assert_eq!(all.of(1, Some(1)).of(7, nobody_looks), Some(5));
        assert_eq!(all.of(1, Some(1)).of(8, || Some(6)), Some(6));
        assert_eq!(all.of(1, None).of(7, || Some(1)), Some(1));
        assert_eq!(all.of(1, Some(1)).of(7, nobody_looks), Some(5));
        assert_eq!(all.of(1, Some(2)).of(7, || Some(2)), Some(2));
        assert_eq!(all.of(2, Some(2)).of(7, || Some(3)), Some(3));
    }
}
