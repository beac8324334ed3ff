//! From an accepted launch to a running process: on record first, then the process.

mod calling_off;
mod holder;
mod in_shim;

use std::sync::Arc;

use bytes::Bytes;
use coven_core::{Command, FailureCause, decide};
use coven_harness::process::{self, Spawn, SpawnError};
use coven_harness::{Harness, IdentitySource, shim};
use coven_store::Urgency;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use calling_off::{Recording, recorded};
use holder::Holder;

use super::adopting;
use super::beginning::{Beginning, UnrecordedKill};
use super::control::MAX_ASKED;
use super::live::Live;
use super::process::{Keyboard, Process};
use super::writer::Input;
use super::{Accepted, Run, first_message};
use crate::attach::Screenless;
use crate::commit::{self, Plan};
use crate::on_the_way::Waypoint;
use crate::running::{Message, Request};
use crate::shared::{Shared, blocking};
use crate::{Error, Record, Unavailable};

type Reply = oneshot::Sender<Result<Record, Error>>;

/// What is on record of a launch that was called off.
pub(super) const CALLED_OFF: &str = "it was killed before it ran";

/// The session before its process runs.
pub(super) struct Launching {
    pub(super) shared: Arc<Shared>,
    pub(super) record: Record,
    /// True from the first kill on; looked at right before the process is made.
    pub(super) called_off: watch::Sender<bool>,
    /// A kill that is on its way into the log.
    recording: Option<Recording>,
    /// A kill that could not be put on record yet.
    pub(super) unrecorded_kill: Option<UnrecordedKill>,
    /// What came before there was a process to do it to.
    pub(super) deferred: Vec<Message>,
}

/// A process that was made, or found.
pub(super) struct Made {
    pub(super) process: Process,
    pub(super) keyboard: Option<Keyboard>,
    /// What is typed before anything else, where that is still to be done.
    pub(super) first_input: Option<Input>,
}

/// Why there is no process.
pub(super) enum NoProcess {
    /// It provably never ran.
    NeverRan(String),
    /// Its shim was lost before it said whether it runs.
    Unknown(String),
}

type Making = JoinHandle<Result<Option<Made>, NoProcess>>;

/// What is to be made, and what is told of it then.
struct ToMake {
    spawn: Spawn,
    executable: String,
    argv: Vec<String>,
    first_input: Option<Bytes>,
    hint: String,
}

pub(super) async fn run(
    shared: Arc<Shared>,
    accepted: Accepted,
    mut mailbox: mpsc::Receiver<Message>,
    reply: Reply,
) {
    // Asked once more: whoever shuts the engine down sees this session from here on, or is seen.
    if let Err(refusal) = shared.refuse_when_shutting_down() {
        return drop(reply.send(Err(refusal)));
    }
    let (harness, mode) = (Arc::clone(&accepted.harness), accepted.launch.mode);
    let holder = match &accepted.run {
        Ok(_) => Holder::prepared(&shared, &accepted.id).await,
        Err(reason) => Err(reason.clone()),
    };
    let (mut launching, run) = match put_on_record(shared, accepted).await {
        Ok(recorded) => recorded,
        Err(error) => {
            if let Ok(holder) = holder {
                holder.dismiss().await;
            }
            // Nothing was written and nothing runs. Whoever asked may have left.
            return drop(reply.send(Err(error)));
        }
    };
    let (run, holder) = match run.and_then(|run| Ok((run, holder?))) {
        Ok(prepared) => prepared,
        Err(reason) => return launching.fail(reason, reply).await,
    };
    let to_make = ToMake::of(run, &*harness);
    let (executable, argv) = (to_make.executable.clone(), to_make.argv.clone());
    let mut making = launching.make(holder, to_make);
    let made = match launching.wait(&mut making, &mut mailbox).await {
        Ok(Some(made)) => made,
        Ok(None) => return launching.called_off(reply).await,
        Err(NoProcess::NeverRan(reason)) => return launching.fail(reason, reply).await,
        Err(NoProcess::Unknown(reason)) => {
            return adopting::created(launching, Some(harness), mailbox, Some((reply, reason)))
                .await;
        }
    };
    let started = Command::RecordStart {
        process: made.process.facts().clone(),
        executable,
        argv,
    };
    let identity = harness.identity(mode);
    let (launching, beginning) = launching.begin(made, started, identity).await;
    let (shared, record) = (launching.shared, launching.record);
    let harness = Some(harness);
    Live::new(shared, harness, record, mailbox, beginning, Some(reply))
        .run()
        .await;
}

