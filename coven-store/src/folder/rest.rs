//! When the log is at rest, and telling that.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::database::caught;
use crate::limits::REST_AFTER;
use crate::pool::Pool;

/// Tells that there was nothing to do for a while, once each time that there was something before.
pub(crate) struct Rest {
    tell: Option<fn()>,
    pool: Arc<Pool>,
    /// When that is so, if nothing comes; `None` once it was told, and where there is nobody to tell and nothing to
    /// give back.
    at: Option<Instant>,
}

impl Rest {
    /// Nothing is to be told before there was something to do. At rest nothing is kept in `pool`.
    pub(crate) fn new(tell: Option<fn()>, pool: &Arc<Pool>) -> Self {
        Self {
            tell,
            pool: Arc::clone(pool),
            at: None,
        }
    }

    /// There was something to do.
    pub(super) fn disturb(&mut self, now: Instant) {
        let is_awaited = self.tell.is_some() || self.pool.keeps();
        self.at = is_awaited.then(|| now + REST_AFTER);
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
        if !is_folded {
            return;
        }
        self.pool.give_back();
        if let Some(tell) = self.tell
            && caught(tell).is_none()
        {
            tracing::error!("what is called when the log is at rest panicked");
        }
    }
}
