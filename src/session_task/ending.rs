//! When a session is over: its process has ended, and so has its output.
//!
//! The end of output is read, as a rule, right after the process ended. A descendant that keeps
//! the terminal open can put it off for ever: then the output is cut, once it has been quiet for
//! 200 ms, and at the latest after 2 s, of which only the time counts that it is read: none in which
//! this program stood still, and it is quiet only for who looked. A killed session also waits for the
//! proof that all its processes are gone.

use std::time::Duration;

use coven_core::{Exit, OutputEnd};

/// Quiet this long after the process ended: the output is over.
pub(crate) const QUIET_BEFORE_CUT: Duration = Duration::from_millis(200);

/// The most that output may go on after the process ended.
pub(crate) const MAX_OUTPUT_AFTER_EXIT: Duration = Duration::from_secs(2);

/// Come to so long after something was due, this program was stopped, or had no turn for as long.
const STOOD_STILL: Duration = Duration::from_millis(100);

/// What is known of a session's end.
#[derive(Debug, Default)]
pub(super) struct EndWatch {
    process: Process,
    /// When the process had ended and, where it was killed, all others had too.
    over_at: Option<Duration>,
    killing: bool,
    /// A kill has left nobody, for certain.
    is_gone: bool,
    /// A shim says when its output is over: nothing is cut here.
    is_told: bool,
    output: Option<OutputEnd>,
    last_byte_at: Duration,
    /// When it was looked for output last, and there was none.
    looked_at: Option<Duration>,
    /// Whether the process is read; it is not, for want of room.
    reading: bool,
    /// Since when the process, which is over, is read without a break.
    counted_from: Option<Duration>,
    /// How long it was read before that, once it was over.
    counted: Duration,
}

/// What is known of the process.
#[derive(Debug, Default)]
enum Process {
    #[default]
    Runs,
    Ended {
        exit: Exit,
    },
    /// Its end cannot be learnt of.
    Lost,
}

/// How a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct End {
    pub(super) exit: Exit,
    pub(super) output: OutputEnd,
}

impl EndWatch {
    /// That of a process that a shim holds.
    pub(super) fn told_by_a_shim() -> Self {
        Self {
            is_told: true,
            ..Self::default()
        }
    }

    pub(super) fn process_ended(&mut self, exit: Exit, now: Duration) {
        self.process = Process::Ended { exit };
        self.settle(now);
    }

    /// How the process ends will not be known.
    pub(super) fn process_lost(&mut self) {
        self.process = Process::Lost;
    }

    pub(super) fn kill_began(&mut self) {
        self.killing = true;
        self.is_gone = false;
        self.over_at = None;
        self.counted_from = None;
        self.counted = Duration::ZERO;
    }

    /// Nobody is left, for certain.
    pub(super) fn kill_done(&mut self, now: Duration) {
        self.killing = false;
        self.is_gone = true;
        self.settle(now);
    }

    fn settle(&mut self, now: Duration) {
        if matches!(self.process, Process::Ended { .. }) && !self.killing {
            self.over_at = Some(now);
            self.set_reading(self.reading, now);
        }
    }

    pub(super) fn byte_read(&mut self, now: Duration) {
        self.last_byte_at = now;
    }

    /// No more output will come; that it was cut means that there may have been.
    pub(super) fn output_ended(&mut self, end: OutputEnd) {
        self.output.get_or_insert(end);
    }

    /// Whether the process is being read. While it is not, no time counts: what it wrote before
    /// its end still waits in the terminal.
    pub(super) fn set_reading(&mut self, reading: bool, now: Duration) {
        self.reading = reading;
        if !reading {
            let from = self.counted_from.take();
            self.counted += from.map_or(Duration::ZERO, |from| now.saturating_sub(from));
        } else if self.over_at.is_some() && self.counted_from.is_none() {
            self.counted_from = Some(now);
        }
    }

    pub(super) const fn has_output(&self) -> bool {
        self.output.is_none()
    }

    /// Whether the process's end is still to be waited for.
    pub(super) const fn has_process(&self) -> bool {
        matches!(self.process, Process::Runs)
    }

