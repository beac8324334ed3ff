//! A session from the moment its process exists to its last event.
//!
//! One loop. What was observed goes into the log by one lane ([`observe`](super::observe)), what
//! people ask by another ([`control`](super::control)): each has one commit in flight at most, so
//! a disk that is full holds up output, and not a kill.

use std::future::{Future, pending};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use coven_core::{Actor, Channel, Command, Exit, OrphanReason, ProcessFacts};
use coven_harness::process::{Child, ExitWatch, Output, Terminal};
use coven_harness::{Harness, IdentitySource};
use coven_store::WriterState;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::control::Control;
use super::ending::EndWatch;
use super::identity::IdentityWatch;
use super::killing::{Killed, Killing, Report};
use super::observe::Observations;
use super::redraw::Redraw;
use super::writer::{Step, Writer};
use crate::attach::Screenless;
use crate::running::Message;
use crate::shared::Shared;
use crate::{Error, Record};

/// Something under way; at most one of its kind.
pub(super) type Slot<T> = Option<Pin<Box<dyn Future<Output = T> + Send>>>;

/// How a process begins to be driven.
pub(super) struct Beginning {
    pub(super) child: Child,
    pub(super) started: Command,
    pub(super) first_input: Option<Bytes>,
    pub(super) identity: IdentitySource,
    /// A kill came while the process was being made.
    pub(super) called_off: bool,
    /// That kill, where it was carried out already.
    pub(super) early_kill: Option<JoinHandle<Report>>,
    pub(super) unrecorded_kill: Option<UnrecordedKill>,
    pub(super) deferred: Vec<Message>,
}

/// A kill that was carried out and could not be put on record yet.
pub(super) struct UnrecordedKill {
    pub(super) by: Option<Actor>,
}

/// A session whose process exists.
pub(super) struct Live {
    pub(super) shared: Arc<Shared>,
    pub(super) harness: Arc<dyn Harness>,
    /// As of the last commit that was acknowledged.
    pub(super) record: Record,
    pub(super) facts: ProcessFacts,
    pub(super) terminal: Option<Terminal>,
    pub(super) writer: Option<Writer>,
    pub(super) observations: Observations,
    pub(super) control: Control,
    pub(super) end: EndWatch,
    pub(super) screen: Screenless,
    pub(super) identity: IdentityWatch,
    pub(super) redraw: Redraw,
    pub(super) killing: Killing,
    output: Output,
    exit: ExitWatch,
    mailbox: mpsc::Receiver<Message>,
    deferred: Vec<Message>,
    /// Whoever launched it, until it is on record as running.
    launched: Option<oneshot::Sender<Result<Record, Error>>>,
}

/// What the loop woke up for.
enum Wake {
    Told(Option<Message>),
    Read(io::Result<Option<(Channel, Bytes)>>),
    Exited(io::Result<Exit>),
    Killed(Killed),
    KillAgain,
    Observed(super::observe::Outcome),
    Controlled(super::control::Outcome),
    Identified(super::identity::Look),
    Redrawn,
    Due,
}

impl Live {
    pub(super) fn new(
        shared: Arc<Shared>,
        harness: Arc<dyn Harness>,
        record: Record,
        mailbox: mpsc::Receiver<Message>,
        beginning: Beginning,
        launched: oneshot::Sender<Result<Record, Error>>,
    ) -> Self {
        let Child {
            facts,
            output,
            input,
            terminal,
            exit,
        } = beginning.child;
        let writer = input.map(|input| Writer::spawn(input, Arc::clone(&shared.clock)));
        if let (Some(writer), Some(data)) = (&writer, beginning.first_input) {
            // A process that is gone already reads nothing.
            let _ = writer.step(Step::Input { data, room: None });
        }
        let mut live = Self {
            observations: Observations::default(),
            control: Control::default(),
            end: EndWatch::default(),
            screen: Screenless::default(),
            identity: IdentityWatch::new(beginning.identity),
            redraw: Redraw::default(),
            killing: Killing::default(),
            deferred: beginning.deferred,
            launched: Some(launched),
            shared,
            harness,
            record,
            facts,
            terminal,
            writer,
            output,
            exit,
            mailbox,
        };
        let now = live.shared.clock.now();
        if let Some(UnrecordedKill { by }) = beginning.unrecorded_kill {
            live.observations.note(Command::Kill, now, by);
        }
        live.observations.note(beginning.started, now, None);
        if beginning.called_off {
            live.control.kill_was_asked();
            match beginning.early_kill {
                Some(kill) => live.take_over(kill),
                None => live.terminate(),
            }
        }
        live
    }

    /// Drives the session to its end.
    pub(super) async fn run(mut self) {
        for message in std::mem::take(&mut self.deferred) {
            self.told(message);
        }
        loop {
            self.begin_control();
            if let Goes::Over = self.begin_observation() {
                return;
            }
            let goes_on = match self.wake().await {
                Wake::Told(Some(message)) => self.told(message),
                // The entry that holds the sender outlives this task.
                Wake::Told(None) | Wake::Due => Goes::On,
                Wake::Redrawn => self.redrawn(),
                Wake::Read(read) => self.read(read),
                Wake::Exited(exit) => self.exited(exit),
                Wake::Killed(killed) => self.killed(killed),
                Wake::KillAgain => {
                    self.terminate_again();
                    Goes::On
                }
                Wake::Observed(outcome) => self.observed(outcome),
                Wake::Controlled(outcome) => self.controlled(outcome),
                Wake::Identified(look) => self.looked(look),
            };
            match goes_on {
                Goes::On => {}
                Goes::Over => return,
                Goes::Unrecorded => return self.give_up().await,
            }
        }
    }

