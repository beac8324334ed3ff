//! When the log is at rest, and telling that.

use std::time::{Duration, Instant};

use crate::database::caught;
use crate::limits::REST_AFTER;

/// Tells that there was nothing to do for a while, once each time that there was something before.
pub(crate) struct Rest {
    tell: Option<fn()>,
    /// When that is so, if nothing comes; `None` once it was told.
    at: Option<Instant>,
}

impl Rest {
    /// Nothing is to be told before there was something to do; nothing ever where nobody wants to know.
    pub(crate) const fn new(tell: Option<fn()>) -> Self {
        Self { tell, at: None }
    }

    /// There was something to do.
    pub(super) fn disturb(&mut self, now: Instant) {
        self.at = self.tell.map(|_| now + REST_AFTER);
    }

    /// How long to wait before it may be told; `None` where there is nothing to tell.
    pub(super) fn patience(&self, now: Instant) -> Option<Duration> {
        self.at.map(|at| at.saturating_duration_since(now))
    }

    /// Tells it if it is so. What waits to be folded is told of in time, and begins all anew.
    pub(super) fn tell(&mut self, now: Instant, is_folded: bool) {
        if self.at.is_none_or(|at| now < at) {
            return;
        }
        self.at = None;
        if let Some(tell) = self.tell.filter(|_| is_folded)
            && caught(tell).is_none()
        {
            tracing::error!("what is called when the log is at rest panicked");
        }
    }
}
