//! Taking over a session from an engine that is gone: its shim may live, or have left what it had.
//!
//! One whose process is on record is driven at once, and its shim reached meanwhile: a shim that is
//! stopped keeps nobody from killing its session. One of which only the launch is on record
//! ([`created`]) waits for the first thing that its shim says.

mod created;

use std::sync::Arc;

use coven_core::{Origin, Phase, ProcessFacts};
use coven_harness::{Harness, IdentitySource};
use tokio::sync::mpsc;

use super::heard_again::hear_again;
use super::launching::Launching;
use super::live::{Beginning, Live};
use super::process::{Process, Shimmed};
use crate::Record;
use crate::attach::Screenless;
use crate::running::Message;
use crate::shared::Shared;

pub(super) use created::created;

/// Takes over a session that is live on record.
pub(super) async fn run(shared: Arc<Shared>, record: Record, mailbox: mpsc::Receiver<Message>) {
    let harness = shared.registry.get(&record.session.harness).cloned();
    let is_dying = matches!(record.session.phase, Phase::Dying { .. });
    match record.session.phase.process().cloned() {
        Some(facts) => running(shared, harness, record, mailbox, (facts, is_dying)).await,
        None => created(Launching::of(shared, record), harness, mailbox, None).await,
    }
}

async fn running(
    shared: Arc<Shared>,
    harness: Option<Arc<dyn Harness>>,
    record: Record,
    mailbox: mpsc::Receiver<Message>,
    (facts, called_off): (ProcessFacts, bool),
) {
    let folder = shared.spools.folder(&record.session.id);
    let mut shimmed = Shimmed::adopted(&record.session, folder);
    shimmed.set_limit(*shared.spool_limit.borrow());
    let (process, keyboard) = Process::in_shim(facts, shimmed);
    let identity = identity(harness.as_ref(), &record);
    let beginning = Beginning {
        process,
        keyboard,
        screen: Screenless::default(),
        hearing_again: Some(Box::pin(hear_again(
            Arc::clone(&shared),
            harness.clone(),
            record.clone(),
            identity,
        ))),
        started: None,
        first_input: None,
        identity: IdentitySource::Never,
        called_off,
        early_kill: None,
        unrecorded_kill: None,
        deferred: Vec::new(),
    };
    Live::new(shared, harness, record, mailbox, beginning, None)
        .run()
        .await;
}

/// How the conversation's id is still to be learnt.
fn identity(harness: Option<&Arc<dyn Harness>>, record: &Record) -> IdentitySource {
    match (&record.session.origin, harness, record.session.mode()) {
        (Origin::Launched { identity: None, .. }, Some(harness), Some(mode)) => {
            harness.identity(mode)
        }
        _ => IdentitySource::Never,
    }
}
