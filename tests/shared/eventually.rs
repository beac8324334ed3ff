//! Waiting for what nobody tells of.

use std::time::{Duration, Instant};

/// Over anything that a healthy machine takes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until `found` gives something.
pub(crate) fn eventually<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = found() {
            return found;
        }
        assert!(Instant::now() < deadline, "{what} did not come to be");
        std::thread::yield_now();
    }
}
