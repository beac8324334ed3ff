//! Going over what is on record of a session that is taken over, for what only that tells: the
//! terminal's modes, the conversation's id where the harness had just written that, and what was to
//! be typed when the engine before died.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use coven_core::limits::{MAX_UNDELIVERED_INPUT_BYTES, MAX_UNDELIVERED_INPUTS};
use coven_core::{ConversationId, Envelope, Event, InputData, InputId, Seq};
use coven_harness::{Harness, IdentitySource};
use coven_store::ReadLimit;
use tokio::time::sleep;

use super::deliveries::Undelivered;
use super::first_message::{self, MAX_INPUTS_SINCE};
use super::identity::{Again, IdentityWatch};
use super::live::{Goes, Live};
use super::writer::Input;
use crate::attach::Screenless;
use crate::shared::Shared;
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
    /// How many inputs there are.
    inputs_len: usize,
}

/// The last inputs, of which some may not have reached the shim, with what they typed. Those before
/// cannot: so many, and so much, and no more may be undelivered. Of those that are too much together the
/// names are kept, by which one that is asked for again is known.
#[derive(Debug, Default)]
pub(super) struct LastInputs {
    inputs: VecDeque<Recorded>,
    len_bytes: usize,
}

/// An input that is on record.
#[derive(Debug)]
pub(super) struct Recorded {
    pub(super) id: InputId,
    pub(super) len_bytes: u64,
    /// What it types, where that is known, and kept.
    pub(super) data: Option<Bytes>,
}

/// Goes over all of a session's events. What cannot be read is as if it had not been written.
pub(super) async fn hear_again(
    shared: Arc<Shared>,
    harness: Option<Arc<dyn Harness>>,
    record: Record,
    identity: IdentitySource,
) -> HeardAgain {
    let mut heard = HeardAgain {
        screen: Screenless::starting_at(record.session.trimmed_bytes),
        identity: IdentityWatch::new(identity),
        found: None,
        first_input: None,
        inputs: LastInputs::default(),
        undelivered: VecDeque::new(),
        inputs_len: 0,
    };
    let mut after = Seq::ZERO;
    while after < record.last_seq {
        match page(&shared, &record, after).await {
            Ok(events) if events.is_empty() => break,
            Ok(events) => {
                for Envelope { seq, event, .. } in events {
                    after = seq;
                    heard.hear(event);
                }
            }
            // Nothing of it is driven meanwhile: what it was typed is not known.
            Err(Error::Unavailable { .. }) => sleep(LOG_RETRY).await,
            Err(error) => {
                let session = &record.session.id;
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

async fn page(shared: &Shared, record: &Record, after: Seq) -> Result<Vec<Envelope>, Error> {
    let id = record.session.id.clone();
    let read = shared.read(move |store| store.read(&id, after, ReadLimit::default()));
    read.await
}

impl HeardAgain {
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
                // They come in the order of the inputs: more concern none of the last.
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
        if let (Some(writer), Some(first)) = (&self.writer, heard.first_input) {
            // Where nobody reads any more, nothing is missed.
            let _ = writer.input(first);
        }
        if !heard.undelivered.is_empty() {
            // An engine before knew.
            self.deliveries.nobody_reads();
        }
        let undelivered: HashSet<InputId> = heard.undelivered.iter().map(|it| it.id).collect();
        for told in heard.undelivered {
            self.deliveries.is_told(told);
        }
        let inputs = heard.inputs.into_iter();
        self.type_again(inputs.filter(|input| !undelivered.contains(&input.id)));
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
        self.len_bytes += kept_bytes(data.as_ref());
        self.inputs.push_back(Recorded {
            id,
            len_bytes,
            data,
        });
        if self.inputs.len() > MAX_UNDELIVERED_INPUTS {
            let oldest = self.inputs.pop_front();
            self.len_bytes -= oldest.map_or(0, |oldest| kept_bytes(oldest.data.as_ref()));
        }
        while self.len_bytes > MAX_UNDELIVERED_INPUT_BYTES {
            let oldest = self.inputs.iter_mut().find_map(|input| input.data.take());
            self.len_bytes -= kept_bytes(oldest.as_ref());
        }
    }

    pub(super) fn into_iter(self) -> impl Iterator<Item = Recorded> {
        self.inputs.into_iter()
    }
}

fn kept_bytes(data: Option<&Bytes>) -> usize {
    data.map_or(0, Bytes::len)
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
        let kept: Vec<_> = inputs.into_iter().collect();
        assert!(kept.iter().map(|input| input.id).eq(ids));
        let typed_again: Vec<_> = kept.iter().map(|input| input.data.is_some()).collect();
        assert_eq!(typed_again, [false, false, true]);
    }

    #[test]
    fn no_more_names_are_kept_than_may_be_undelivered() {
        let mut inputs = LastInputs::default();
        for id in 0..=MAX_UNDELIVERED_INPUTS as u128 {
            let data = Bytes::from_static(b"x");
            inputs.add(InputId(id.to_be_bytes()), InputData::Plain { data });
        }
        assert_eq!(inputs.into_iter().count(), MAX_UNDELIVERED_INPUTS);
    }
}
