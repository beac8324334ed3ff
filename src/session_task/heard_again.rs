//! Going over what is on record of a session that is taken over, for what only that tells: the
//! terminal's modes, the conversation's id where the harness had just written that, and what was to
//! be typed when the engine before died.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use coven_core::limits::{MAX_UNDELIVERED_INPUT_BYTES, MAX_UNDELIVERED_INPUTS};
use coven_core::{ConversationId, Event, InputData, InputId, Seq, SessionId};
use coven_harness::{Harness, IdentitySource};
use coven_store::{ReadError, ReadLimit, Store};
use tokio::time::sleep;

use super::deliveries::Undelivered;
use super::first_message::{self, MAX_INPUTS_SINCE};
use super::identity::{Again, IdentityWatch};
use super::live::{Goes, Live};
use super::owed::Kept;
use super::writer::Input;
use crate::attach::Screenless;
use crate::shared::{Shared, blocking};
use crate::{Error, Record};

/// How long a log that cannot be read for now is left alone.
const LOG_RETRY: Duration = Duration::from_secs(1);

/// What was found.
pub(super) struct HeardAgain {
    pub(super) screen: Screenless,
    pub(super) identity: IdentityWatch,
    pub(super) found: Option<ConversationId>,
    /// The first message, where it may not have reached the shim.
    pub(super) first_input: Option<Input>,
    pub(super) inputs: LastInputs,
    /// Those of them that are on record as undelivered.
    undelivered: VecDeque<Undelivered>,
    /// They say that nobody reads any more.
    is_unread: bool,
    /// How many inputs there are.
    inputs_len: usize,
}

/// The last inputs, by whose names one that is asked for again is known.
#[derive(Debug, Default)]
pub(super) struct LastInputs {
    /// Those that may not be written: so many, and so much, and no more may wait.
    may_wait: VecDeque<Recorded>,
    len_bytes: u64,
    /// The names of those before.
    before: VecDeque<InputId>,
}

/// An input that is on record.
#[derive(Debug)]
pub(super) struct Recorded {
    pub(super) id: InputId,
    pub(super) len_bytes: u64,
    /// What it types, where that is known.
    pub(super) data: Option<Bytes>,
}

/// Goes over all of a session's events. What cannot be read is as if it had not been written.
pub(super) async fn hear_again(
    shared: Arc<Shared>,
    harness: Option<Arc<dyn Harness>>,
    record: Record,
    identity: IdentitySource,
) -> HeardAgain {
    let session = &record.session.id;
    let mut heard = HeardAgain::nothing(&record, identity);
    let mut after = Seq::ZERO;
    while after < record.last_seq {
        // Hearing takes longer than reading, and as long as there is much: who is served waits for neither.
        let (store, id) = (shared.store.clone(), session.clone());
        let page = blocking(move || {
            let last = heard.page(&store, &id, after);
            (heard, last)
        });
        let last = match page.await {
            Ok((so_far, last)) => {
                heard = so_far;
                last.map_err(Error::from)
            }
            Err(error) => {
                heard = HeardAgain::nothing(&record, identity);
                Err(error)
            }
        };
        match last {
            Ok(Some(last)) => after = last,
            Ok(None) => break,
            // Nothing of it is driven meanwhile: what it was typed is not known.
            Err(Error::Unavailable { .. }) => sleep(LOG_RETRY).await,
            Err(error) => {
                tracing::error!(%session, %error,
                    "its log cannot be read: what was to be typed is not, and its terminal's modes may be wrong");
                break;
            }
        }
    }
    if heard.inputs_len < MAX_INPUTS_SINCE {
        heard.first_input = first_message::of_launched(&shared, harness.as_ref(), &record).await;
    }
    heard
}

impl HeardAgain {
    fn nothing(record: &Record, identity: IdentitySource) -> Self {
        Self {
            screen: Screenless::starting_at(record.session.trimmed_bytes),
            identity: IdentityWatch::new(identity),
            found: None,
            first_input: None,
            inputs: LastInputs::default(),
            undelivered: VecDeque::new(),
            is_unread: false,
            inputs_len: 0,
        }
    }

    /// Hears some of what is on record after `after`; gives the last of that, where there is any. Blocks.
    fn page(
        &mut self,
        store: &Store,
        session: &SessionId,
        after: Seq,
    ) -> Result<Option<Seq>, ReadError> {
        let events = store.read(session, after, ReadLimit::default())?;
        let last = events.last().map(|envelope| envelope.seq);
        for envelope in events {
            self.hear(envelope.event);
        }
        Ok(last)
    }

