//! A session from the moment its process exists to its last event.
//!
//! One loop. What was observed goes into the log by one lane ([`observe`](super::observe)), what
//! people ask by another ([`control`](super::control)): each has one commit in flight at most, so
//! a disk that is full holds up output, and not a kill.

use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use coven_core::{Command, OrphanReason};
use coven_harness::Harness;
use coven_store::WriterState;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::sleep;

use super::beginning::{Beginning, UnrecordedKill};
use super::bookmark::Bookmarks;
use super::control::Control;
use super::deliveries::Deliveries;
use super::ending::EndWatch;
use super::heard_again::HeardAgain;
use super::identity::{Again, IdentityWatch};
use super::killing::{Killed, Killing, Unheard};
use super::leaving::Leaving;
use super::observe::Observations;
use super::process::{Happening, Process, Wants};
use super::redraw::Redraw;
use super::writer::Writer;
use crate::attach::{LiveView, Screenless};
use crate::on_the_way::Waypoint;
use crate::running::Message;
use crate::shared::Shared;
use crate::{Error, Record};

/// How long the kernel may take to tell that there is something to read, which is there already: a timer
/// of this runtime is looked at after that.
const LOOK: Duration = Duration::from_millis(1);

/// Something under way; at most one of its kind.
pub(super) type Slot<T> = Option<Pin<Box<dyn Future<Output = T> + Send>>>;

/// A session whose process exists.
pub(super) struct Live {
    pub(super) shared: Arc<Shared>,
    /// `None` of one that is adopted, and whose harness is not known any more.
    pub(super) harness: Option<Arc<dyn Harness>>,
    /// As of the last commit that was acknowledged.
    pub(super) record: Record,
    pub(super) process: Process,
    pub(super) writer: Option<Writer>,
    pub(super) deliveries: Deliveries,
    pub(super) observations: Observations,
    pub(super) control: Control,
    pub(super) end: EndWatch,
    pub(super) screen: Screenless,
    pub(super) identity: IdentityWatch,
    pub(super) redraw: Redraw,
    pub(super) killing: Killing,
    pub(super) hearing_again: Slot<HeardAgain>,
    /// Who asked for a view while that is done.
    pub(super) views: Vec<oneshot::Sender<LiveView>>,
    pub(super) bookmarks: Bookmarks,
    pub(super) leaving: Leaving,
    spool_limit: watch::Receiver<u64>,
    pub(super) mailbox: mpsc::Receiver<Message>,
    deferred: Vec<Message>,
    /// Whoever launched it, until it is on record as running.
    pub(super) launched: Option<oneshot::Sender<Result<Record, Error>>>,
}

/// What the loop woke up for.
enum Wake {
    Told(Option<Message>),
    Happened(Happening),
    Killed(Killed),
    KillAgain,
    Unheard(Unheard),
    /// Whoever writes has found that nobody reads any more.
    Unread,
    Observed(super::observe::Outcome),
    Controlled(super::control::Outcome),
    Identified(super::identity::Look),
    TimeToLook,
    HeardAgain(Box<HeardAgain>),
    Bookmarked,
    EchoKnown(super::echo::Look),
    SpoolLimit(u64),
    Redrawn,
    /// It was looked for output, and there was none.
    Quiet,
    Due,
}

impl Live {
    pub(super) fn new(
        shared: Arc<Shared>,
        harness: Option<Arc<dyn Harness>>,
        record: Record,
        mailbox: mpsc::Receiver<Message>,
        beginning: Beginning,
        launched: Option<oneshot::Sender<Result<Record, Error>>>,
    ) -> Self {
        let keyboard = beginning.keyboard;
        let mut writer = keyboard.map(|own| Writer::spawn(own, Arc::clone(&shared.clock)));
        if let (Some(writer), Some(input)) = (&mut writer, beginning.first_input) {
            // A process that is gone already reads nothing.
            let _ = writer.input(input);
        }
        let end = if beginning.process.lives_on() {
            EndWatch::told_by_a_shim()
        } else {
            EndWatch::default()
        };
        let mut live = Self {
            deliveries: Deliveries::default(),
            observations: Observations::of(&record.session),
            control: Control::default(),
            end,
            screen: beginning.screen,
            identity: IdentityWatch::new(beginning.identity),
            redraw: Redraw::default(),
            killing: Killing::default(),
            deferred: beginning.deferred,
            launched,
            hearing_again: beginning.hearing_again,
            views: Vec::new(),
            bookmarks: Bookmarks::default(),
            leaving: Leaving::No,
            spool_limit: shared.spool_limit.subscribe(),
            process: beginning.process,
            shared,
            harness,
            record,
            writer,
            mailbox,
        };
        let now = live.shared.clock.now();
        if let Some(UnrecordedKill { by }) = beginning.unrecorded_kill {
            live.observations.note(Command::Kill, now, by);
        }
        if let Some((started, at)) = beginning.started {
            live.observations.note(started, at, None);
        }
        if beginning.called_off {
            live.control.kill_was_asked();
            match beginning.early_kill {
                Some(kill) => live.take_over(kill),
                None => live.terminate(),
            }
        }
        live
    }

