//! From an accepted launch to a running process: on record first, then the process.

use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use coven_core::{Command, Refusal, Status, decide};
use coven_harness::process::{self, Child, Spawn, SpawnError};
use coven_store::{AppendError, Appended, Urgency};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::control::MAX_ASKED;
use super::killing::Report;
use super::live::{Beginning, Live, UnrecordedKill};
use super::{Accepted, Run};
use crate::attach::Screenless;
use crate::commit::{self, Plan};
use crate::options::Waypoint;
use crate::running::{Ask, Message, Request};
use crate::shared::Shared;
use crate::{Error, Record, Unavailable};

type Reply = oneshot::Sender<Result<Record, Error>>;

/// The session before its process runs.
struct Launching {
    shared: Arc<Shared>,
    record: Record,
    /// Set by the first kill, and looked at right before the process is made.
    called_off: Arc<AtomicBool>,
    /// A kill that is on its way into the log.
    recording: Option<Recording>,
    /// A kill that could not be put on record yet.
    unrecorded_kill: Option<UnrecordedKill>,
    /// What came before there was a process to do it to.
    deferred: Vec<Message>,
}

/// The record of a kill under way, and who is to be told of it.
struct Recording {
    append: Pin<Box<dyn Future<Output = Result<Appended, AppendError>> + Send>>,
    ask: Ask,
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
    let Accepted {
        id,
        launch,
        by,
        harness,
        run,
    } = accepted;
    let identity = run
        .as_ref()
        .ok()
        .and_then(|run| run.command.identity().cloned());
    let (mode, hint) = (launch.mode, harness.about().install_hint.clone());
    let decision = decide::launch(launch, identity);
    let now = shared.clock.now();
    let record = match commit::begin(&shared.store, id, decision, now, Some(by)).await {
        Ok(appended) => appended.record,
        // Nothing was written and nothing runs. Whoever asked may have left.
        Err(error) => return drop(reply.send(Err(error))),
    };
    let mut launching = Launching {
        shared,
        record,
        called_off: Arc::default(),
        recording: None,
        unrecorded_kill: None,
        deferred: Vec::new(),
    };
    let Run { spawn, command } = match run {
        Ok(run) => run,
        Err(reason) => return launching.fail(reason, reply).await,
    };
    let executable = spawn.program.to_string_lossy().into_owned();
    let spawning = launching.spawn(spawn);
    let child = match launching.wait(spawning, &mut mailbox).await {
        Ok(Some(child)) => child,
        Ok(None) => return launching.called_off(reply).await,
        Err(error) => return launching.fail(explain(&error, &hint), reply).await,
    };
    let early_kill = launching.signal_before_it_is_recorded(&child).await;
    let argv = command.recorded(&harness.about().executable);
    let started = Command::RecordStart {
        process: child.facts.clone(),
        executable,
        argv,
    };
    let beginning = Beginning {
        child,
        started,
        first_input: command.first_input().cloned(),
        identity: harness.identity(mode),
        called_off: launching.called_off.load(Ordering::Acquire),
        early_kill,
        unrecorded_kill: launching.unrecorded_kill,
        deferred: launching.deferred,
    };
    let (shared, record) = (launching.shared, launching.record);
    Live::new(shared, harness, record, mailbox, beginning, reply)
        .run()
        .await;
}

impl Launching {
    /// Makes the process on a thread that may block; `None` when it was called off before.
    fn spawn(&self, spawn: Spawn) -> JoinHandle<Result<Option<Child>, SpawnError>> {
        let on_the_way = self.shared.on_the_way.clone();
        let session = self.record.session.id.clone();
        let called_off = Arc::clone(&self.called_off);
        tokio::task::spawn_blocking(move || {
            on_the_way.reached(&Waypoint::BeforeSpawn { session });
            if called_off.load(Ordering::Acquire) {
                return Ok(None);
            }
            process::spawn(spawn).map(Some)
        })
    }

