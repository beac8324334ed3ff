//! What people type: into which bytes it goes, and that it is typed once.

use std::collections::VecDeque;
use std::collections::hash_map::{Entry, HashMap};
use std::time::Duration;

use bytes::Bytes;
use coven_core::limits::MAX_UNDELIVERED_INPUTS;
use coven_core::{Actor, Command, Decision, Echo, Effect, Event, InputData, InputId, LaunchMode};
use coven_core::{Refusal, Session, SessionId, decide};
use coven_harness::{Harness, Keystroke};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::control::{Then, name};
use super::deliveries::Batch;
use super::heard_again::Recorded;
use super::live::Live;
use super::owed::Kept;
use super::writer::{Input, NotTyped, Writer};
use crate::commit::Plan;
use crate::running::Ask;
use crate::{Error, Unavailable};

/// The pause after an input that is typed although the engine that took it died: some harnesses take
/// what comes too soon after a prompt for a part of it.
const PAUSE: Duration = Duration::from_millis(200);

/// Parts that a submission may have: harnesses take two, the text and Enter.
pub(super) const MAX_PARTS: usize = 4;

/// Names of inputs that are on record, the newest of them: as many as may be undelivered, and so as
/// many as a shim knows for certain.
#[derive(Debug, Default)]
pub(super) struct Names {
    in_order: VecDeque<InputId>,
    known: HashMap<InputId, Kept>,
}

impl Names {
    /// How much the log has of the input of this name; `None` where that is none of them.
    fn kept(&self, name: InputId) -> Option<Kept> {
        self.known.get(&name).copied()
    }

    /// Oldest first.
    pub(super) fn in_order(&self) -> impl Iterator<Item = InputId> {
        self.in_order.iter().copied()
    }

    /// True where it was not known.
    pub(super) fn add(&mut self, name: InputId, kept: Kept) -> bool {
        let Entry::Vacant(unknown) = self.known.entry(name) else {
            return false;
        };
        unknown.insert(kept);
        self.in_order.push_back(name);
        if self.in_order.len() > MAX_UNDELIVERED_INPUTS
            && let Some(oldest) = self.in_order.pop_front()
        {
            self.known.remove(&oldest);
        }
        true
    }
}

impl Live {
    /// A prompt, typed as this harness takes it.
    pub(super) fn submit(
        &self,
        plan: &mut Plan,
        text: &str,
        name: Option<InputId>,
        echo: Option<Echo>,
        by: Option<&Actor>,
    ) -> Result<Vec<Then>, Error> {
        plan.session().accepts_input()?;
        if plan.session().mode() == Some(LaunchMode::Stream) {
            let data = Bytes::copy_from_slice(text.as_bytes());
            return self.type_in(plan, &data, name, echo, by);
        }
        let (mut steps, mut whole) = (Vec::new(), plan.clone());
        for keystroke in self.harness()?.submission(text)? {
            match keystroke {
                // All of it or nothing.
                Keystroke::Type(data) => {
                    let name = name.map(|name| part(name, steps.len()));
                    steps.extend(self.type_in(&mut whole, &data, name, echo, by)?);
                }
                Keystroke::Pause(pause) => {
                    // Before the first there is nothing to wait after.
                    if let Some(Then::Type { input, .. }) = steps.last_mut() {
                        input.pause += pause;
                    }
                }
            }
        }
        *plan = whole;
        Ok(steps)
    }

    /// Bytes, as they are, or wrapped as a line for a stream session. What has a name that is on
    /// record is typed only if it was not, which a shim knows.
    pub(super) fn type_in(
        &self,
        plan: &mut Plan,
        data: &Bytes,
        name: Option<InputId>,
        echo: Option<Echo>,
        by: Option<&Actor>,
    ) -> Result<Vec<Then>, Error> {
        let on_record = name.and_then(|name| self.control.names.kept(name));
        let is_on_record = on_record.is_some();
        if let Some(refusal) = name.and_then(|name| self.deliveries.refusal(name, self.id())) {
            return Err(refusal.into());
        }
        let accepts = self.accepts_input(plan.session());
        if is_on_record && (accepts.is_err() || !self.process.lives_on()) {
            return Ok(Vec::new());
        }
        accepts?;
        let typed = Command::Input {
            data: data.clone(),
            // Nobody is granted an input before it is known.
            echo: echo.unwrap_or(Echo::Hidden),
            id: Some(name.unwrap_or_else(new_id)),
        };
        let mut decision = decide(plan.session(), typed)?;
        if plan.session().mode() == Some(LaunchMode::Stream) {
            decision = self.wrap(decision)?;
        }
        let typed = decision.effects.iter().map(|effect| match effect {
            Effect::Deliver { data } => data.len(),
            Effect::Spawn
            | Effect::CancelSpawn
            | Effect::Resize { .. }
            | Effect::Terminate { .. } => 0,
        });
        let mut room = self.deliveries.rooms().reserve(typed.sum());
        if room.is_none() {
            return Err(Unavailable::InputQueueFull.into());
        }
        let input = decision.events.iter().find_map(|event| match event {
            Event::Input { id, data } => id.map(|id| (id, on_record.unwrap_or(kept(data)))),
            _ => None,
        });
        let effects = if is_on_record {
            decision.effects
        } else {
            plan.add_decision(decision, self.shared.clock.now(), by)?
        };
        Ok(effects
            .into_iter()
            .map(|effect| match (effect, input) {
                (Effect::Deliver { data }, Some((id, kept))) => {
                    let input = Input {
                        id,
                        data,
                        pause: Duration::ZERO,
                        room: room.take(),
                    };
                    Then::Type { input, kept }
                }
                (other, _) => Then::Perform(other),
            })
            .collect())
    }