    /// Drives the session to its end, or until the engine leaves.
    pub(super) async fn run(mut self) {
        for message in std::mem::take(&mut self.deferred) {
            self.told(message);
        }
        loop {
            self.end.comes_to(self.shared.clock.elapsed());
            self.begin_control();
            self.type_what_is_held();
            if self.has_left() {
                return self.bookmarks.settle().await;
            }
            if let Goes::Over = self.begin_observation() {
                return self.dismiss().await;
            }
            let goes_on = match self.wake().await {
                Wake::Told(Some(message)) => self.told(message),
                // The entry that holds the sender outlives this task.
                Wake::Told(None) | Wake::Due => Goes::On,
                Wake::Quiet => {
                    self.end.found_nothing(self.shared.clock.elapsed());
                    Goes::On
                }
                Wake::Redrawn => self.redrawn(),
                Wake::Happened(happening) => self.happened(happening),
                Wake::EchoKnown(look) => {
                    self.control.looked(look);
                    Goes::On
                }
                Wake::HeardAgain(heard) => self.heard_again(*heard),
                Wake::Bookmarked => {
                    self.bookmarks.writing = None;
                    self.set_wanted_bookmark();
                    Goes::On
                }
                Wake::SpoolLimit(limit_bytes) => {
                    self.process.set_spool_limit(limit_bytes);
                    self.writer.iter().for_each(Writer::room_may_be_made);
                    Goes::On
                }
                Wake::Killed(killed) => self.killed(killed),
                Wake::KillAgain => {
                    self.terminate_again();
                    Goes::On
                }
                Wake::Unheard(unheard) => self.unheard(unheard),
                Wake::Unread => {
                    self.deliveries.nobody_reads();
                    Goes::On
                }
                Wake::Observed(outcome) => self.observed(outcome),
                Wake::Controlled(outcome) => self.controlled(outcome),
                Wake::Identified(look) => self.looked(look),
                Wake::TimeToLook => {
                    self.look_for_identity(Again::OnceItWrites);
                    Goes::On
                }
            };
            match goes_on {
                Goes::On => {}
                Goes::Over => return self.dismiss().await,
                Goes::Unrecorded => return self.give_up().await,
            }
        }
    }

    /// Lets go of a session that is over and on record.
    async fn dismiss(mut self) {
        // Of what has ended, a view is what is on record.
        self.views.clear();
        // It would come into a folder that is being removed.
        self.bookmarks.settle().await;
        let on_the_way = self.shared.on_the_way.clone();
        self.process.dismiss(&on_the_way).await;
        on_the_way.reached(&Waypoint::Dismissed);
    }

