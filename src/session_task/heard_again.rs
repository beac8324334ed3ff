//! Going over what is on record of a session that is taken over, for what only that tells: the
//! terminal's modes, the conversation's id where the harness had just written that, and what was to
//! be typed when the engine before died.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use coven_core::limits::{MAX_UNDELIVERED_INPUT_BYTES, MAX_UNDELIVERED_INPUTS};
use coven_core::{ConversationId, Envelope, Event, InputData, InputId, Seq};
use coven_harness::IdentitySource;
use coven_store::ReadLimit;

use super::identity::IdentityWatch;
use crate::attach::Screenless;
use crate::shared::Shared;
use crate::{Error, Record};

/// What was found.
pub(super) struct HeardAgain {
    pub(super) screen: Screenless,
    pub(super) identity: IdentityWatch,
    pub(super) found: Option<ConversationId>,
    pub(super) inputs: LastInputs,
}

/// The last inputs, of which some may not have reached the shim. Those before cannot: so much, and no
/// more, may be undelivered.
#[derive(Debug, Default)]
pub(super) struct LastInputs {
    inputs: VecDeque<(InputId, Option<Bytes>)>,
    len_bytes: usize,
}

/// Goes over all of a session's events. What cannot be read is as if it had not been written.
pub(super) async fn hear_again(
    shared: Arc<Shared>,
    record: Record,
    identity: IdentitySource,
) -> HeardAgain {
    let mut heard = HeardAgain {
        screen: Screenless::starting_at(record.session.trimmed_bytes),
        identity: IdentityWatch::new(identity),
        found: None,
        inputs: LastInputs::default(),
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
            Err(error) => {
                let session = &record.session.id;
                tracing::warn!(%session, %error, "its terminal's modes may be wrong");
                break;
            }
        }
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
            Event::Input { data, id: Some(id) } => self.inputs.add(id, data),
            _ => {}
        }
    }
}

impl LastInputs {
    fn add(&mut self, id: InputId, data: InputData) {
        let data = match data {
            InputData::Plain { data } => Some(data),
            // What is hidden was never recorded: whoever typed it may ask again.
            InputData::Redacted { .. } => None,
        };
        self.len_bytes += len_bytes(data.as_ref());
        self.inputs.push_back((id, data));
        while self.inputs.len() > MAX_UNDELIVERED_INPUTS
            || self.len_bytes > MAX_UNDELIVERED_INPUT_BYTES
        {
            let oldest = self.inputs.pop_front();
            self.len_bytes -= oldest.map_or(0, |(_, data)| len_bytes(data.as_ref()));
        }
    }

    pub(super) fn into_iter(self) -> impl Iterator<Item = (InputId, Option<Bytes>)> {
        self.inputs.into_iter()
    }
}

fn len_bytes(data: Option<&Bytes>) -> usize {
    data.map_or(0, Bytes::len)
}
