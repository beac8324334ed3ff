//! The lane of what people ask: input, resize, kill, title, labels.
//!
//! All that was asked while a commit was in flight becomes the next one. Effects are performed
//! once it is durable; only a kill's signals go out before.

use std::collections::VecDeque;

use coven_core::{Actor, Command, Echo, Effect, InputId, Refusal, SessionId, Status, decide};
use coven_store::{AppendError, Appended, Urgency};

use super::deliveries::Batch;
use super::echo::{Look, Seen};
use super::live::{Goes, Live, Slot};
use super::owed::{Kept, Owed};
use super::typing::{Names, not_typed};
use super::writer::Input;
use crate::commit::Plan;
use crate::on_the_way::Waypoint;
use crate::running::{Ask, Request};
use crate::{Error, Unavailable};

/// Requests that may wait for the commit in flight: a burst of keystrokes. A kill always may.
pub(super) const MAX_ASKED: usize = 256;

pub(super) type Outcome = Result<Appended, AppendError>;

/// What people asked and has no answer yet.
#[derive(Default)]
pub(super) struct Control {
    pub(super) asked: VecDeque<Ask>,
    pub(super) in_flight: Slot<Outcome>,
    /// Whether what is typed is shown, while a shim is asked for that.
    pub(super) looking: Slot<Look>,
    /// For how many inputs it is asked: those that waited then, the oldest. Meanwhile none of them
    /// leaves the queue. What is typed later may be a password, and is asked for on its own.
    pub(super) looking_for: usize,
    /// What it said.
    pub(super) seen: Option<Seen>,
    /// What the commit in flight answers.
    pub(super) granted: Vec<Granted>,
    /// Inputs that are on record.
    pub(super) names: Names,
    killed: bool,
    /// A kill was carried out that goes into the log as an observation: of the process nothing
    /// more may be asked, whatever the record says.
    kill_noted: bool,
    /// Further kills after one that failed, until it is known what became of them.
    pub(super) killing_again: Vec<Ask>,
}

/// What was begun of all that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Begun {
    All,
    /// Others wait for what becomes of one that has their name, or came after the last look at the
    /// terminal.
    Part,
}

/// A request whose events are on their way.
pub(super) struct Granted {
    ask: Ask,
    then: Vec<Then>,
}

impl Granted {
    /// The name that whoever asks gave to what is typed.
    pub(super) const fn name(&self) -> Option<InputId> {
        name(&self.ask)
    }
}

/// The name of what is to be typed, where whoever asks gave one.
pub(super) const fn name(ask: &Ask) -> Option<InputId> {
    match ask.request {
        Request::Input { id, .. } | Request::Submit { id, .. } => id,
        Request::Resize { .. } | Request::Kill | Request::Edit { .. } | Request::Trim { .. } => {
            None
        }
    }
}

/// What is due once the events are durable.
pub(super) enum Then {
    Perform(Effect),
    Type { input: Input, kept: Kept },
}

impl Control {
    /// A kill came before this lane began.
    pub(super) fn kill_was_asked(&mut self) {
        self.killed = true;
    }

    pub(super) fn is_idle(&self) -> bool {
        self.asked.is_empty() && self.in_flight.is_none()
    }
}

impl Live {
    /// Takes a request. A kill is carried out at once.
    pub(super) fn asked(&mut self, ask: Ask) {
        if self.is_ending() {
            // Unanswered: there is no process any more, and the record will say so.
            return;
        }
        if self.is_left() && !matches!(ask.request, Request::Kill) {
            return answer(ask, Err(Unavailable::ShuttingDown.into()));
        }
        match ask.request {
            // On record it is being killed already.
            Request::Kill if self.control.killed && self.may_be_killed_again() => {
                self.kill_again(ask);
            }
            Request::Kill => match self.kill_now() {
                Ok(()) => self.control.asked.push_back(ask),
                Err(refusal) => answer(ask, Err(refusal.into())),
            },
            Request::Input { .. }
            | Request::Submit { .. }
            | Request::Resize { .. }
            | Request::Edit { .. }
            | Request::Trim { .. } => {
                if self.control.asked.len() < MAX_ASKED {
                    self.control.asked.push_back(ask);
                } else {
                    answer(ask, Err(Unavailable::Busy.into()));
                }
            }
        }
    }

    /// Whether a kill was made that does not lead to the end.
    fn may_be_killed_again(&self) -> bool {
        let now = self.shared.clock.elapsed();
        self.killing.has_failed() || self.killing.is_silent(now)
    }

