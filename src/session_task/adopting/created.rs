//! A session of which only the launch is on record, until its shim says what became of that.
//!
//! The shim may be stopped, hang with its disk or make no sense. Whoever launched the session and waits
//! is told so after a while, and whoever kills it has all of it ended, the shim at last, whose spool then
//! tells the rest.

use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use coven_core::{Command, FailureCause, OrphanReason, Phase, ProcessFacts, SessionId, Timestamp};
use coven_harness::Harness;
use coven_harness::process::{boot_id, kill_marked};
use coven_harness::shim::{LaunchFailure, Record as ShimRecord, Recorded};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::sleep;

use super::identity;
use crate::attach::Screenless;
use crate::recover::{self, Left};
use crate::running::Message;
use crate::session_task::beginning::Beginning;
use crate::session_task::first_message;
use crate::session_task::killing::{FIRST_PAUSE, MAX_PAUSE, UNHEARD, kill_shim, proved};
use crate::session_task::launching::{CALLED_OFF, Launching, NoProcess, explain};
use crate::session_task::live::Live;
use crate::session_task::process::{Process, Shimmed, known_here, reach};
use crate::shared::Shared;
use crate::{Error, Record};

/// How long whoever launched a session waits for a shim that was lost once already.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long a kill waits for what a shim says as a rule at once: with its process known, more is known of
/// who is to be ended.
const MOMENT: Duration = Duration::from_millis(500);

/// Why a process never ran whose engine ended first.
const INTERRUPTED: &str = "it was being started when its daemon ended";

/// Who launched a session and waits, and how its shim was lost.
type Waits = (oneshot::Sender<Result<Record, Error>>, String);

/// What a shim said of the launch that is on record.
struct Began {
    shimmed: Shimmed,
    /// Nothing, where it is dead and did not say.
    first: Option<Recorded>,
}

/// Takes over a session of which only the launch is on record.
pub(in crate::session_task) async fn created(
    mut launching: Launching,
    harness: Option<Arc<dyn Harness>>,
    mut mailbox: mpsc::Receiver<Message>,
    mut waits: Option<Waits>,
) {
    // A kill is on record: whatever runs is ended.
    if launching.record.session.phase == Phase::Cancelled {
        launching.call_off();
    }
    // Whoever launched it may not wait that long.
    let why = waits.as_ref().map(|(_, why)| why.clone());
    let told = until_told(&mut launching, &mut mailbox, &mut waits);
    let (mut shimmed, first) = match told.await {
        Ok(Some(Began { shimmed, first })) => (shimmed, first),
        Ok(None) => return lost(launching, None, waits, why).await,
        // Ours, not the session's: the next engine takes that over.
        Err(NoProcess::NeverRan(error) | NoProcess::Unknown(error)) => {
            let error = Error::internal(&error);
            return drop(waits.map(|(reply, _)| reply.send(Err(error))));
        }
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
            let outcome = launching.never_ran(reason, FailureCause::Launch).await;
            if let Some((reply, _)) = waits {
                let _ = reply.send(outcome);
            }
            shimmed.dismiss(&on_the_way).await;
        }
        _ => lost(launching, Some(shimmed), waits, why).await,
    }
}

/// Waits for what the shim says first; for nothing more, where the session was killed and nobody is left
/// who could say it.
async fn until_told(
    launching: &mut Launching,
    mailbox: &mut mpsc::Receiver<Message>,
    waits: &mut Option<Waits>,
) -> Result<Option<Began>, NoProcess> {
    let session = launching.record.session.clone();
    let folder = launching.shared.spools.folder(&session.id);
    let killed = killed_once(
        launching.called_off.subscribe(),
        session.id.clone(),
        launching.shared.grace,
    );
    let encounter = Arc::new(launching.shared.encounters.of(session.id.clone()));
    let mut first = tokio::spawn(async move {
        let reached = reach(folder.clone(), session.id.clone(), None, &encounter).await;
        let mut shimmed = Shimmed::new(&session, folder, reached, encounter);
        let first = shimmed.first().await;
        Ok(Began { shimmed, first })
    });
    let (mut killed, mut patience) = (pin!(killed), pin!(sleep(PATIENCE)));
    loop {
        tokio::select! {
            biased;
            began = launching.wait(&mut first, mailbox) => return began.map(Some),
            () = &mut killed => {
                first.abort();
                return Ok(None);
            }
            () = &mut patience, if waits.is_some() => {
                if let Some((reply, why)) = waits.take() {
                    let session = launching.record.session.id.clone();
                    let message = format!("{why}: it may run; it is looked for, and can be killed");
                    tracing::error!(%session, %message, "a launch hangs");
                    // Whoever asked may have left.
                    let _ = reply.send(Err(Error::LaunchFailed { session, message }));
                }
            }
        }
    }
}

