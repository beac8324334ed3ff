//! One who asks daemons one thing after the other, and another who has them die of that.

use std::sync::{Condvar, Mutex};

use crate::home::PATIENCE;

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    Launch,
    Kill,
    Archive,
    Delete,
}

/// What is being asked now.
#[derive(Debug, Default)]
pub(crate) struct Asking {
    now: Mutex<Now>,
    changed: Condvar,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Now {
    /// Nothing, but something will be.
    #[default]
    Nothing,
    /// This.
    Asks(Asked),
    /// Nothing, and nothing will be.
    IsOver,
}

impl Asking {
    /// Asks something, until it is answered.
    pub(crate) fn during<T>(&self, asked: Asked, ask: impl FnOnce() -> T) -> T {
        self.set(Now::Asks(asked));
        let answer = ask();
        self.set(Now::Nothing);
        answer
    }

    pub(crate) fn is_over(&self) {
        self.set(Now::IsOver);
    }

    /// Waits until this is being asked, or nothing will be any more.
    pub(crate) fn wait_for(&self, asked: Asked) {
        let is_to_come = |now: &mut Now| *now != Now::Asks(asked) && *now != Now::IsOver;
        let now = self.now.lock().expect("nobody panicked");
        let waited = self.changed.wait_timeout_while(now, PATIENCE, is_to_come);
        let (now, waited) = waited.expect("nobody panicked");
        assert!(!waited.timed_out(), "{asked:?} is not asked: {now:?}");
    }

    fn set(&self, now: Now) {
        *self.now.lock().expect("nobody panicked") = now;
        self.changed.notify_all();
    }
}
