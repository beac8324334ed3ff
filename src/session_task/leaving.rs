//! Leaving a session to the next engine, which owes nobody an answer then.
//!
//! What was asked and is not on record is refused, and nothing of it was done. What is on its way into the log is
//! waited for. An input that is on record is answered as taken: the next engine types it, if it was not. But what was
//! hidden it cannot type: its shim is waited for, for a while, to say that it has it.

use std::time::Duration;

use super::control::answer;
use super::live::Live;
use super::writer::Writer;
use crate::Unavailable;

/// How long a shim may take to say that it has what the log has not. It is less than an engine waits for all of its
/// sessions.
const LAST_TAKEN: Duration = Duration::from_secs(1);

/// Whether the engine leaves the session to the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Leaving {
    No,
    /// What a kill does not end now is left.
    OnceKilled,
    Now {
        /// Until when a shim is waited for, by the engine's clock.
        patience: Duration,
    },
}

impl Live {
    /// The engine leaves.
    pub(super) fn leave(&mut self) {
        if !self.is_left() {
            let patience = self.shared.clock.elapsed() + LAST_TAKEN;
            self.leaving = Leaving::Now { patience };
        }
    }

    /// Whether it is left now to the next engine: nothing new is begun.
    pub(super) const fn is_left(&self) -> bool {
        matches!(self.leaving, Leaving::Now { .. }) && self.process.lives_on()
    }

    /// Whether the engine has left: nothing is on its way into the log any more, and nobody waits for an answer.
    /// What was not acknowledged to a shim comes again.
    pub(super) fn has_left(&mut self) -> bool {
        self.is_left()
            && self.has_answered_all()
            // Who launched it is answered first.
            && self.launched.is_none()
            && self.observations.in_flight.is_none()
    }

    /// Answers all who can be. Whether that is everybody.
    fn has_answered_all(&mut self) -> bool {
        // What that is about may be on record; a kill that waits for its turn is carried out already.
        if self.control.in_flight.is_some() {
            return false;
        }
        for ask in std::mem::take(&mut self.control.asked) {
            answer(ask, Err(Unavailable::ShuttingDown.into()));
        }
        if self.waits_for_shim().is_some() {
            return false;
        }
        self.note_written();
        // Who waits for what it types is answered.
        self.writer = None;
        true
    }

    /// Until when a shim is waited for, which may still say that it has what only this engine can give it.
    pub(super) fn waits_for_shim(&self) -> Option<Duration> {
        let Leaving::Now { patience } = self.leaving else {
            return None;
        };
        let is_sure = self.writer.as_ref().is_none_or(Writer::is_sure);
        let is_over = self.shared.clock.elapsed() >= patience;
        (self.is_left() && !is_sure && !is_over).then_some(patience)
    }
}
