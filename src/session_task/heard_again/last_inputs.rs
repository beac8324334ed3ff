//! `LastInputs`: the last inputs on record, by whose names one that is asked for again is known.

use std::collections::VecDeque;

use bytes::Bytes;
use coven_core::limits::{MAX_UNDELIVERED_INPUT_BYTES, MAX_UNDELIVERED_INPUTS};
use coven_core::{InputData, InputId, Seq};

/// The last inputs, by whose names one that is asked for again is known.
#[derive(Debug, Default)]
pub(super) struct LastInputs {
    /// Those that may not be written: so many, and so much, and no more may wait.
    pub(super) may_wait: VecDeque<Recorded>,
    len_bytes: u64,
    /// The names of those before.
    pub(super) before: VecDeque<InputId>,
}

/// An input that is on record.
#[derive(Debug)]
pub(in crate::session_task) struct Recorded {
    pub(in crate::session_task) id: InputId,
    pub(in crate::session_task) place: Seq,
    pub(in crate::session_task) len_bytes: u64,
    /// What it types, where that is known.
    pub(in crate::session_task) data: Option<Bytes>,
}

impl LastInputs {
    /// Those of these names, oldest first, none of which is to be written any more.
    pub(super) fn done_with(names: Vec<InputId>) -> Self {
        Self {
            before: names.into(),
            ..Self::default()
        }
    }

    pub(super) fn len(&self) -> usize {
        self.before.len() + self.may_wait.len()
    }

    pub(super) fn add(&mut self, id: InputId, place: Seq, data: InputData) {
        let (len_bytes, data) = match data {
            InputData::Plain { data } => (data.len() as u64, Some(data)),
            // What is hidden was never recorded: whoever typed it may ask again.
            InputData::Redacted { len_bytes } => (len_bytes, None),
        };
        self.len_bytes += len_bytes;
        self.may_wait.push_back(Recorded {
            id,
            place,
            len_bytes,
            data,
        });
        while self.has_more_than_may_wait()
            && let Some(written) = self.may_wait.pop_front()
        {
            self.len_bytes -= written.len_bytes;
            self.before.push_back(written.id);
        }
        if self.len() > MAX_UNDELIVERED_INPUTS {
            self.before.pop_front();
        }
    }

    /// Whether that this one of them is undelivered tells that nobody reads. One that is hidden, and of which
    /// nothing is written, may have been passed over.
    pub(super) fn tells_that_nobody_reads(&self, id: InputId, written_bytes: Option<u64>) -> bool {
        let input = self.may_wait.iter().rev().find(|input| input.id == id);
        input.is_some_and(|input| input.data.is_some() || written_bytes != Some(0))
    }

    fn has_more_than_may_wait(&self) -> bool {
        match self.may_wait.len() {
            0 | 1 => false,
            inputs => {
                inputs > MAX_UNDELIVERED_INPUTS
                    || self.len_bytes > MAX_UNDELIVERED_INPUT_BYTES as u64
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_an_input_is_known_again_however_much_was_typed_after_it() {
        let mut inputs = LastInputs::default();
        let ids = [1, 2, 3].map(|id| InputId([id; 16]));
        for id in ids {
            let data = Bytes::from(vec![b'x'; MAX_UNDELIVERED_INPUT_BYTES / 2 + 1]);
            inputs.add(id, Seq::ZERO, InputData::Plain { data });
        }
        assert_eq!(inputs.before, &ids[..2]);
        assert!(inputs.may_wait.iter().map(|input| input.id).eq([ids[2]]));
    }

    #[test]
    fn one_that_is_longer_than_what_may_wait_may_wait_alone() {
        let mut inputs = LastInputs::default();
        for (id, len_bytes) in [(1, 1), (2, MAX_UNDELIVERED_INPUT_BYTES as u64 + 1)] {
            inputs.add(
                InputId([id; 16]),
                Seq::ZERO,
                InputData::Redacted { len_bytes },
            );
        }
        assert_eq!(inputs.before, [InputId([1; 16])]);
        assert_eq!(inputs.may_wait.len(), 1);
    }

    #[test]
    fn no_more_names_are_kept_than_may_be_undelivered() {
        let mut inputs = LastInputs::default();
        for id in 0..=MAX_UNDELIVERED_INPUTS as u128 {
            let data = Bytes::from_static(b"x");
            inputs.add(
                InputId(id.to_be_bytes()),
                Seq::ZERO,
                InputData::Plain { data },
            );
        }
        assert_eq!(inputs.may_wait.len(), MAX_UNDELIVERED_INPUTS);
        assert_eq!(inputs.before, []);
    }
}
