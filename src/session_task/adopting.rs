//! Taking over a session from an engine that is gone: its shim may live, or have left what it had.
//!
//! One whose process is on record is driven at once, and its shim reached meanwhile: a shim that is
//! stopped keeps nobody from killing its session. One of which only the launch is on record waits
//! for the first thing that its shim says.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use coven_core::{Command, Origin, OrphanReason, Phase, ProcessFacts, Timestamp};
use coven_harness::shim::{LaunchFailure, Record as ShimRecord, Recorded};
use coven_harness::{ConversationPlan, Harness, IdentitySource};
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

use super::first_input;
use super::heard_again::hear_again;
use super::launching::{Launching, explain};
use super::live::{Beginning, Live};
use super::process::{Process, Shimmed, reach};
use super::writer::Input;
use crate::attach::Screenless;
use crate::recover;
use crate::running::Message;
use crate::shared::Shared;
use crate::{Error, Record};

/// Who launched a session and waits, and how its shim was lost.
pub(super) type Waits = (oneshot::Sender<Result<Record, Error>>, String);

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

/// What a shim said of the launch that is on record.
struct Began {
    shimmed: Shimmed,
    first: Option<Recorded>,
}

/// Takes over a session of which only the launch is on record.
pub(super) async fn created(
    mut launching: Launching,
    harness: Option<Arc<dyn Harness>>,
    mut mailbox: mpsc::Receiver<Message>,
    waits: Option<Waits>,
) {
    // A kill is on record: the process is ended as soon as it is known.
    if launching.record.session.phase == Phase::Cancelled {
        launching.called_off.store(true, Ordering::Release);
    }
    let session = launching.record.session.clone();
    let folder = launching.shared.spools.folder(&session.id);
    let beginning = tokio::spawn(async move {
        let reached = reach(folder.clone(), session.id.clone(), None).await;
        let mut shimmed = Shimmed::new(&session, folder, reached);
        let first = shimmed.first().await;
        Ok(Began { shimmed, first })
    });
    let Ok(Began { mut shimmed, first }) = launching.wait(beginning, &mut mailbox).await else {
        return lost(launching, None, waits).await;
    };
    match first {
        Some(Recorded {
            at,
            record:
                ShimRecord::Started {
                    process,
                    executable,
                    argv,
                },
            ..
        }) => {
            shimmed.set_limit(*launching.shared.spool_limit.borrow());
            let started = Command::RecordStart {
                process: process.clone(),
                executable,
                argv,
            };
            let found = Found {
                facts: process,
                started: (started, at),
                shimmed,
            };
            drive(launching, harness, mailbox, waits, found).await;
        }
        Some(Recorded {
            record: ShimRecord::LaunchFailed { reason },
            ..
        }) => {
            let reason = explain_failure(reason, harness.as_deref(), &launching.record);
            let on_the_way = launching.shared.on_the_way.clone();
            let outcome = launching.never_ran(reason).await;
            if let Some((reply, _)) = waits {
                let _ = reply.send(outcome);
            }
            shimmed.dismiss(&on_the_way).await;
        }
        _ => lost(launching, Some(shimmed), waits).await,
    }
}

/// A process that was found to run, or to have run.
struct Found {
    facts: ProcessFacts,
    started: (Command, Timestamp),
    shimmed: Shimmed,
}

async fn drive(
    mut launching: Launching,
    harness: Option<Arc<dyn Harness>>,
    mailbox: mpsc::Receiver<Message>,
    waits: Option<Waits>,
    found: Found,
) {
    let Found {
        facts,
        started,
        shimmed,
    } = found;
    let early_kill = launching.signal_before_it_is_recorded(&facts).await;
    let first_input = first_of(&launching.shared, harness.as_ref(), &launching.record).await;
    let (process, keyboard) = Process::in_shim(facts, shimmed);
    let beginning = Beginning {
        process,
        keyboard,
        screen: Screenless::default(),
        hearing_again: None,
        started: Some(started),
        first_input,
        identity: identity(harness.as_ref(), &launching.record),
        called_off: launching.called_off.load(Ordering::Acquire),
        early_kill,
        unrecorded_kill: launching.unrecorded_kill,
        deferred: launching.deferred,
    };
    let (shared, record) = (launching.shared, launching.record);
    let reply = waits.map(|(reply, _)| reply);
    Live::new(shared, harness, record, mailbox, beginning, reply)
        .run()
        .await;
}

/// The first message of a session that gets it typed. Its shim has it, or knows that it has not.
async fn first_of(
    shared: &Shared,
    harness: Option<&Arc<dyn Harness>>,
    record: &Record,
) -> Option<Input> {
    let id = record.session.id.clone();
    let launch = shared.read(move |store| store.launch(&id)).await.ok()??;
    let plan = ConversationPlan::new(None, Uuid::nil(), None);
    let command = harness?.command(&launch, &plan).ok()?;
    let data = command.first_input()?.clone();
    Some(first_input(&record.session.id, data))
}

/// Nobody can say whether it ran. Whoever carries its mark is ended.
async fn lost(mut launching: Launching, shimmed: Option<Shimmed>, waits: Option<Waits>) {
    launching.settle().await;
    let (shared, session) = (&launching.shared, launching.record.session.id.clone());
    recover::end_processes(shared, &session, None).await;
    let reason = OrphanReason::LaunchInterrupted;
    let recorded = match shared.record(&session).await {
        Ok(record) => recover::record_loss(shared, &record, reason).await,
        Err(error) => Err(error),
    };
    match (waits, recorded) {
        (Some((reply, message)), _) => {
            let _ = reply.send(Err(Error::LaunchFailed { session, message }));
        }
        (None, Err(error)) => {
            tracing::error!(%session, %error, "its loss is found at the next start");
        }
        (None, Ok(())) => {}
    }
    if let Some(shimmed) = shimmed {
        shimmed.dismiss(&shared.on_the_way).await;
    }
}

fn explain_failure(
    failure: LaunchFailure,
    harness: Option<&dyn Harness>,
    record: &Record,
) -> String {
    match harness.map(Harness::about) {
        Some(about) => {
            let program = Path::new(&about.executable).to_owned();
            explain(&failure.of(program), &about.install_hint)
        }
        None => explain(&failure.of(record.session.harness.as_str().into()), ""),
    }
}