    /// Has another kill made, or waits for the one that is.
    fn kill_again(&mut self, ask: Ask) {
        if self.control.killing_again.len() >= MAX_ASKED {
            return answer(ask, Err(Unavailable::Busy.into()));
        }
        self.control.killing_again.push(ask);
        if !self.killing.is_under_way() {
            self.terminate_again();
        }
    }

    /// A kill is through; `failure` says why processes may still be there.
    pub(super) fn kill_is_through(&mut self, failure: Option<&str>) {
        for ask in std::mem::take(&mut self.control.killing_again) {
            let session = self.id().clone();
            let outcome = match failure {
                Some(message) => Err(Error::KillFailed {
                    session,
                    message: message.to_owned(),
                }),
                None => Ok(self.record.clone()),
            };
            answer(ask, outcome);
        }
    }

    fn kill_now(&mut self) -> Result<(), Refusal> {
        if self.control.killed {
            return Err(self.is_killed());
        }
        decide(&self.record.session, Command::Kill)?;
        self.shared.on_the_way.reached(&Waypoint::KillAsked);
        self.control.killed = true;
        self.terminate();
        Ok(())
    }

    /// Begins the next commit of this lane, if anything was asked. All but a kill waits until the
    /// process is on record; a trim of output that this task has not heard is on record, until it
    /// has.
    pub(super) fn begin_control(&mut self) {
        // Of what has one name, one is granted at a time. Where that needs no commit, nothing but this
        // would look at the others.
        while self.control.in_flight.is_none() && self.begin_one() == Begun::Part {}
    }

    fn begin_one(&mut self) -> Begun {
        let has_started = self.observations.has_started();
        let seen = self.seen_for_what_waits().filter(|_| has_started);
        let output_bytes = self.record.session.output_bytes;
        let due = self
            .control
            .take_due(seen.map_or(0, |seen| seen.inputs), |ask| {
                match ask.request {
                    Request::Kill => true,
                    Request::Trim {
                        offset, len_bytes, ..
                    } => has_started && offset.saturating_add(len_bytes) <= output_bytes,
                    Request::Resize { .. } | Request::Edit { .. } => has_started,
                    // Counted, and not asked for here.
                    Request::Input { .. } | Request::Submit { .. } => false,
                }
            });
        if due.is_empty() {
            return Begun::All;
        }
        if seen.is_some() {
            self.note_written();
        }
        let mut begun = if seen.is_some() && self.control.inputs() > 0 {
            Begun::Part
        } else {
            Begun::All
        };
        let echo = seen.map(|seen| seen.echo);
        let mut plan = Plan::of(&self.record.session);
        for ask in due {
            if self.is_under_way(&ask) {
                self.control.asked.push_back(ask);
                begun = Begun::Part;
                continue;
            }
            match self.grant(&mut plan, &ask.request, echo, ask.by.as_ref()) {
                Ok(then) => self.control.granted.push(Granted { ask, then }),
                Err(error) => answer(ask, Err(error)),
            }
        }
        if plan.is_empty() {
            // What is typed of it is on record from before.
            let last = self.record.last_seq;
            self.carry_out((last, last));
            return begun;
        }
        let store = self.shared.store.clone();
        let batch = plan.batch(None, Urgency::Control);
        self.control.in_flight = Some(Box::pin(async move { store.append(batch).await }));
        begun
    }

    fn grant(
        &self,
        plan: &mut Plan,
        request: &Request,
        echo: Option<Echo>,
        by: Option<&Actor>,
    ) -> Result<Vec<Then>, Error> {
        let now = self.shared.clock.now();
        let perform = |effects: Vec<Effect>| effects.into_iter().map(Then::Perform).collect();
        match request {
            Request::Input { .. } | Request::Submit { .. } | Request::Resize { .. }
                if self.control.kill_noted =>
            {
                Err(self.is_killed().into())
            }
            Request::Input { data, id } => self.type_in(plan, data, *id, echo, by),
            Request::Submit { text, id } => self.submit(plan, text, *id, echo, by),
            Request::Resize { size } => {
                let resize = Command::Resize { size: *size };
                Ok(perform(plan.add(resize, now, by)?))
            }
            // Its signals are on their way.
            Request::Kill => plan.add(Command::Kill, now, by).map(|_| Vec::new()),
            Request::Edit { title, labels } => {
                let (title, labels) = (title.clone(), labels.clone());
                Ok(perform(plan.add(
                    Command::Edit { title, labels },
                    now,
                    by,
                )?))
            }
            Request::Trim {
                offset,
                len_bytes,
                sha256,
            } => {
                let trim = Command::Trim {
                    offset: *offset,
                    len_bytes: *len_bytes,
                    sha256: *sha256,
                };
                Ok(perform(plan.add(trim, now, by)?))
            }
        }
    }