    fn hear(&mut self, event: Event) {
        match event {
            Event::Output { offset, data, .. } => {
                self.screen.hear(&data);
                let end = offset + data.len() as u64;
                self.screen.recorded(end, self.screen.state());
                self.found = self.identity.hear_again(&data).or(self.found.take());
            }
            Event::Input { data, id } => {
                self.inputs_len += 1;
                // Without a name nobody can ask for it again.
                if let Some(id) = id {
                    self.inputs.add(id, data);
                }
            }
            Event::Undelivered {
                id,
                len_bytes,
                written_bytes,
            } => {
                self.is_unread |= self.inputs.tells_that_nobody_reads(id, written_bytes);
                // More concern none of the last inputs.
                if self.undelivered.len() == MAX_UNDELIVERED_INPUTS {
                    self.undelivered.pop_front();
                }
                self.undelivered.push_back(Undelivered {
                    id,
                    len_bytes,
                    written_bytes,
                });
            }
            // What they tell is in the session's record.
            Event::Created { .. }
            | Event::Registered { .. }
            | Event::Started { .. }
            | Event::LaunchFailed { .. }
            | Event::Identified { .. }
            | Event::Resized { .. }
            | Event::Titled { .. }
            | Event::Labelled { .. }
            | Event::KillRequested
            | Event::OutputClosed { .. }
            | Event::Exited { .. }
            | Event::Completed { .. }
            | Event::Orphaned { .. }
            | Event::Archived
            | Event::Summoned
            | Event::Deleted
            | Event::Trimmed { .. } => {}
        }
    }
}

impl Live {
    /// What is on record was heard; what comes now comes after that.
    pub(super) fn heard_again(&mut self, heard: HeardAgain) -> Goes {
        self.hearing_again = None;
        self.screen = heard.screen;
        self.identity = heard.identity;
        self.identified(heard.found);
        // It may have opened its file when nobody looked.
        self.look_for_identity(Again::APauseLater);
        if let (Some(writer), Some(first)) = (&mut self.writer, heard.first_input) {
            // Where nobody reads any more, nothing is missed.
            let _ = writer.input(first);
        }
        if heard.is_unread {
            // An engine before knew.
            self.deliveries.nobody_reads();
        }
        let undelivered: HashSet<InputId> = heard.undelivered.iter().map(|it| it.id).collect();
        for told in heard.undelivered {
            self.deliveries.is_told(told);
        }
        let LastInputs {
            may_wait, before, ..
        } = heard.inputs;
        for name in before {
            // It is written: more came after it than may wait.
            self.control.names.add(name, Kept::Whole);
        }
        let may_wait = may_wait.into_iter();
        self.type_again(may_wait.filter(|input| !undelivered.contains(&input.id)));
        Goes::On
    }
}

impl LastInputs {
    fn add(&mut self, id: InputId, data: InputData) {
        let (len_bytes, data) = match data {
            InputData::Plain { data } => (data.len() as u64, Some(data)),
            // What is hidden was never recorded: whoever typed it may ask again.
            InputData::Redacted { len_bytes } => (len_bytes, None),
        };
        self.len_bytes += len_bytes;
        self.may_wait.push_back(Recorded {
            id,
            len_bytes,
            data,
        });
        while self.has_more_than_may_wait()
            && let Some(written) = self.may_wait.pop_front()
        {
            self.len_bytes -= written.len_bytes;
            self.before.push_back(written.id);
        }
        if self.before.len() + self.may_wait.len() > MAX_UNDELIVERED_INPUTS {
            self.before.pop_front();
        }
    }

    /// Whether that this one of them is undelivered tells that nobody reads. One that is hidden, and of which
    /// nothing is written, may have been passed over.
    fn tells_that_nobody_reads(&self, id: InputId, written_bytes: Option<u64>) -> bool {
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
            inputs.add(id, InputData::Plain { data });
        }
        assert_eq!(inputs.before, &ids[..2]);
        assert!(inputs.may_wait.iter().map(|input| input.id).eq([ids[2]]));
    }

    #[test]
    fn one_that_is_longer_than_what_may_wait_may_wait_alone() {
        let mut inputs = LastInputs::default();
        for (id, len_bytes) in [(1, 1), (2, MAX_UNDELIVERED_INPUT_BYTES as u64 + 1)] {
            inputs.add(InputId([id; 16]), InputData::Redacted { len_bytes });
        }
        assert_eq!(inputs.before, [InputId([1; 16])]);
        assert_eq!(inputs.may_wait.len(), 1);
    }

    #[test]
    fn no_more_names_are_kept_than_may_be_undelivered() {
        let mut inputs = LastInputs::default();
        for id in 0..=MAX_UNDELIVERED_INPUTS as u128 {
            let data = Bytes::from_static(b"x");
            inputs.add(InputId(id.to_be_bytes()), InputData::Plain { data });
        }
        assert_eq!(inputs.may_wait.len(), MAX_UNDELIVERED_INPUTS);
        assert_eq!(inputs.before, []);
    }
}
