//! `Rooms`: how much may wait of what is on record, or on its way there, and not written to the process.
//!
//! An engine that takes over looks at the last inputs on record only, as many as there are rooms for: no more
//! of them can wait, since engines before gave as many.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use coven_core::limits::{MAX_UNDELIVERED_INPUT_BYTES, MAX_UNDELIVERED_INPUTS};

/// The rooms of one session's inputs.
#[derive(Debug, Default)]
pub(super) struct Rooms(Arc<Taken>);

#[derive(Debug, Default)]
struct Taken {
    inputs: AtomicUsize,
    bytes: AtomicUsize,
}

/// The room of one input. It is free again once this is dropped.
#[derive(Debug)]
pub(super) struct Room {
    taken: Arc<Taken>,
    len_bytes: usize,
}

impl Rooms {
    /// Sets room aside for an input of so many bytes; none when too much waits.
    pub(super) fn reserve(&self, len_bytes: usize) -> Option<Room> {
        // Only the session's task adds, so nothing is added between the look and the addition.
        self.have_room_for(1, len_bytes)
            .then(|| self.take(len_bytes))
    }

    /// Whether so many inputs fit, of so many bytes together. One that is longer than what may wait, as a
    /// message may be once it is a line of JSON, waits alone.
    pub(super) fn have_room_for(&self, inputs: usize, len_bytes: usize) -> bool {
        let (taken, bytes) = (
            self.0.inputs.load(Ordering::Relaxed),
            self.0.bytes.load(Ordering::Relaxed),
        );
        let is_alone = taken == 0 && inputs == 1;
        taken + inputs <= MAX_UNDELIVERED_INPUTS
            && (is_alone || bytes.saturating_add(len_bytes) <= MAX_UNDELIVERED_INPUT_BYTES)
    }

    /// The room of an input that is on record already.
    pub(super) fn take(&self, len_bytes: usize) -> Room {
        let taken = Arc::clone(&self.0);
        taken.inputs.fetch_add(1, Ordering::Relaxed);
        taken.bytes.fetch_add(len_bytes, Ordering::Relaxed);
        Room { taken, len_bytes }
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        let Self { taken, len_bytes } = self;
        taken.inputs.fetch_sub(1, Ordering::Relaxed);
        taken.bytes.fetch_sub(*len_bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_much_may_wait_as_an_engine_that_takes_over_looks_at() {
        let rooms = Rooms::default();
        let large = rooms.reserve(MAX_UNDELIVERED_INPUT_BYTES - 1);
        assert!(large.is_some());
        let one = rooms.reserve(1);
        assert!(one.is_some());
        assert!(rooms.reserve(1).is_none());
        drop(large);
        assert!(rooms.reserve(1).is_some());
        let small: Vec<_> = (1..MAX_UNDELIVERED_INPUTS)
            .map(|_| rooms.reserve(1).expect("there is room"))
            .collect();
        assert!(rooms.reserve(1).is_none());
        drop((one, small));
        assert!(rooms.reserve(1).is_some());
    }

    #[test]
    fn what_is_longer_than_what_may_wait_waits_alone() {
        let rooms = Rooms::default();
        let one = rooms.reserve(1);
        assert!(rooms.reserve(MAX_UNDELIVERED_INPUT_BYTES + 1).is_none());
        drop(one);
        let long = rooms.reserve(MAX_UNDELIVERED_INPUT_BYTES + 1);
        assert!(long.is_some());
        assert!(rooms.reserve(1).is_none());
    }
}
