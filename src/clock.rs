//! Time, as the engine is handed it.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use coven_core::Timestamp;
use tokio::sync::oneshot;

/// Where the engine has its time from: the system's clocks, or in tests one moved by hand.
pub trait Clock: fmt::Debug + Send + Sync {
    /// The wall clock's time, for events. It may jump either way.
    fn now(&self) -> Timestamp;

    /// Time since some fixed moment, for waiting. It never goes back.
    fn elapsed(&self) -> Duration;

    /// Completes once [`elapsed`](Self::elapsed) has reached `moment`.
    fn sleep_until(&self, moment: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>>;
}

/// The system's clocks.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock {
    start: Instant,
}

impl SystemClock {
    /// The system's clocks, counting from now.
    pub fn new() -> Self {
        Self {
            start: Instant::now(),
        }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let nanos = match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(since) => i64::try_from(since.as_nanos()).unwrap_or(i64::MAX),
            // A clock set to before 1970.
            Err(before) => -i64::try_from(before.duration().as_nanos()).unwrap_or(i64::MAX),
        };
        Timestamp::from_nanos(nanos)
    }

    fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    fn sleep_until(&self, moment: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(tokio::time::sleep_until((self.start + moment).into()))
    }
}

/// A clock that stands still until it is moved: for tests that never sleep.
#[derive(Debug, Default)]
pub struct ManualClock {
    state: Mutex<Manual>,
}

#[derive(Debug, Default)]
struct Manual {
    elapsed: Duration,
    sleepers: BTreeMap<Duration, Vec<oneshot::Sender<()>>>,
}

impl ManualClock {
    /// A clock at 1970-01-01T00:00:00Z.
    pub fn new() -> Self {
        Self::default()
    }

    /// Moves the clock on and wakes whoever waited for a moment up to then.
    pub fn advance(&self, by: Duration) {
        let due = {
            let mut state = self.lock();
            state.elapsed += by;
            let later = state.elapsed + Duration::from_nanos(1);
            let still = state.sleepers.split_off(&later);
            std::mem::replace(&mut state.sleepers, still)
        };
        for sleeper in due.into_values().flatten() {
            // Whoever gave up waiting is not woken.
            let _ = sleeper.send(());
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Manual> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_nanos(i64::try_from(self.elapsed().as_nanos()).unwrap_or(i64::MAX))
    }

    fn elapsed(&self) -> Duration {
        self.lock().elapsed
    }

    fn sleep_until(&self, moment: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let (wake, woken) = oneshot::channel();
        let mut state = self.lock();
        if moment <= state.elapsed {
            return Box::pin(std::future::ready(()));
        }
        state.sleepers.entry(moment).or_default().push(wake);
        Box::pin(async move {
            // The clock is gone: nothing will ever be due.
            if woken.await.is_err() {
                std::future::pending::<()>().await;
            }
        })
    }
}