    /// Whether the session takes input now, and somebody may read it.
    fn accepts_input(&self, session: &Session) -> Result<(), Refusal> {
        session.accepts_input()?;
        let writer = self.writer.as_ref();
        if self.deliveries.is_unread() || writer.is_none_or(Writer::is_unread) {
            return Err(self.nobody_reads());
        }
        Ok(())
    }

    fn nobody_reads(&self) -> Refusal {
        Refusal::NobodyReads {
            session: self.id().clone(),
        }
    }

    /// Whether what is asked has the name of something that is on its way into the log.
    pub(super) fn is_under_way(&self, ask: &Ask) -> bool {
        let name = name(ask);
        name.is_some()
            && self
                .control
                .granted
                .iter()
                .any(|granted| granted.name() == name)
    }

    /// What is typed is on record now, and is not put there again.
    pub(super) fn note_names(&mut self, then: &mut [Then], place: Batch) {
        for then in then {
            let Then::Type { input, kept } = then else {
                continue;
            };
            if self.control.names.add(input.id, *kept) {
                let len_bytes = input.data.len() as u64;
                self.deliveries
                    .recorded(input.id, len_bytes, place, input.room.take());
            } else {
                self.deliveries.asked_again(input.id);
            }
        }
    }

    /// What is written by now takes no room any more.
    pub(super) fn note_written(&mut self) {
        if let Some(writer) = &self.writer {
            writer.progress().tell(&mut self.deliveries);
        }
    }

    /// Has what an engine before put on record typed, if it was not: that one may have died in
    /// between, and the shim knows.
    pub(super) fn type_again(&mut self, inputs: impl IntoIterator<Item = Recorded>) {
        for Recorded {
            id,
            place,
            len_bytes,
            data,
        } in inputs
        {
            let kept = data.as_ref().map_or(Kept::Name, |_| Kept::Whole);
            self.control.names.add(id, kept);
            // Of what an engine typed that is dead, and its terminal with it, nobody knows.
            if self.process.is_held() {
                match data {
                    Some(_) => self.deliveries.recorded_before(id, len_bytes, place),
                    None => self.forgotten(id, len_bytes, place),
                }
            }
            if let (Some(data), Some(writer)) = (data, &mut self.writer) {
                // Where nobody reads any more, nothing is missed.
                let _ = writer.input(Input {
                    id,
                    data,
                    pause: PAUSE,
                    room: None,
                });
            }
        }
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
                id,
            } => wrap(&data).map(|data| Event::Input {
                data: InputData::Plain { data },
                id,
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

    fn harness(&self) -> Result<&dyn Harness, Error> {
        let id = || self.record.session.harness.as_str().to_owned();
        self.harness
            .as_deref()
            .ok_or_else(|| Error::HarnessNotFound { harness: id() })
    }
}

const fn kept(recorded: &InputData) -> Kept {
    match recorded {
        InputData::Plain { .. } => Kept::Whole,
        InputData::Redacted { .. } => Kept::Name,
    }
}

/// The name of an input that nobody has named.
fn new_id() -> InputId {
    InputId(Uuid::new_v4().into_bytes())
}

pub(super) fn not_typed(session: SessionId, NotTyped(message): NotTyped) -> Error {
    Error::SendInputFailed { session, message }
}

/// Whether this is the name of an input that was asked for by the name `whole`, or of a part of that.
pub(crate) fn is_of(whole: InputId, id: InputId) -> bool {
    (0..MAX_PARTS).any(|number| part(whole, number) == id)
}

/// The name of a part of what has this name: no other that somebody may choose.
fn part(whole: InputId, number: usize) -> InputId {
    if number == 0 {
        return whole;
    }
    let mut hash = Sha256::new_with_prefix("coven.part.v1");
    hash.update(whole.0);
    hash.update(u64::try_from(number).unwrap_or(u64::MAX).to_be_bytes());
    let hash = hash.finalize();
    InputId(std::array::from_fn(|at| hash[at]))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_that_somebody_counts_have_parts_with_names_of_their_own() {
        let whole = |number: u128| InputId(number.to_be_bytes());
        let names = (0..100).flat_map(|number| (0..4).map(move |at| part(whole(number), at).0));
        assert_eq!(names.collect::<HashSet<_>>().len(), 400);
        assert_eq!(part(whole(7), 0), whole(7));
        assert_eq!(part(whole(7), 3), part(whole(7), 3));
    }
}
