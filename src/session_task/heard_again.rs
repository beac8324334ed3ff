//! Hearing the output on record once more, for what only hearing it tells: the terminal's modes, and
//! the conversation's id where the harness had just written that.

use std::sync::Arc;

use coven_core::ConversationId;
use coven_harness::IdentitySource;

use super::identity::IdentityWatch;
use crate::attach::Screenless;
use crate::shared::Shared;
use crate::{Error, Record};

/// How much is read at once.
const STEP_BYTES: usize = 1 << 20;

/// What was heard.
pub(super) struct HeardAgain {
    pub(super) screen: Screenless,
    pub(super) identity: IdentityWatch,
    pub(super) found: Option<ConversationId>,
}

/// Hears all of a session's output on record. What cannot be read is as if it had not been written.
pub(super) async fn hear_again(
    shared: Arc<Shared>,
    record: Record,
    identity: IdentitySource,
) -> HeardAgain {
    let mut heard = HeardAgain {
        screen: Screenless::starting_at(record.session.trimmed_bytes),
        identity: IdentityWatch::new(identity),
        found: None,
    };
    let mut offset = record.session.trimmed_bytes;
    while offset < record.session.output_bytes {
        match heard.hear_from(&shared, &record, offset).await {
            Ok(next) if next > offset => offset = next,
            // It was trimmed or deleted meanwhile.
            Ok(_) => break,
            Err(error) => {
                tracing::warn!(session = %record.session.id, %error, "its terminal's modes may be wrong");
                break;
            }
        }
    }
    heard
}

impl HeardAgain {
    /// Hears on from `offset`; gives where to go on.
    async fn hear_from(
        &mut self,
        shared: &Shared,
        record: &Record,
        offset: u64,
    ) -> Result<u64, Error> {
        let (session, end) = (&record.session, record.session.output_bytes);
        let id = session.id.clone();
        let room = usize::try_from(end - offset)
            .unwrap_or(STEP_BYTES)
            .min(STEP_BYTES);
        let chunks = shared
            .read(move |store| store.output(&id, offset, room))
            .await?;
        let mut next = offset;
        for chunk in chunks {
            next = chunk.offset + chunk.data.len() as u64;
            self.screen.hear(&chunk.data);
            self.screen.recorded(next, self.screen.state());
            self.found = self.identity.hear_again(&chunk.data).or(self.found.take());
        }
        Ok(next)
    }
}