    /// A commit of this lane is through.
    pub(super) fn controlled(&mut self, outcome: Outcome) -> Goes {
        self.control.in_flight = None;
        match outcome {
            Ok(appended) => {
                let place = (appended.first, appended.last);
                let trimmed_bytes = self.record.session.trimmed_bytes;
                self.swap(appended.record);
                self.carry_out(place);
                if self.record.session.trimmed_bytes > trimmed_bytes {
                    self.want_bookmark();
                }
            }
            Err(error) => self.put_off(&error.into()),
        }
        Goes::On
    }

    /// Waits until it is known what became of the commit in flight, if there is one.
    pub(super) async fn settle_control(&mut self) {
        if let Some(in_flight) = self.control.in_flight.take() {
            self.controlled(in_flight.await);
        }
    }

    /// Performs the effects of what is on record now, in order, and answers.
    fn carry_out(&mut self, place: Batch) {
        for Granted { ask, mut then } in std::mem::take(&mut self.control.granted) {
            if matches!(ask.request, Request::Kill) {
                self.shared.on_the_way.reached(&Waypoint::KillRecorded);
            }
            if let Some(refusal) = self.refused_meanwhile(&then) {
                answer(ask, Err(refusal.into()));
                continue;
            }
            self.note_names(&mut then, place);
            let kept = kept(&then);
            let performed = then.into_iter().try_for_each(|then| self.perform(then));
            let record = self.record.clone();
            match (performed, &mut self.writer, kept) {
                (Ok(()), Some(writer), Some(kept)) => {
                    writer.tell(Owed::new(ask, record, kept));
                }
                (performed, ..) => answer(ask, performed.map(|()| record)),
            }
        }
    }

    fn perform(&mut self, then: Then) -> Result<(), Error> {
        match then {
            Then::Type { input, .. } => {
                let session = self.id().clone();
                self.pass_over_before(input.id);
                // Without a writer there is no input: decided before.
                let writer = self.writer.as_mut();
                let typed = writer.map_or(Ok(()), |writer| writer.input(input));
                typed.map_err(|why| not_typed(session, why))
            }
            // It gets the size that is on record when that is over.
            Then::Perform(Effect::Resize { .. }) if self.redraw.is_under_way() => Ok(()),
            Then::Perform(Effect::Resize { size }) => {
                let resized = self.process.resize(size);
                resized.map_err(|error| Error::internal(&error))
            }
            // A kill is carried out when it is asked, input is for the writer, and the process was
            // made before this lane began.
            Then::Perform(
                Effect::Terminate { .. }
                | Effect::CancelSpawn
                | Effect::Deliver { .. }
                | Effect::Spawn,
            ) => Ok(()),
        }
    }

    /// Nothing of it is on record. A kill was carried out all the same: it is recorded as soon as
    /// that can be, and before the exit.
    fn put_off(&mut self, error: &Error) {
        for Granted { ask, then } in std::mem::take(&mut self.control.granted) {
            drop(then);
            if matches!(ask.request, Request::Kill) {
                tracing::warn!(session = %self.id(), %error,
                    "a kill is carried out, and not on record yet");
                let now = self.shared.clock.now();
                self.observations.note(Command::Kill, now, ask.by.clone());
                self.control.kill_noted = true;
                answer(ask, Ok(self.record.clone()));
            } else {
                answer(ask, Err(error.clone()));
            }
        }
    }

    fn is_killed(&self) -> Refusal {
        Refusal::NotLive {
            session: self.id().clone(),
            status: Status::Killed,
        }
    }

    pub(super) fn id(&self) -> &SessionId {
        &self.record.session.id
    }
}

/// How much the log has of what is typed; `None` where nothing is.
fn kept(then: &[Then]) -> Option<Kept> {
    let kept = then.iter().filter_map(|then| match then {
        Then::Type { kept, .. } => Some(*kept),
        Then::Perform(_) => None,
    });
    kept.reduce(Kept::and)
}

pub(super) fn answer(ask: Ask, outcome: Result<crate::Record, Error>) {
    // Whoever asked may have left.
    let _ = ask.reply.send(outcome);
}
