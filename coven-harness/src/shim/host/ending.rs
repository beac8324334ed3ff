//! When no more output is waited for.
//!
//! The end of output is read, as a rule, right after the process ended. A descendant that keeps
//! the terminal open can put it off for ever: then the output is cut, once it has been quiet for
//! 200 ms, and at the latest after 2 s, of which only the time counts in which it is read.

use std::time::Duration;

/// Quiet this long after the process ended: the output is over.
const QUIET_BEFORE_CUT: Duration = Duration::from_millis(200);

/// The most that output may go on after the process ended.
const MAX_OUTPUT_AFTER_EXIT: Duration = Duration::from_secs(2);

/// Woken this long after something was due, this process was stopped, or had no turn for as long.
const STOOD_STILL: Duration = Duration::from_millis(100);

/// Counts the time that output has left.
#[derive(Debug, Default)]
pub(super) struct EndWatch {
    has_ended: bool,
    /// The engine is killing what is left, and knows better when nobody is.
    is_held: bool,
    is_reading: bool,
    last_byte_at: Duration,
    /// Since when it is read without a break and time counts.
    counted_from: Option<Duration>,
    /// How long it was read before that.
    counted: Duration,
}

impl EndWatch {
    pub(super) fn process_ended(&mut self, now: Duration) {
        self.has_ended = true;
        self.count(now);
    }

    pub(super) fn hold(&mut self) {
        self.is_held = true;
        self.counted_from = None;
        self.counted = Duration::ZERO;
    }

    pub(super) fn release(&mut self, now: Duration) {
        self.is_held = false;
        self.count(now);
    }

    pub(super) fn byte_read(&mut self, now: Duration) {
        self.last_byte_at = now;
    }

    /// Whether output is read. While it is not, for want of room, no time counts: what was written
    /// still waits.
    pub(super) fn set_reading(&mut self, is_reading: bool, now: Duration) {
        if is_reading != self.is_reading {
            self.is_reading = is_reading;
            self.count(now);
        }
    }

    /// Whether the output is to be cut now. Time in which this process did not run is none in which
    /// output was read, and does not count; what came meanwhile is to be read before it is quiet. A disk
    /// may have kept this process from looking, too: there may be more, and then it is not quiet.
    pub(super) fn is_due(&mut self, now: Duration, has_more: impl FnOnce() -> bool) -> bool {
        let Some((quiet_at, at_most)) = self.deadlines() else {
            return false;
        };
        let Some(late) = now.checked_sub(quiet_at.min(at_most)) else {
            return false;
        };
        if late < STOOD_STILL {
            return at_most <= now || !has_more();
        }
        let lost = late + QUIET_BEFORE_CUT;
        self.counted_from = self.counted_from.map(|from| from + lost);
        self.last_byte_at += lost;
        false
    }

    fn count(&mut self, now: Duration) {
        if !self.is_reading {
            let from = self.counted_from.take();
            self.counted += from.map_or(Duration::ZERO, |from| now.saturating_sub(from));
        } else if self.has_ended && !self.is_held && self.counted_from.is_none() {
            self.counted_from = Some(now);
        }
    }

    /// When the output is cut, if nothing else happens.
    pub(super) fn deadline(&self) -> Option<Duration> {
        self.deadlines()
            .map(|(quiet_at, at_most)| quiet_at.min(at_most))
    }

    /// When it has been quiet for long enough, and when it is cut whether it is quiet or not.
    fn deadlines(&self) -> Option<(Duration, Duration)> {
        let from = self.counted_from?;
        let quiet_at = from.max(self.last_byte_at) + QUIET_BEFORE_CUT;
        let left = MAX_OUTPUT_AFTER_EXIT.saturating_sub(self.counted);
        Some((quiet_at, from + left))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn ended_at_0() -> EndWatch {
        let mut watch = EndWatch::default();
        watch.set_reading(true, ms(0));
        watch.process_ended(ms(0));
        watch
    }

    #[test]
    fn nothing_is_cut_while_the_process_runs() {
        let mut watch = EndWatch::default();
        watch.set_reading(true, ms(0));
        watch.byte_read(ms(5));
        assert_eq!(watch.deadline(), None);
    }

    #[test]
    fn output_that_is_quiet_for_200_ms_after_the_exit_is_cut_and_any_after_2_s() {
        let mut watch = ended_at_0();
        assert_eq!(watch.deadline(), Some(ms(200)));
        watch.byte_read(ms(150));
        assert_eq!(watch.deadline(), Some(ms(350)));
        watch.byte_read(ms(1950));
        assert_eq!(watch.deadline(), Some(ms(2000)));
    }

    #[test]
    fn time_in_which_it_is_not_read_does_not_count() {
        let mut watch = ended_at_0();
        watch.byte_read(ms(900));
        watch.set_reading(false, ms(1000));
        assert_eq!(watch.deadline(), None);
        watch.set_reading(true, ms(9000));
        assert_eq!(watch.deadline(), Some(ms(9200)));
        watch.byte_read(ms(9990));
        assert_eq!(watch.deadline(), Some(ms(10_000)));
    }

    #[test]
    fn time_in_which_nothing_ran_does_not_count() {
        let mut watch = ended_at_0();
        watch.byte_read(ms(150));
        assert!(!watch.is_due(ms(349), || false));
        assert!(!watch.is_due(ms(60_350), || false));
        assert_eq!(watch.deadline(), Some(ms(60_550)));
        watch.byte_read(ms(60_360));
        assert_eq!(watch.deadline(), Some(ms(60_560)));
        watch.byte_read(ms(62_100));
        assert_eq!(watch.deadline(), Some(ms(62_200)));
        // A moment late is not stopped.
        assert!(watch.is_due(ms(62_250), || true));
    }

    #[test]
    fn what_is_there_to_be_read_is_not_cut_before_the_2_s_are_over() {
        let mut watch = ended_at_0();
        assert!(!watch.is_due(ms(250), || true));
        watch.byte_read(ms(250));
        assert!(!watch.is_due(ms(449), || false));
        assert!(watch.is_due(ms(450), || false));
        watch.byte_read(ms(1999));
        assert!(!watch.is_due(ms(1999), || true));
        assert!(watch.is_due(ms(2000), || true));
    }

    #[test]
    fn while_it_is_held_nothing_is_cut_and_afterwards_all_its_time_is_left() {
        let mut watch = ended_at_0();
        watch.byte_read(ms(1900));
        watch.hold();
        assert_eq!(watch.deadline(), None);
        watch.set_reading(false, ms(2000));
        watch.set_reading(true, ms(2001));
        assert_eq!(watch.deadline(), None);
        watch.release(ms(8000));
        assert_eq!(watch.deadline(), Some(ms(8200)));
    }
}