/// Puts a launch on record, before anything runs.
async fn put_on_record(
    shared: Arc<Shared>,
    accepted: Accepted,
) -> Result<(Launching, Result<Run, String>), Error> {
    let Accepted {
        id,
        launch,
        by,
        run,
        ..
    } = accepted;
    let ran = run.as_ref().ok();
    let identity = ran.and_then(|run| run.command.identity().cloned());
    // Without it nothing proves later that nothing ran; that is no reason not to run.
    let boot_id = process::boot_id().ok().map(str::to_owned);
    let decision = decide::launch(launch, identity, boot_id);
    let now = shared.clock.now();
    let appended = commit::begin(&shared.store, id, decision, now, Some(by)).await?;
    shared.on_the_way.reached(&Waypoint::LaunchRecorded);
    Ok((Launching::of(shared, appended.record), run))
}

impl ToMake {
    fn of(Run { spawn, command }: Run, harness: &dyn Harness) -> Self {
        let about = harness.about();
        Self {
            executable: spawn.program.to_string_lossy().into_owned(),
            argv: command.recorded(&about.executable),
            first_input: command.first_input().cloned(),
            hint: about.install_hint.clone(),
            spawn,
        }
    }
}

impl Launching {
    pub(super) fn of(shared: Arc<Shared>, record: Record) -> Self {
        Self {
            shared,
            record,
            called_off: watch::Sender::new(false),
            recording: None,
            unrecorded_kill: None,
            deferred: Vec::new(),
        }
    }

    /// Makes the process; `None` when it was called off before.
    fn make(&self, holder: Holder, to_make: ToMake) -> Making {
        match holder {
            Holder::Engine => self.spawn(to_make),
            Holder::Shim { program, folder } => self.spawn_in_shim(program, folder, to_make),
        }
    }

    /// Makes it on a thread that may block.
    fn spawn(&self, to_make: ToMake) -> Making {
        let ToMake {
            spawn,
            first_input: first,
            hint,
            ..
        } = to_make;
        let goes_ahead = self.goes_ahead();
        let on_the_way = self.shared.on_the_way.clone();
        let first_input = first.map(|data| first_message::of(&self.record.session.id, data));
        tokio::task::spawn_blocking(move || {
            if !goes_ahead() {
                return Ok(None);
            }
            let child = process::spawn(spawn).map_err(|error| never_ran(&error, &hint))?;
            on_the_way.reached(&Waypoint::ProcessMade);
            let (process, keyboard) = Process::here(child);
            Ok(Some(Made {
                process,
                keyboard,
                first_input,
            }))
        })
    }

    /// Has a shim make it, which may take long: no thread waits for that.
    fn spawn_in_shim(
        &self,
        program: shim::Program,
        folder: shim::NewFolder,
        to_make: ToMake,
    ) -> Making {
        let goes_ahead = self.goes_ahead();
        let (shared, session) = (Arc::clone(&self.shared), self.record.session.clone());
        let called_off = self.called_off.subscribe();
        tokio::spawn(async move {
            match blocking(goes_ahead).await {
                Ok(true) => {}
                Ok(false) => {
                    in_shim::remove(folder).await;
                    return Ok(None);
                }
                Err(panicked) => return Err(NoProcess::Unknown(panicked.to_string())),
            }
            let made = in_shim::make(&shared, &session, (program, folder), to_make, called_off);
            made.await.map(Some)
        })
    }

