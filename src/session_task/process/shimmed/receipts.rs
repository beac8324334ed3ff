//! `Receipts`: which of a shim's records are on record, and may be forgotten by it.

use std::collections::VecDeque;

use coven_core::Session;

/// Records that may wait to be on record. Their output is bounded by its bytes elsewhere; this is
/// for those that have hardly any.
const MAX_UNRECORDED: usize = 16 * 1024;

/// Records that hold nothing for the log are acknowledged by so many, where no commit is made.
const ACK_STEP: u64 = 256;

pub(super) struct Receipts {
    /// How many bytes of output are on record; `None` while not even the start is.
    recorded_bytes: Option<u64>,
    /// The newest record that was acknowledged.
    acknowledged: u64,
    /// Those that were told and not acknowledged, oldest first.
    unrecorded: VecDeque<Unrecorded>,
    /// The newest up to which all output is on record.
    output_on_record: u64,
    /// The first record of an input of which it is not known whether the log is to say something, or that
    /// it says it.
    input: Option<u64>,
    /// More would have been acknowledged, were it not for that.
    is_held_back: bool,
    /// The first record of the end: it is on record only with the session's last event.
    end: Option<u64>,
}

/// Records that were told, up to this one, and where the output ends with them.
#[derive(Clone, Copy, Debug)]
struct Unrecorded {
    number: u64,
    end: u64,
}

impl Receipts {
    pub(super) fn of(session: &Session) -> Self {
        Self {
            recorded_bytes: session.phase.process().map(|_| session.output_bytes),
            acknowledged: 0,
            unrecorded: VecDeque::new(),
            output_on_record: 0,
            input: None,
            is_held_back: false,
            end: None,
        }
    }

    /// Whether more may be told.
    pub(super) fn has_room(&self) -> bool {
        self.unrecorded.len() < MAX_UNRECORDED
    }

    /// The record of this number is of the session's end.
    pub(super) fn ends(&mut self, number: u64) {
        self.end.get_or_insert(number);
    }

    /// The record of this number says what became of an input.
    pub(super) fn tells_of_input(&mut self, number: u64) {
        self.input.get_or_insert(number);
    }

    /// All that was told of inputs is on record; gives what to acknowledge.
    pub(super) fn inputs_recorded(&mut self) -> Option<u64> {
        self.input = None;
        let was_held_back = std::mem::take(&mut self.is_held_back);
        was_held_back.then(|| self.due()).flatten()
    }

    /// The record of this number was told, and with it output up to `end`; gives what to acknowledge.
    pub(super) fn told(&mut self, number: u64, end: u64) -> Option<u64> {
        match self.unrecorded.back_mut() {
            Some(last) if last.end == end => last.number = number,
            _ => self.unrecorded.push_back(Unrecorded { number, end }),
        }
        (self.acknowledged + ACK_STEP <= number)
            .then(|| self.due())
            .flatten()
    }

    /// The start is on record, and so much output; gives what to acknowledge.
    pub(super) fn recorded(&mut self, output_bytes: u64) -> Option<u64> {
        self.recorded_bytes = Some(output_bytes);
        self.due()
    }

    /// The newest that was acknowledged, if any was.
    pub(super) fn acknowledged(&self) -> Option<u64> {
        (self.acknowledged > 0).then_some(self.acknowledged)
    }

    /// Whether the oldest that was told is on record.
    pub(super) fn has_due(&self) -> bool {
        let first = self.unrecorded.front().zip(self.recorded_bytes);
        first.is_some_and(|(first, recorded_bytes)| first.end <= recorded_bytes)
    }

    /// The record up to which all is on record: all up to where the output that is on record ends.
    /// The end of the session is, only once nothing else is to come.
    pub(super) fn due(&mut self) -> Option<u64> {
        while self.has_due()
            && let Some(Unrecorded { number, .. }) = self.unrecorded.pop_front()
        {
            self.output_on_record = number;
        }
        let before = |first: Option<u64>| first.map_or(u64::MAX, |first| first - 1);
        let may_be = self.output_on_record.min(before(self.end));
        let upto = may_be.min(before(self.input));
        self.is_held_back |= upto < may_be;
        (upto > self.acknowledged).then(|| {
            self.acknowledged = upto;
            upto
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Those of a session whose start is on record, with so much output.
    fn running(recorded_bytes: u64) -> Receipts {
        Receipts {
            recorded_bytes: Some(recorded_bytes),
            acknowledged: 0,
            unrecorded: VecDeque::new(),
            output_on_record: 0,
            input: None,
            is_held_back: false,
            end: None,
        }
    }

    #[test]
    fn a_record_is_acknowledged_once_all_output_up_to_it_is_on_record() {
        let mut receipts = running(0);
        assert_eq!(receipts.told(1, 10), None);
        assert_eq!(receipts.told(2, 20), None);
        // It has no output of its own.
        assert_eq!(receipts.told(3, 20), None);
        assert_eq!(receipts.recorded(19), Some(1));
        assert_eq!(receipts.recorded(20), Some(3));
        assert_eq!(receipts.recorded(20), None);
    }

    #[test]
    fn nothing_is_acknowledged_before_the_start_is_on_record() {
        let mut receipts = running(0);
        receipts.recorded_bytes = None;
        for number in 1..=2 * ACK_STEP {
            assert_eq!(receipts.told(number, 0), None);
        }
        assert_eq!(receipts.recorded(0), Some(2 * ACK_STEP));
    }

    #[test]
    fn the_end_of_a_session_is_not_acknowledged_by_a_commit_that_comes_before_its_own() {
        let mut receipts = running(0);
        assert_eq!(receipts.told(1, 10), None);
        receipts.ends(2);
        assert_eq!(receipts.told(2, 10), None);
        // The answer to an input, and the exit.
        assert_eq!(receipts.told(3, 10), None);
        receipts.ends(4);
        assert_eq!(receipts.told(4, 10), None);
        assert_eq!(receipts.recorded(10), Some(1));
    }

    #[test]
    fn what_became_of_an_input_is_not_acknowledged_before_it_is_on_record() {
        let mut receipts = running(0);
        assert_eq!(receipts.told(1, 10), None);
        receipts.tells_of_input(2);
        assert_eq!(receipts.told(2, 10), None);
        assert_eq!(receipts.told(3, 20), None);
        assert_eq!(receipts.recorded(20), Some(1));
        // Nothing more may come, and a spool that is full waits for it.
        assert_eq!(receipts.inputs_recorded(), Some(3));
        assert_eq!(receipts.inputs_recorded(), None);
        assert_eq!(receipts.told(4, 30), None);
        assert_eq!(receipts.recorded(30), Some(4));
    }

    #[test]
    fn what_is_told_again_after_a_takeover_is_due_at_once_without_a_commit() {
        let mut receipts = running(30);
        for number in 1..=3 {
            assert_eq!(receipts.told(number, 30), None);
            assert!(receipts.has_due());
        }
        assert_eq!(receipts.due(), Some(3));
        assert!(!receipts.has_due());
    }

    #[test]
    fn records_without_output_are_acknowledged_though_no_commit_is_made() {
        let mut receipts = running(0);
        for number in 1..ACK_STEP {
            assert_eq!(receipts.told(number, 0), None);
        }
        assert_eq!(receipts.told(ACK_STEP, 0), Some(ACK_STEP));
    }
}