    /// Waits for whatever comes first. An idle session waits for its process and its mailbox, and
    /// for no timer.
    async fn wake(&mut self) -> Wake {
        let now = self.shared.clock.elapsed();
        let room = self.observations.has_room()
            && !self.is_held_back()
            && !matches!(self.leaving, Leaving::Now { .. })
            && self.hearing_again.is_none();
        let (exit, output) = (self.end.has_process(), self.end.has_output());
        self.end.set_reading(output && room, now);
        let wants = Wants { exit, output, room };
        let (due, redrawn, look) = (self.next_due(now), self.redraw.due(), self.identity.due());
        let is_to_look = self.end.is_to_look(now) && self.control.is_idle();
        let may_be_read = !self.deliveries.is_unread();
        let waits_for_shim = self.waits_for_shim();
        let clock = &self.shared.clock;
        tokio::select! {
            biased;
            message = self.mailbox.recv() => Wake::Told(message),
            outcome = arrival(&mut self.control.in_flight) => Wake::Controlled(outcome),
            outcome = arrival(&mut self.observations.in_flight) => Wake::Observed(outcome),
            killed = arrival(&mut self.killing.under_way) => Wake::Killed(killed),
            () = arrival(&mut self.killing.pause) => Wake::KillAgain,
            unheard = arrival(&mut self.killing.unheard) => Wake::Unheard(unheard),
            heard = arrival(&mut self.hearing_again) => Wake::HeardAgain(Box::new(heard)),
            () = arrival(&mut self.bookmarks.writing) => Wake::Bookmarked,
            look = arrival(&mut self.control.looking) => Wake::EchoKnown(look),
            limit = spool_limit(&mut self.spool_limit), if self.process.lives_on() => Wake::SpoolLimit(limit),
            look = arrival(&mut self.identity.looking) => Wake::Identified(look),
            happening = self.process.happens(wants) => Wake::Happened(happening),
            () = unread(self.writer.as_ref()), if may_be_read => Wake::Unread,
            () = sure(self.writer.as_ref()), if waits_for_shim.is_some() => Wake::Due,
            () = sleep(LOOK), if is_to_look => Wake::Quiet,
            () = until(redrawn, |due| clock.sleep_until(due)) => Wake::Redrawn,
            () = until(look, |due| clock.sleep_until(due)) => Wake::TimeToLook,
            () = until(due, |due| clock.sleep_until(due)) => Wake::Due,
            () = until(waits_for_shim, |due| clock.sleep_until(due)) => Wake::Due,
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
    fn next_due(&self, now: Duration) -> Option<Duration> {
        if self.observations.in_flight.is_some() {
            return None;
        }
        // By then it is looked for output first.
        let end = self
            .end
            .deadline()
            .filter(|due| *due > now && self.control.is_idle());
        self.observations.due().into_iter().chain(end).min()
    }

    fn told(&mut self, message: Message) -> Goes {
        match message {
            Message::Ask(ask) => self.asked(ask),
            // What the terminal is like is not known before.
            Message::View(reply) if self.hearing_again.is_some() => {
                self.views.retain(|reply| !reply.is_closed());
                self.views.push(reply);
            }
            Message::View(reply) => {
                // Whoever asked may have left.
                let _ = reply.send(self.screen.view(&self.record));
            }
            Message::Redraw => self.begin_redraw(),
            Message::Abandon => {
                self.observations.lost(OrphanReason::Shutdown);
                self.leaving = self.leaving.max(Leaving::OnceKilled);
                self.force();
            }
            Message::Leave => self.leave(),
        }
        Goes::On
    }

    /// Takes over what a commit made of the session. Two lanes commit, so the older answer may
    /// come last.
    pub(super) fn swap(&mut self, record: Record) {
        if record.last_seq > self.record.last_seq {
            self.record = record;
        }
        if !self.observations.has_started() {
            return;
        }
        self.process.recorded(self.record.session.output_bytes);
        self.writer.iter().for_each(Writer::room_may_be_made);
        // It is on record as running, or has already ended.
        if let Some(launched) = self.launched.take() {
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
pub(super) async fn arrival<T>(slot: &mut Slot<T>) -> T {
    match slot {
        Some(under_way) => under_way.await,
        None => pending().await,
    }
}

/// Whoever writes finds that nobody reads any more.
async fn unread(writer: Option<&Writer>) {
    match writer {
        Some(writer) => writer.until_unread().await,
        None => pending().await,
    }
}

/// All who wait for what is typed can be answered.
async fn sure(writer: Option<&Writer>) {
    match writer {
        Some(writer) => writer.until_sure().await,
        None => pending().await,
    }
}

/// The next change of what a spool may take.
async fn spool_limit(limit: &mut watch::Receiver<u64>) -> u64 {
    if limit.changed().await.is_err() {
        pending::<()>().await;
    }
    *limit.borrow_and_update()
}

async fn until<F: Future<Output = ()>>(due: Option<Duration>, sleep: impl FnOnce(Duration) -> F) {
    match due {
        Some(due) => sleep(due).await,
        None => pending().await,
    }
}