/// Ends all of a session once its launch is called off, its shim at last; returns when that is done and
/// should have been heard of.
async fn killed_once(mut called_off: watch::Receiver<bool>, session: SessionId, grace: Duration) {
    if called_off
        .wait_for(|is_called_off| *is_called_off)
        .await
        .is_err()
    {
        return std::future::pending().await;
    }
    sleep(MOMENT).await;
    let mut pause = FIRST_PAUSE;
    while proved(&session, kill_marked(&session, grace).await).is_err() {
        sleep(pause).await;
        pause = (pause * 2).min(MAX_PAUSE);
    }
    sleep(UNHEARD).await;
    match kill_shim(None, session.clone()).await {
        Ok(true) => tracing::error!(%session, "a shim that tells nothing was ended"),
        Ok(false) => {}
        Err(error) => tracing::error!(%session, %error, "a shim cannot be ended"),
    }
    sleep(UNHEARD).await;
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
    let first_input =
        first_message::of_launched(&launching.shared, harness.as_ref(), &launching.record).await;
    let facts = known_here(facts, &launching.record.session.id).await;
    let (process, keyboard) = Process::in_shim(facts, shimmed);
    let beginning = Beginning {
        process,
        keyboard,
        screen: Screenless::default(),
        hearing_again: None,
        started: Some(started),
        first_input,
        identity: identity(harness.as_ref(), &launching.record),
        called_off: launching.is_called_off(),
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

/// Nobody says whether it ran. It is proven that it did not where its shim had made nothing; else it is
/// lost. Whoever carries its mark is ended. `why` says how its shim was lost, where this engine launched it.
async fn lost(
    mut launching: Launching,
    shimmed: Option<Shimmed>,
    waits: Option<Waits>,
    why: Option<String>,
) {
    launching.settle().await;
    let (shared, session) = (
        Arc::clone(&launching.shared),
        launching.record.session.id.clone(),
    );
    let has_begun = !shimmed.as_ref().is_some_and(Shimmed::never_began)
        || !is_of_this_boot(&shared, &session).await
        || is_marked(&session, shared.grace).await;
    let left = recover::end_processes(&shared, &session, None).await;
    if has_begun || left == Left::Somebody {
        record_loss(&shared, &session, left, waits).await;
    } else {
        never_began(launching, waits, why).await;
    }
    if let Some(shimmed) = shimmed {
        shimmed.dismiss(&shared.on_the_way).await;
    }
}

/// Whether the machine has provably not gone down since the launch: that may have taken away what a shim made.
/// Nothing proves it of a launch whose boot is not on record; what a clock says, which may have been set, does not.
async fn is_of_this_boot(shared: &Shared, session: &SessionId) -> bool {
    let id = session.clone();
    let launched_in = shared.read(move |store| store.launched_in(&id)).await;
    let launched_in = launched_in.inspect_err(|error| {
        tracing::error!(%session, %error, "the boot of a launch cannot be read");
    });
    matches!((launched_in, boot_id()), (Ok(Some(then)), Ok(now)) if then == now)
}

/// Whether anybody carries a session's mark, or that cannot be told. Whoever does is ended.
async fn is_marked(session: &SessionId, grace: Duration) -> bool {
    kill_marked(session, grace).await.map_or(true, |report| {
        let all = [&report.ended, &report.forced, &report.survivors];
        all.iter().any(|found| !found.is_empty())
    })
}

/// Its process never ran, and never will: a shim that would begin only now gives up.
async fn never_began(launching: Launching, waits: Option<Waits>, why: Option<String>) {
    let (reason, cause) = match why {
        Some(why) => (why, FailureCause::Launch),
        // Whoever killed it does not want it launched again.
        None if launching.is_called_off() => (CALLED_OFF.to_owned(), FailureCause::Launch),
        None => (INTERRUPTED.to_owned(), FailureCause::EngineDied),
    };
    let outcome = launching.never_ran(reason, cause).await;
    if let Some((reply, _)) = waits {
        // Whoever asked may have left.
        let _ = reply.send(outcome);
    }
}

async fn record_loss(shared: &Shared, session: &SessionId, left: Left, waits: Option<Waits>) {
    let reason = OrphanReason::LaunchInterrupted;
    let recorded = match shared.record(session).await {
        Ok(record) => recover::record_loss(shared, &record, reason, left).await,
        Err(error) => Err(error),
    };
    match (waits, recorded) {
        (Some((reply, message)), _) => {
            let session = session.clone();
            // Whoever asked may have left.
            let _ = reply.send(Err(Error::LaunchFailed { session, message }));
        }
        (None, Err(error)) => {
            tracing::error!(%session, %error, "its loss is found at the next start");
        }
        (None, Ok(())) => {}
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
