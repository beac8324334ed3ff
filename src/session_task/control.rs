//! The lane of what people ask: input, resize, kill, title, labels.
//!
//! All that was asked while a commit was in flight becomes the next one. Effects are performed
//! once it is durable; only a kill's signals go out before.

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use bytes::Bytes;
use coven_core::{Actor, Command, Decision, Echo, Effect, Event, InputData, LaunchMode, Refusal};
use coven_core::{SessionId, Status, decide};
use coven_harness::shim::InputId;
use coven_harness::{Harness, Keystroke};
use coven_store::{AppendError, Appended, Urgency};
use uuid::Uuid;

use super::live::{Goes, Live, Slot};
use super::process::{SecretEntry, Typing};
use super::writer::{Input, NotTyped};
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
    /// Whether what is typed is shown, while a shim is asked for that.
    pub(super) looking: Slot<Echo>,
    /// What it said, for the inputs that waited for it.
    echo: Option<Echo>,
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
    Type(Input),
}

impl Control {
    /// A kill came before this lane began.
    pub(super) fn kill_was_asked(&mut self) {
        self.killed = true;
    }

    pub(super) fn is_idle(&self) -> bool {
        self.asked.is_empty() && self.in_flight.is_none()
    }

    /// Whether what is typed now is shown is known.
    pub(super) fn looked(&mut self, echo: Echo) {
        self.looking = None;
        self.echo = Some(echo);
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
        let echo = self.echo_of_what_waits();
        let output_bytes = self.record.session.output_bytes;
        let is_due = |ask: &Ask| match ask.request {
            Request::Kill => true,
            Request::Trim {
                offset, len_bytes, ..
            } => has_started && offset.saturating_add(len_bytes) <= output_bytes,
            Request::Input { .. } | Request::Submit { .. } => has_started && echo.is_some(),
            Request::Resize { .. } | Request::Edit { .. } => has_started,
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
            match self.grant(&mut plan, &ask.request, echo, ask.by.as_ref()) {
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
            Request::Input { data } => self.type_in(plan, data, echo, by),
            Request::Submit { text } => self.submit(plan, text, echo, by),
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
    fn submit(
        &self,
        plan: &mut Plan,
        text: &str,
        echo: Option<Echo>,
        by: Option<&Actor>,
    ) -> Result<Vec<Then>, Error> {
        plan.session().accepts_input()?;
        if plan.session().mode() == Some(LaunchMode::Stream) {
            return self.type_in(plan, &Bytes::copy_from_slice(text.as_bytes()), echo, by);
        }
        let (mut steps, mut whole) = (Vec::new(), plan.clone());
        for keystroke in self.harness()?.submission(text)? {
            match keystroke {
                // All of it or nothing.
                Keystroke::Type(data) => steps.extend(self.type_in(&mut whole, &data, echo, by)?),
                Keystroke::Pause(pause) => {
                    // Before the first there is nothing to wait after.
                    if let Some(Then::Type(input)) = steps.last_mut() {
                        input.pause += pause;
                    }
                }
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
        echo: Option<Echo>,
        by: Option<&Actor>,
    ) -> Result<Vec<Then>, Error> {
        // Nobody is granted an input before it is known.
        let echo = echo.unwrap_or(Echo::Hidden);
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
                Effect::Deliver { data: bytes } => Then::Type(Input {
                    id: new_id(),
                    data: bytes,
                    pause: Duration::ZERO,
                    room: room.take(),
                }),
                other => Then::Perform(other),
            })
            .collect())
    }

    fn wrap(&self, decision: Decision) -> Result<Decision, Error> {
        let harness = self.harness()?;
        let wrap = |data: &Bytes| {
            let text = std::str::from_utf8(data)
                .map_err(|_| Refusal::invalid("data", "", "must be UTF-8 for a stream session"))?;
            Ok(harness.stream_input(text))
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

    /// Whether the terminal shows what is typed now, if anything waits to be typed; `None` until
    /// whoever holds the terminal has said it.
    fn echo_of_what_waits(&mut self) -> Option<Echo> {
        let is_typed =
            |ask: &Ask| matches!(ask.request, Request::Input { .. } | Request::Submit { .. });
        if !self.control.asked.iter().any(is_typed) {
            return None;
        }
        if let Some(echo) = self.control.echo.take() {
            return Some(echo);
        }
        match self.process.secret_entry() {
            SecretEntry::Never => Some(Echo::Shown),
            SecretEntry::Known(secret) => Some(self.echo(secret)),
            SecretEntry::Ask(shim) => {
                if self.control.looking.is_none() {
                    self.control.looking = Some(Box::pin(ask_for_echo(shim)));
                }
                None
            }
        }
    }

    fn echo(&self, secret: io::Result<bool>) -> Echo {
        match secret {
            Ok(false) => Echo::Shown,
            Ok(true) => Echo::Hidden,
            Err(error) => {
                tracing::warn!(session = %self.id(), %error, "the terminal's modes are unknown");
                Echo::Hidden
            }
        }
    }

    fn harness(&self) -> Result<&dyn Harness, Error> {
        let id = || self.record.session.harness.as_str().to_owned();
        self.harness
            .as_deref()
            .ok_or_else(|| Error::HarnessNotFound { harness: id() })
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
            let is_typed = then.iter().any(|then| matches!(then, Then::Type(_)));
            let performed = then.into_iter().try_for_each(|then| self.perform(then));
            match (performed, &self.writer) {
                (Ok(()), Some(writer)) if is_typed => {
                    let (record, session) = (self.record.clone(), self.id().clone());
                    writer.tell(Box::new(move |typed| {
                        answer(
                            ask,
                            typed
                                .map(|()| record)
                                .map_err(|why| not_typed(session, why)),
                        );
                    }));
                }
                (performed, _) => answer(ask, performed.map(|()| self.record.clone())),
            }
        }
    }

    fn perform(&mut self, then: Then) -> Result<(), Error> {
        match then {
            Then::Type(input) => {
                let session = self.id().clone();
                // Without a writer there is no input: decided before.
                let writer = self.writer.as_ref();
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

    fn id(&self) -> &SessionId {
        &self.record.session.id
    }
}

/// Asks the shim that holds the terminal, or the next one that is reached. Where there will be none,
/// nothing will be typed.
async fn ask_for_echo(mut shim: Typing) -> Echo {
    loop {
        let control = match shim.wait_for(Option::is_some).await {
            Ok(control) => control.clone().expect("it was waited for"),
            Err(_) => return Echo::Hidden,
        };
        match control.secret_entry().await {
            Ok(true) => return Echo::Hidden,
            Ok(false) => return Echo::Shown,
            Err(_) if shim.changed().await.is_err() => return Echo::Hidden,
            Err(_) => {}
        }
    }
}

/// The name of an input that nobody has named.
fn new_id() -> InputId {
    InputId(Uuid::new_v4().into_bytes())
}

fn not_typed(session: SessionId, NotTyped(message): NotTyped) -> Error {
    Error::SendInputFailed { session, message }
}

fn answer(ask: Ask, outcome: Result<crate::Record, Error>) {
    // Whoever asked may have left.
    let _ = ask.reply.send(outcome);
}
