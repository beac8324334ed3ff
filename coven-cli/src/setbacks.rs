//! `Setbacks`: how many daemons that do not stay are followed by another, and how soon.
//!
//! Somebody kills each as soon as it is there, or each dies of what it finds in its home or is asked:
//! who needs one outlasts the former for some ten seconds, and keeps the machine from doing nothing
//! else over the latter.

use std::fmt;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::absence::QUIET;

/// Daemons in a row that may go away before one has served. The pauses between them take 13 s.
const MOST: u32 = 20;

/// How long that may take, where each takes long to start.
const PATIENCE: Duration = Duration::from_secs(30);

/// The pause before the third: the second comes at once. Each one after it is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(20);

/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// The daemons that went away since one served.
#[derive(Debug, Default)]
pub(crate) struct Setbacks {
    count: u32,
    since: Option<Instant>,
}

/// No other daemon is to be tried. In a clause.
#[derive(Debug)]
pub(crate) struct Enough {
    count: u32,
    lasted: Duration,
}

impl Setbacks {
    /// As after this many.
    #[cfg(test)]
    pub(crate) fn of(count: u32) -> Self {
        Self {
            count,
            ..Self::default()
        }
    }

    /// One more. Returns once another daemon is to be tried.
    ///
    /// # Errors
    /// After 20 of them, or 30 s after the first.
    pub(crate) async fn another(&mut self) -> Result<(), Enough> {
        self.count += 1;
        let lasted = self.since.get_or_insert_with(Instant::now).elapsed();
        if self.count >= MOST || lasted >= PATIENCE {
            let count = self.count;
            return Err(Enough { count, lasted });
        }
        sleep(pause_after(self.count)).await;
        Ok(())
    }

    /// Whether they have gone on for so long that a word is due.
    pub(crate) fn are_long(&self) -> bool {
        self.since.is_some_and(|since| since.elapsed() >= QUIET)
    }
}

/// The pause after the `count`th.
fn pause_after(count: u32) -> Duration {
    let doublings = match count {
        0 | 1 => return Duration::ZERO,
        more => (more - 2).min(MOST),
    };
    (FIRST_PAUSE * 2_u32.pow(doublings)).min(LONGEST_PAUSE)
}

impl fmt::Display for Enough {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { count, lasted } = self;
        let lasted_s = lasted.as_secs();
        write!(f, "of {count} daemons in {lasted_s} s none stayed")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pauses_outlast_ten_seconds_and_leave_time_to_start_as_many() {
        let all: Duration = (1..MOST).map(pause_after).sum();
        assert!(all > Duration::from_secs(10), "{all:?}");
        assert!(all < PATIENCE / 2, "{all:?}");
        assert_eq!(pause_after(1), Duration::ZERO);
        assert_eq!(pause_after(2), FIRST_PAUSE);
        assert_eq!(pause_after(MOST), LONGEST_PAUSE);
    }
}