    /// Whether the launch was not called off, asked right before the process is made.
    fn goes_ahead(&self) -> impl FnOnce() -> bool + Send + 'static {
        let on_the_way = self.shared.on_the_way.clone();
        let session = self.record.session.id.clone();
        let called_off = self.called_off.subscribe();
        move || {
            on_the_way.reached(&Waypoint::BeforeSpawn { session });
            !*called_off.borrow()
        }
    }

    /// Waits for the process and hears kills meanwhile. Cancelled, nothing is lost.
    pub(super) async fn wait<T>(
        &mut self,
        spawning: &mut JoinHandle<Result<T, NoProcess>>,
        mailbox: &mut mpsc::Receiver<Message>,
    ) -> Result<T, NoProcess> {
        loop {
            tokio::select! {
                biased;
                outcome = recorded(&mut self.recording) => self.told_of_kill(outcome),
                Some(message) = mailbox.recv() => match message {
                    // A second one is answered when what became of the first is known.
                    Message::Ask(ask)
                        if matches!(ask.request, Request::Kill) && self.recording.is_none() =>
                    {
                        self.kill(ask);
                    }
                    Message::Abandon => {
                        self.call_off();
                        if !self.deferred.iter().any(|told| matches!(told, Message::Abandon)) {
                            self.deferred.push(Message::Abandon);
                        }
                    }
                    other => self.defer(other),
                },
                spawned = &mut *spawning => {
                    return spawned.unwrap_or_else(|panicked| {
                        Err(NoProcess::Unknown(panicked.to_string()))
                    });
                }
            }
        }
    }

    /// Keeps what is to be done once there is a process, within the bound that holds for a live one.
    /// What a viewer sees until then is known now.
    fn defer(&mut self, message: Message) {
        match message {
            Message::Ask(ask) if self.deferred.len() >= MAX_ASKED => {
                // Whoever asked may have left.
                let _ = ask.reply.send(Err(Unavailable::Busy.into()));
            }
            Message::View(reply) => {
                // Whoever asked may have left.
                let _ = reply.send(Screenless::default().view(&self.record));
            }
            // Nothing is drawn yet.
            Message::Redraw => {}
            Message::Ask(_) | Message::Abandon | Message::Leave => self.deferred.push(message),
        }
    }

    /// How a process that was made begins to be driven.
    async fn begin(
        mut self,
        made: Made,
        started: Command,
        identity: IdentitySource,
    ) -> (Self, Beginning) {
        let early_kill = self
            .signal_before_it_is_recorded(made.process.facts())
            .await;
        let now = self.shared.clock.now();
        let beginning = Beginning {
            process: made.process,
            keyboard: made.keyboard,
            screen: Screenless::default(),
            hearing_again: None,
            started: Some((started, now)),
            first_input: made.first_input,
            identity,
            called_off: self.is_called_off(),
            early_kill,
            unrecorded_kill: self.unrecorded_kill.take(),
            deferred: std::mem::take(&mut self.deferred),
        };
        (self, beginning)
    }

    /// The process provably never ran, as somebody wished.
    async fn called_off(mut self, reply: Reply) {
        self.settle().await;
        let ended = self.record_end(CALLED_OFF, FailureCause::Launch).await;
        let _ = reply.send(ended);
    }

    /// The process provably never ran.
    async fn fail(self, reason: String, reply: Reply) {
        let _ = reply.send(self.never_ran(reason, FailureCause::Launch).await);
    }

    /// Puts on record that the process provably never ran, and says it as who launched it is told.
    pub(super) async fn never_ran(
        mut self,
        reason: String,
        cause: FailureCause,
    ) -> Result<Record, Error> {
        self.settle().await;
        let session = self.record.session.id.clone();
        tracing::info!(%session, %reason, "the launch failed");
        let ended = self.record_end(&reason, cause).await;
        let message = reason;
        ended.and(Err(Error::LaunchFailed { session, message }))
    }

    /// Waits for the disk, however long: the end must be on record.
    async fn record_end(&mut self, reason: &str, cause: FailureCause) -> Result<Record, Error> {
        let now = self.shared.clock.now();
        let mut plan = Plan::of(&self.record.session);
        if let Some(UnrecordedKill { by }) = &self.unrecorded_kill {
            plan.add(Command::Kill, now, by.as_ref())?;
        }
        let reason = reason.to_owned();
        plan.add(Command::RecordLaunchFailure { reason, cause }, now, None)?;
        let batch = plan.batch(None, Urgency::Output);
        Ok(self.shared.store.append(batch).await?.record)
    }
}

/// Why there is no process, and what to do about it.
fn never_ran(error: &SpawnError, install_hint: &str) -> NoProcess {
    NoProcess::NeverRan(explain(error, install_hint))
}

pub(super) fn explain(error: &SpawnError, install_hint: &str) -> String {
    match error {
        SpawnError::MissingExecutable { .. } => format!("{error}. {install_hint}"),
        other => other.to_string(),
    }
}
