//! `Pace`: how one who writes faster than can be folded is held back: a little after each group, so that
//! nobody meets a full tail and waits for the whole of a fold.

use std::time::{Duration, Instant};

use crate::limits::{FOLD_PATIENCE, MAX_TAIL_BYTES};

/// Up to here nobody is held back: there is room for what comes while a fold is under way.
const EASY_BYTES: u64 = MAX_TAIL_BYTES / 2;

/// What was written last.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pace {
    last: Option<Written>,
}

#[derive(Clone, Copy, Debug)]
struct Written {
    begun: Instant,
    len_bytes: u64,
}

impl Pace {
    /// A group is written from now on.
    pub(super) fn begin(&mut self, now: Instant) {
        self.last = Some(Written {
            begun: now,
            len_bytes: 0,
        });
    }

    /// It takes so many bytes of what waits to be folded, which is what folding is measured by.
    pub(super) fn took(&mut self, len_bytes: u64) {
        if let Some(last) = &mut self.last {
            last.len_bytes += len_bytes;
        }
    }

    /// How long the next group waits yet, with so much in the tail and so many bytes folded a second.
    ///
    /// In the middle of what is left of the tail a group takes as long as it takes to fold it, so that the
    /// tail stays about there; at its end twice as long.
    pub(super) fn pause(
        &self,
        now: Instant,
        tail_bytes: u64,
        folded_per_second: Option<u64>,
    ) -> Duration {
        let over = tail_bytes.saturating_sub(EASY_BYTES);
        let (Some(last), Some(speed)) = (self.last, folded_per_second) else {
            return Duration::ZERO;
        };
        let to_fold = last.len_bytes as f64 / speed.max(1) as f64;
        let share = 2.0 * over as f64 / (MAX_TAIL_BYTES - EASY_BYTES) as f64;
        let whole = Duration::from_secs_f64((to_fold * share).min(FOLD_PATIENCE.as_secs_f64()));
        (last.begun + whole).saturating_duration_since(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPEED: u64 = 100 << 20;
    const GROUP: u64 = 1 << 20;

    /// After a group of a MiB that was begun just now, where 100 MiB are folded a second.
    fn pause(tail_bytes: u64) -> Duration {
        let (now, mut pace) = (Instant::now(), Pace::default());
        pace.begin(now);
        pace.took(GROUP);
        pace.pause(now, tail_bytes, Some(SPEED))
    }

    #[test]
    fn who_writes_while_there_is_much_room_in_the_tail_is_not_held_back() {
        assert_eq!(pause(EASY_BYTES), Duration::ZERO);
        let (now, mut pace) = (Instant::now(), Pace::default());
        assert_eq!(pace.pause(now, MAX_TAIL_BYTES, Some(SPEED)), Duration::ZERO);
        pace.begin(now);
        pace.took(GROUP);
        assert_eq!(pace.pause(now, MAX_TAIL_BYTES, None), Duration::ZERO);
    }

    #[test]
    fn who_writes_where_half_of_what_is_left_is_taken_writes_as_fast_as_is_folded() {
        let half = (EASY_BYTES + MAX_TAIL_BYTES) / 2;
        assert_eq!(pause(half), Duration::from_millis(10));
        assert_eq!(pause(MAX_TAIL_BYTES), Duration::from_millis(20));
    }

    #[test]
    fn the_time_that_writing_took_is_part_of_the_pause() {
        let (begun, mut pace) = (Instant::now(), Pace::default());
        pace.begin(begun);
        pace.took(GROUP);
        let left = |ms| {
            pace.pause(
                begun + Duration::from_millis(ms),
                MAX_TAIL_BYTES,
                Some(SPEED),
            )
        };
        assert_eq!(left(15), Duration::from_millis(5));
        assert_eq!(left(30), Duration::ZERO);
    }

    #[test]
    fn no_pause_is_longer_than_the_patience_with_a_fold_however_slow_that_is() {
        let (now, mut pace) = (Instant::now(), Pace::default());
        pace.begin(now);
        pace.took(8 * GROUP);
        assert_eq!(pace.pause(now, MAX_TAIL_BYTES, Some(0)), FOLD_PATIENCE);
    }
}