    /// Waits for whatever comes first. An idle session waits for its process and its mailbox, and
    /// for no timer.
    async fn wake(&mut self) -> Wake {
        let now = self.shared.clock.elapsed();
        let reads = self.end.has_output() && self.observations.has_room() && !self.is_held_back();
        self.end.set_reading(reads, now);
        let (due, redrawn) = (self.next_due(), self.redraw.due());
        let clock = &self.shared.clock;
        tokio::select! {
            biased;
            message = self.mailbox.recv() => Wake::Told(message),
            outcome = arrival(&mut self.control.in_flight) => Wake::Controlled(outcome),
            outcome = arrival(&mut self.observations.in_flight) => Wake::Observed(outcome),
            killed = arrival(&mut self.killing.under_way) => Wake::Killed(killed),
            () = arrival(&mut self.killing.pause) => Wake::KillAgain,
            exit = self.exit.wait(), if self.end.has_process() => Wake::Exited(exit),
            look = arrival(&mut self.identity.looking) => Wake::Identified(look),
            read = self.output.read(), if reads => Wake::Read(read),
            () = until(redrawn, |due| clock.sleep_until(due)) => Wake::Redrawn,
            () = until(due, |due| clock.sleep_until(due)) => Wake::Due,
        }
    }

    /// While it is killed and the log takes no writes it is not read, or what it writes until it is
    /// dead would use up the room that is kept for the record of its end.
    fn is_held_back(&self) -> bool {
        self.killing.is_under_way() && self.shared.store.health().state == WriterState::Failed
    }

    /// Whether its process has ended, and only the record of that is to come.
    pub(super) fn is_ending(&self) -> bool {
        self.observations.carries_the_last() || self.end.end(self.shared.clock.elapsed()).is_some()
    }

    /// When something is due that no outcome will wake the loop for.
    fn next_due(&self) -> Option<Duration> {
        if self.observations.in_flight.is_some() {
            return None;
        }
        let end = self.end.deadline().filter(|_| self.control.is_idle());
        self.observations.due().into_iter().chain(end).min()
    }

    fn told(&mut self, message: Message) -> Goes {
        match message {
            Message::Ask(ask) => self.asked(ask),
            Message::View(reply) => {
                // Whoever asked may have left.
                let _ = reply.send(self.screen.view(&self.record));
            }
            Message::Redraw => self.begin_redraw(),
            Message::Abandon => {
                self.observations.lost(OrphanReason::Shutdown);
                self.force();
            }
        }
        Goes::On
    }

    fn read(&mut self, read: io::Result<Option<(Channel, Bytes)>>) -> Goes {
        let now = self.shared.clock.elapsed();
        match read {
            Ok(Some((channel, bytes))) => {
                self.end.byte_read(now);
                self.hear(&bytes);
                self.identity_heard(&bytes);
                self.observations.output(channel, &bytes, now);
            }
            Ok(None) => self.end.output_ended(),
            Err(error) => {
                tracing::error!(session = %self.record.session.id, %error, "output cannot be read");
                self.end.output_lost();
            }
        }
        Goes::On
    }

    /// Answers what the process asks its terminal. One that is typed nothing else is answered only
    /// while its terminal would not echo that into the output.
    fn hear(&mut self, bytes: &[u8]) {
        let Some(terminal) = &self.terminal else {
            return;
        };
        for reply in self.screen.hear(bytes) {
            if let Some(writer) = &self.writer {
                writer.answer(reply);
            } else if let Err(error) = terminal.answer(&reply) {
                tracing::debug!(session = %self.record.session.id, %error, "not answered");
            }
        }
    }

    fn exited(&mut self, exit: io::Result<Exit>) -> Goes {
        match exit {
            Ok(exit) => {
                self.end.process_ended(exit, self.shared.clock.elapsed());
                Goes::On
            }
            Err(error) => {
                let session = &self.record.session.id;
                tracing::error!(%session, %error, "the process's end cannot be learnt of");
                self.end.process_lost();
                self.observations.lost(OrphanReason::EngineDied);
                if !self.killing.is_under_way() {
                    // Nobody would see it run on.
                    self.terminate();
                }
                Goes::On
            }
        }
    }

    /// Takes over what a commit made of the session. Two lanes commit, so the older answer may
    /// come last.
    pub(super) fn swap(&mut self, record: Record) {
        if record.last_seq > self.record.last_seq {
            self.record = record;
        }
        // It is on record as running, or has already ended.
        if self.observations.has_started()
            && let Some(launched) = self.launched.take()
        {
            let _ = launched.send(Ok(self.record.clone()));
        }
    }
}

/// Whether the loop goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Goes {
    On,
    Over,
    /// It is over: the log takes nothing more of what is observed.
    Unrecorded,
}

/// The outcome of what is under way; never, where nothing is. The slot is emptied by whoever
/// handles the outcome.
async fn arrival<T>(slot: &mut Slot<T>) -> T {
    match slot {
        Some(under_way) => under_way.await,
        None => pending().await,
    }
}

async fn until<F: Future<Output = ()>>(due: Option<Duration>, sleep: impl FnOnce(Duration) -> F) {
    match due {
        Some(due) => sleep(due).await,
        None => pending().await,
    }
}