    /// How the session ended, if at `now` it has.
    pub(super) fn end(&self, now: Duration) -> Option<End> {
        let (Process::Ended { exit }, Some(_)) = (&self.process, self.over_at) else {
            return None;
        };
        let exit = *exit;
        let output = match self.output {
            Some(end) => end,
            None => {
                let (quiet_at, at_most) = self.deadlines()?;
                let is_quiet = self.looked_at.is_some_and(|looked| quiet_at <= looked);
                if at_most > now && !is_quiet {
                    return None;
                }
                OutputEnd::Cut
            }
        };
        Some(End { exit, output })
    }

    /// How the output ended of a session of which a kill has left nobody, for certain, whether or not
    /// its process was seen to end.
    pub(super) fn gone(&self) -> Option<OutputEnd> {
        self.is_gone.then(|| self.output.unwrap_or(OutputEnd::Cut))
    }

    /// Takes note of the time, before it is asked for the end: what passed while this program stood
    /// still does not count.
    pub(super) fn comes_to(&mut self, now: Duration) {
        let late = self.deadline().and_then(|due| now.checked_sub(due));
        if let Some(late) = late.filter(|late| *late >= STOOD_STILL) {
            let lost = late + QUIET_BEFORE_CUT;
            self.counted_from = self.counted_from.map(|from| from + lost);
            self.last_byte_at += lost;
        }
    }

    /// Whether it would be quiet by now, and is to be looked for output once more.
    pub(super) fn is_to_look(&self, now: Duration) -> bool {
        self.deadlines().is_some_and(|(quiet_at, _)| {
            quiet_at <= now && self.looked_at.is_none_or(|looked| looked < quiet_at)
        })
    }

    /// It was looked for output, and there was none.
    pub(super) fn found_nothing(&mut self, now: Duration) {
        self.looked_at = Some(now);
    }

    /// When to look again.
    pub(super) fn deadline(&self) -> Option<Duration> {
        self.deadlines()
            .map(|(quiet_at, at_most)| quiet_at.min(at_most))
    }

