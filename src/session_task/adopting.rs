//! Taking over a session from an engine that is gone: its shim may live, or have left what it had.
//!
//! One whose process is on record is driven at once, and its shim reached meanwhile: a shim that is
//! stopped keeps nobody from killing its session. One of which only the launch is on record
//! ([`created`]) waits for the first thing that its shim says.

mod created;

use std::sync::Arc;

use coven_core::{Origin, OrphanReason, Phase, ProcessFacts};
use coven_harness::process::boot_id;
use coven_harness::{Harness, IdentitySource};
use tokio::sync::mpsc;

use super::beginning::Beginning;
use super::heard_again::hear_again;
use super::launching::Launching;
use super::live::Live;
use super::process::{Keyboard, Process, Shimmed};
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
    let encounter = shared.encounters.of(record.session.id.clone());
    let mut shimmed = Shimmed::adopted(&record.session, folder, encounter);
    shimmed.set_limit(*shared.spool_limit.borrow());
    let driven = Process::in_shim(facts, shimmed);
    let beginning = beginning(&shared, harness.as_ref(), &record, driven, called_off);
    Live::new(shared, harness, record, mailbox, beginning, None)
        .run()
        .await;
}

/// Keeps a session of which somebody is left after the engine that held its terminal, and whom a kill does not end:
/// once nobody is, it is told how it was lost.
pub(super) async fn outlived(
    shared: Arc<Shared>,
    record: Record,
    mailbox: mpsc::Receiver<Message>,
    reason: OrphanReason,
) {
    let facts = record.session.phase.process().cloned();
    let is_dying = matches!(record.session.phase, Phase::Dying { .. });
    let left = (Process::outlived(facts.unwrap_or_else(unknown)), None);
    let beginning = beginning(&shared, None, &record, left, is_dying);
    let mut live = Live::new(shared, None, record, mailbox, beginning, None);
    live.lost_sight(reason);
    live.run().await;
}

/// No process: it is not known which there was.
fn unknown() -> ProcessFacts {
    ProcessFacts {
        // Over any id that the kernel gives.
        pid: u32::MAX,
        start_time: 0,
        boot_id: boot_id().unwrap_or_default().to_owned(),
        shim_pid: None,
    }
}

fn beginning(
    shared: &Arc<Shared>,
    harness: Option<&Arc<dyn Harness>>,
    record: &Record,
    (process, keyboard): (Process, Option<Keyboard>),
    called_off: bool,
) -> Beginning {
    let (identity, harness) = (identity(harness, record), harness.cloned());
    let hearing = hear_again(Arc::clone(shared), harness, record.clone(), identity);
    Beginning {
        process,
        keyboard,
        screen: Screenless::default(),
        hearing_again: Some(Box::pin(hearing)),
        started: None,
        first_input: None,
        identity: IdentitySource::Never,
        called_off,
        early_kill: None,
        unrecorded_kill: None,
        deferred: Vec::new(),
    }
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
