//! The first message of a session that gets it typed, where its harness takes none at its start.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use coven_core::limits::MAX_UNDELIVERED_INPUTS;
use coven_core::{InputId, SessionId};
use coven_harness::{ConversationPlan, Harness};
use uuid::Uuid;

use super::writer::Input;
use crate::Record;
use crate::shared::Shared;

/// A shim knows the names of the last inputs that it took. Where there were more, the first message is not
/// among them any more, and is sure to have been typed: what came after it was.
pub(super) const MAX_INPUTS_SINCE: usize = MAX_UNDELIVERED_INPUTS;

/// It has the same name whenever it is asked for, so that a shim types it once.
pub(super) fn of(session: &SessionId, data: Bytes) -> Input {
    let id = Uuid::parse_str(session.as_str()).unwrap_or_default();
    Input {
        id: InputId(id.into_bytes()),
        data,
        pause: Duration::ZERO,
        room: None,
    }
}

/// That of a session which is taken over. Its shim has it, or knows that it has not.
pub(super) async fn of_launched(
    shared: &Shared,
    harness: Option<&Arc<dyn Harness>>,
    record: &Record,
) -> Option<Input> {
    let id = record.session.id.clone();
    let launch = shared.read(move |store| store.launch(&id)).await.ok()??;
    let plan = ConversationPlan::new(None, Uuid::nil(), None);
    let command = harness?.command(&launch, &plan).ok()?;
    let data = command.first_input()?.clone();
    Some(of(&record.session.id, data))
}