    /// When it has been quiet for long enough, and when the output is cut whether it is quiet or not.
    fn deadlines(&self) -> Option<(Duration, Duration)> {
        if self.output.is_some() || !self.reading || self.is_told {
            return None;
        }
        let from = self.counted_from?;
        let quiet_at = from.max(self.last_byte_at) + QUIET_BEFORE_CUT;
        let left = MAX_OUTPUT_AFTER_EXIT.saturating_sub(self.counted);
        Some((quiet_at, from + left))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXIT: Exit = Exit::Code { code: 0 };

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn read_from_the_start() -> EndWatch {
        let mut watch = EndWatch::default();
        watch.set_reading(true, ms(0));
        watch
    }

    fn ended(output: OutputEnd) -> Option<End> {
        Some(End { exit: EXIT, output })
    }

    #[test]
    fn exit_and_end_of_output_make_the_end_in_either_order() {
        let mut watch = read_from_the_start();
        watch.process_ended(EXIT, ms(5));
        assert_eq!(watch.end(ms(5)), None);
        watch.output_ended(OutputEnd::Complete);
        assert_eq!(watch.end(ms(5)), ended(OutputEnd::Complete));

        let mut watch = read_from_the_start();
        watch.output_ended(OutputEnd::Complete);
        assert_eq!((watch.end(ms(900)), watch.deadline()), (None, None));
        watch.process_ended(EXIT, ms(1000));
        assert_eq!(watch.end(ms(1000)), ended(OutputEnd::Complete));
    }

    #[test]
    fn a_terminal_kept_open_is_cut_after_200_ms_of_quiet() {
        let mut watch = read_from_the_start();
        watch.process_ended(EXIT, ms(1000));
        watch.byte_read(ms(1150));
        assert_eq!(watch.deadline(), Some(ms(1350)));
        watch.found_nothing(ms(1349));
        assert_eq!(watch.end(ms(1350)), None);
        watch.found_nothing(ms(1350));
        assert_eq!(watch.end(ms(1350)), ended(OutputEnd::Cut));
    }

    #[test]
    fn time_in_which_this_program_stood_still_does_not_count() {
        let mut watch = read_from_the_start();
        watch.process_ended(EXIT, ms(1000));
        watch.comes_to(ms(1001));
        watch.comes_to(ms(61_000));
        assert_eq!(watch.end(ms(61_000)), None);
        assert_eq!(watch.deadline(), Some(ms(61_200)));
        watch.byte_read(ms(61_050));
        assert_eq!(watch.deadline(), Some(ms(61_250)));
        // A moment late is not stopped, and does not know yet whether it is quiet.
        watch.comes_to(ms(61_300));
        assert!(watch.is_to_look(ms(61_300)));
        assert_eq!(watch.end(ms(61_300)), None);
        watch.found_nothing(ms(61_301));
        assert!(!watch.is_to_look(ms(61_302)));
        assert_eq!(watch.end(ms(61_301)), ended(OutputEnd::Cut));
    }

    #[test]
    fn a_terminal_written_to_for_ever_is_cut_after_2_s() {
        let mut watch = read_from_the_start();
        watch.process_ended(EXIT, ms(1000));
        for at in (1000..3000).step_by(50) {
            watch.byte_read(ms(at));
            assert_eq!(watch.end(ms(at)), None, "{at}");
        }
        assert_eq!(watch.end(ms(3000)), ended(OutputEnd::Cut));
    }

    #[test]
    fn time_does_not_count_while_the_process_is_not_read() {
        let mut watch = read_from_the_start();
        watch.set_reading(false, ms(10));
        watch.process_ended(EXIT, ms(1000));
        assert_eq!((watch.deadline(), watch.end(ms(9000))), (None, None));
        watch.set_reading(true, ms(9000));
        watch.found_nothing(ms(9199));
        assert_eq!(watch.end(ms(9200)), None);
        watch.found_nothing(ms(9200));
        assert_eq!(watch.end(ms(9200)), ended(OutputEnd::Cut));
    }

    #[test]
    fn a_process_that_is_read_again_has_its_quiet_spell_from_then_on() {
        let mut watch = read_from_the_start();
        watch.process_ended(EXIT, ms(1000));
        for at in [1010, 9000, 20_000] {
            watch.set_reading(true, ms(at));
            assert_eq!(watch.end(ms(at + 150)), None, "{at}");
            watch.byte_read(ms(at + 150));
            watch.set_reading(false, ms(at + 150));
            assert_eq!((watch.deadline(), watch.end(ms(at + 5000))), (None, None));
        }
        watch.set_reading(true, ms(30_000));
        assert_eq!(watch.deadline(), Some(ms(30_200)));
        watch.found_nothing(ms(30_200));
        assert_eq!(watch.end(ms(30_200)), ended(OutputEnd::Cut));
    }

    #[test]
    fn of_the_2_s_only_the_time_that_it_is_read_counts() {
        let mut watch = read_from_the_start();
        watch.process_ended(EXIT, ms(1000));
        // Read for 100 ms of every 1000.
        for at in (1000..20_000).step_by(1000) {
            watch.set_reading(true, ms(at));
            watch.byte_read(ms(at + 90));
            assert_eq!(watch.end(ms(at + 99)), None, "{at}");
            watch.set_reading(false, ms(at + 100));
        }
        watch.set_reading(true, ms(20_000));
        watch.byte_read(ms(20_090));
        assert_eq!(watch.deadline(), Some(ms(20_100)));
        assert_eq!(watch.end(ms(20_100)), ended(OutputEnd::Cut));
    }

    #[test]
    fn a_killed_session_ends_with_the_proof_of_death() {
        let mut watch = read_from_the_start();
        watch.kill_began();
        watch.process_ended(EXIT, ms(10));
        watch.output_ended(OutputEnd::Complete);
        assert_eq!(watch.end(ms(4000)), None);
        watch.kill_done(ms(5000));
        assert_eq!(watch.end(ms(5000)), ended(OutputEnd::Complete));
    }
}
