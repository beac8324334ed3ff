//! The lane of what people ask: input, resize, kill, title, labels.
//!
//! All that was asked while a commit was in flight becomes the next one. Effects are performed
//! once it is durable; only a kill's signals go out before.

use std::collections::VecDeque;

use bytes::Bytes;
use coven_core::{Actor, Command, Decision, Echo, Effect, Event, InputData, LaunchMode, Refusal};
use coven_core::{SessionId, Status, decide};
use coven_harness::Keystroke;
use coven_harness::process::Terminal;
use coven_store::{AppendError, Appended, Urgency};

use super::live::{Goes, Live, Slot};
use super::writer::{Gone, Step};
use crate::commit::Plan;
use crate::running::{Ask, Request};
use crate::{Error, Unavailable};

/// Requests that may wait for the commit in flight: a burst of keystrokes. A kill always may.
pub(super) const MAX_ASKED: usize = 256;

pub(super) type Outcome = Result<Appended, AppendError>;

/// What people asked and has no answer yet.
#[derive(Default)]
pub(super) struct Control {
    asked: VecDeque<Ask>,
    pub(super) in_flight: Slot<Outcome>,
    /// What the commit in flight answers.
    granted: Vec<Granted>,
    killed: bool,
    /// A kill was carried out that goes into the log as an observation: of the process nothing
    /// more may be asked, whatever the record says.
    kill_noted: bool,
    /// Further kills after one that failed, until it is known what became of them.
    killing_again: Vec<Ask>,
}

/// A request whose events are on their way.
struct Granted {
    ask: Ask,
    then: Vec<Then>,
}

/// What is due once the events are durable.
enum Then {
    Perform(Effect),
    Write(Step),
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
        match ask.request {
            // On record it is being killed already.
            Request::Kill if self.killing.has_failed() => self.kill_again(ask),
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
        self.control.killed = true;
        self.terminate();
        Ok(())
    }

    /// Begins the next commit of this lane, if anything was asked. All but a kill waits until the
    /// process is on record; a trim of output that this task has not heard is on record, until it
    /// has.
    pub(super) fn begin_control(&mut self) {
        if self.control.in_flight.is_some() {
            return;
        }
        let has_started = self.observations.has_started();
        let output_bytes = self.record.session.output_bytes;
        let is_due = |ask: &Ask| match ask.request {
            Request::Kill => true,
            Request::Trim {
                offset, len_bytes, ..
            } => has_started && offset.saturating_add(len_bytes) <= output_bytes,
            Request::Input { .. }
            | Request::Submit { .. }
            | Request::Resize { .. }
            | Request::Edit { .. } => has_started,
        };
        let (due, early): (VecDeque<Ask>, VecDeque<Ask>) = std::mem::take(&mut self.control.asked)
            .into_iter()
            .partition(is_due);
        self.control.asked = early;
        if due.is_empty() {
            return;
        }
        let mut plan = Plan::of(&self.record.session);
        for ask in due {
            match self.grant(&mut plan, &ask.request, ask.by.as_ref()) {
                Ok(then) => self.control.granted.push(Granted { ask, then }),
                Err(error) => answer(ask, Err(error)),
            }
        }
        if plan.is_empty() {
            self.carry_out();
            return;
        }
        let store = self.shared.store.clone();
        let batch = plan.batch(None, Urgency::Control);
        self.control.in_flight = Some(Box::pin(async move { store.append(batch).await }));
    }