    /// Waits for the process and hears kills meanwhile.
    async fn wait(
        &mut self,
        mut spawning: JoinHandle<Result<Option<Child>, SpawnError>>,
        mailbox: &mut mpsc::Receiver<Message>,
    ) -> Result<Option<Child>, SpawnError> {
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
                        self.called_off.store(true, Ordering::Release);
                        if !self.deferred.iter().any(|told| matches!(told, Message::Abandon)) {
                            self.deferred.push(Message::Abandon);
                        }
                    }
                    other => self.defer(other),
                },
                spawned = &mut spawning => {
                    return spawned.unwrap_or_else(|panicked| {
                        let source = std::io::Error::other(panicked);
                        Err(SpawnError::System { source })
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
            Message::Ask(_) | Message::Abandon => self.deferred.push(message),
        }
    }

    /// Calls the launch off. That does not wait for the disk.
    fn kill(&mut self, ask: Ask) {
        let mut plan = Plan::of(&self.record.session);
        let answer = match plan.add(Command::Kill, self.shared.clock.now(), ask.by.as_ref()) {
            Err(refused) => Err(refused),
            Ok(_) if self.unrecorded_kill.is_some() => Err(Refusal::NotLive {
                session: self.record.session.id.clone(),
                status: Status::Killed,
            }
            .into()),
            Ok(_) => {
                self.called_off.store(true, Ordering::Release);
                let (store, batch) = (
                    self.shared.store.clone(),
                    plan.batch(None, Urgency::Control),
                );
                let append = Box::pin(async move { store.append(batch).await });
                self.recording = Some(Recording { append, ask });
                return;
            }
        };
        // Whoever asked may have left.
        let _ = ask.reply.send(answer);
    }

    /// What became of a kill's record.
    fn told_of_kill(&mut self, outcome: Result<Appended, AppendError>) {
        let Some(Recording { ask, .. }) = self.recording.take() else {
            return;
        };
        match outcome {
            Ok(appended) => self.record = appended.record,
            Err(error) => {
                tracing::warn!(session = %self.record.session.id, %error,
                    "a kill is carried out, and not on record yet");
                self.unrecorded_kill = Some(UnrecordedKill { by: ask.by });
            }
        }
        // Whoever asked may have left.
        let _ = ask.reply.send(Ok(self.record.clone()));
    }

    /// Waits for a kill's record, if one is on its way.
    async fn settle(&mut self) {
        if self.recording.is_some() {
            let outcome = recorded(&mut self.recording).await;
            self.told_of_kill(outcome);
        }
    }

    /// A process that was made although it was called off, and whose kill is not on record yet, is
    /// signalled meanwhile: the disk may hang.
    async fn signal_before_it_is_recorded(&mut self, child: &Child) -> Option<JoinHandle<Report>> {
        self.recording.as_ref()?;
        let (facts, grace) = (child.facts.clone(), self.shared.grace);
        let session = self.record.session.id.clone();
        let kill = tokio::spawn(async move { process::kill(&facts, &session, grace).await });
        self.settle().await;
        Some(kill)
    }

    /// The process provably never ran, as somebody wished.
    async fn called_off(mut self, reply: Reply) {
        self.settle().await;
        let ended = self.record_end("it was killed before it ran").await;
        let _ = reply.send(ended);
    }

    /// The process provably never ran.
    async fn fail(mut self, reason: String, reply: Reply) {
        self.settle().await;
        let session = self.record.session.id.clone();
        tracing::info!(%session, %reason, "the launch failed");
        let ended = self.record_end(&reason).await;
        let message = reason;
        let _ = reply.send(ended.and(Err(Error::LaunchFailed { session, message })));
    }

    /// Waits for the disk, however long: the end must be on record.
    async fn record_end(&mut self, reason: &str) -> Result<Record, Error> {
        let now = self.shared.clock.now();
        let mut plan = Plan::of(&self.record.session);
        if let Some(UnrecordedKill { by }) = &self.unrecorded_kill {
            plan.add(Command::Kill, now, by.as_ref())?;
        }
        let reason = reason.to_owned();
        plan.add(Command::RecordLaunchFailure { reason }, now, None)?;
        let batch = plan.batch(None, Urgency::Output);
        Ok(self.shared.store.append(batch).await?.record)
    }
}

/// The outcome of what is on its way; never, where nothing is.
async fn recorded(recording: &mut Option<Recording>) -> Result<Appended, AppendError> {
    match recording {
        Some(recording) => recording.append.as_mut().await,
        None => pending().await,
    }
}

/// Why there is no process, and what to do about it.
fn explain(error: &SpawnError, install_hint: &str) -> String {
    match error {
        SpawnError::MissingExecutable { .. } => format!("{error}. {install_hint}"),
        other => other.to_string(),
    }
}