    fn grant(
        &self,
        plan: &mut Plan,
        request: &Request,
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
            Request::Input { data } => self.type_in(plan, data, by),
            Request::Submit { text } => self.submit(plan, text, by),
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

    /// A prompt, typed as this harness takes it.
    fn submit(&self, plan: &mut Plan, text: &str, by: Option<&Actor>) -> Result<Vec<Then>, Error> {
        plan.session().accepts_input()?;
        if plan.session().mode() == Some(LaunchMode::Stream) {
            return self.type_in(plan, &Bytes::copy_from_slice(text.as_bytes()), by);
        }
        let (mut steps, mut whole) = (Vec::new(), plan.clone());
        for keystroke in self.harness.submission(text)? {
            match keystroke {
                // All of it or nothing.
                Keystroke::Type(data) => steps.extend(self.type_in(&mut whole, &data, by)?),
                Keystroke::Pause(pause) => steps.push(Then::Write(Step::Pause(pause))),
            }
        }
        *plan = whole;
        Ok(steps)
    }

    /// Bytes, as they are, or wrapped as a line for a stream session.
    fn type_in(
        &self,
        plan: &mut Plan,
        data: &Bytes,
        by: Option<&Actor>,
    ) -> Result<Vec<Then>, Error> {
        let echo = self.echo();
        let typed = Command::Input {
            data: data.clone(),
            echo,
        };
        let mut decision = decide(plan.session(), typed)?;
        if plan.session().mode() == Some(LaunchMode::Stream) {
            decision = self.wrap(decision)?;
        }
        // Without a writer there is no input: decided above.
        let writer = self.writer.as_ref().ok_or(Error::SendInputFailed {
            session: self.id().clone(),
            message: "it has no input".to_owned(),
        })?;
        let mut room = writer.reserve(data.len());
        if room.is_none() {
            return Err(Unavailable::InputQueueFull.into());
        }
        let effects = plan.add_decision(decision, self.shared.clock.now(), by)?;
        Ok(effects
            .into_iter()
            .map(|effect| match effect {
                Effect::Deliver { data: bytes } => Then::Write(Step::Input {
                    data: bytes,
                    room: room.take(),
                }),
                other => Then::Perform(other),
            })
            .collect())
    }

    fn wrap(&self, decision: Decision) -> Result<Decision, Refusal> {
        let wrap = |data: &Bytes| {
            let text = std::str::from_utf8(data)
                .map_err(|_| Refusal::invalid("data", "", "must be UTF-8 for a stream session"))?;
            Ok(self.harness.stream_input(text))
        };
        let events = decision.events.into_iter().map(|event| match event {
            Event::Input {
                data: InputData::Plain { data },
            } => wrap(&data).map(|data| Event::Input {
                data: InputData::Plain { data },
            }),
            other => Ok(other),
        });
        let effects = decision.effects.into_iter().map(|effect| match effect {
            Effect::Deliver { data } => wrap(&data).map(|data| Effect::Deliver { data }),
            other => Ok(other),
        });
        Ok(Decision {
            events: events.collect::<Result<_, Refusal>>()?,
            effects: effects.collect::<Result<_, Refusal>>()?,
        })
    }

    /// Whether the terminal shows what is typed now.
    fn echo(&self) -> Echo {
        match self.terminal.as_ref().map(Terminal::secret_entry) {
            Some(Ok(true)) => Echo::Hidden,
            // Without a terminal there is nobody to ask for a password.
            Some(Ok(false)) | None => Echo::Shown,
            Some(Err(error)) => {
                tracing::warn!(session = %self.id(), %error, "the terminal's modes are unknown");
                Echo::Hidden
            }
        }
    }

    /// A commit of this lane is through.
    pub(super) fn controlled(&mut self, outcome: Outcome) -> Goes {
        self.control.in_flight = None;
        match outcome {
            Ok(appended) => {
                self.swap(appended.record);
                self.carry_out();
            }
            Err(error) => self.put_off(&error.into()),
        }
        Goes::On
    }

    /// Performs the effects of what is on record now, in order, and answers.
    fn carry_out(&mut self) {
        for Granted { ask, then } in std::mem::take(&mut self.control.granted) {
            let performed = then.into_iter().try_for_each(|then| self.perform(then));
            answer(ask, performed.map(|()| self.record.clone()));
        }
    }

    fn perform(&self, then: Then) -> Result<(), Error> {
        let session = self.id().clone();
        match then {
            Then::Write(step) => self
                .writer
                .as_ref()
                .ok_or(Gone)
                .and_then(|writer| writer.step(step))
                .map_err(|Gone| Error::SendInputFailed {
                    session,
                    message: "the process does not read any more".to_owned(),
                }),
            // It gets the size that is on record when that is over.
            Then::Perform(Effect::Resize { .. }) if self.redraw.is_under_way() => Ok(()),
            Then::Perform(Effect::Resize { size }) => {
                let resized = self.terminal.as_ref().map(|terminal| terminal.resize(size));
                resized
                    .unwrap_or(Ok(()))
                    .map_err(|error| Error::internal(&error))
            }
            // A kill is carried out when it is asked, input is a step of the writer, and the
            // process was made before this lane began.
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

    fn id(&self) -> &SessionId {
        &self.record.session.id
    }
}

fn answer(ask: Ask, outcome: Result<crate::Record, Error>) {
    // Whoever asked may have left.
    let _ = ask.reply.send(outcome);
}
