//! The lane of what was observed: the start, output, the harness's conversation, the end.
//!
//! Its commits wait for the disk, however long: what was observed must not be lost. While one is
//! in flight, what is read gathers. The last output, the end of output and the exit are one
//! commit.

use std::time::Duration;

use coven_core::{Actor, Channel, Command, OrphanReason, OutputEnd, Phase, Session, Timestamp};
use coven_harness::Scanned;
use coven_harness::terminal::Listener;
use coven_store::limits::MAX_BATCH_EVENTS;
use coven_store::{AppendError, Appended, Urgency};

use super::deliveries::LastWord;
use super::ending::End;
use super::gather::{Gather, Taken};
use super::live::{Goes, Live, Slot};
use crate::commit::Plan;
use crate::on_the_way::Waypoint;
use crate::recover;

/// Facts that go into one commit, besides output: with as many pieces of that as there may be, they fit one
/// batch.
const MAX_FACTS: usize = MAX_BATCH_EVENTS / 4;

pub(super) type Outcome = Result<Appended, AppendError>;

/// What was observed and is not on record yet.
#[derive(Default)]
pub(super) struct Observations {
    facts: Vec<Fact>,
    gather: Gather,
    pub(super) in_flight: Slot<Outcome>,
    /// What the commit in flight is about.
    carried: Carried,
    has_started: bool,
    /// When the process ended, once it has.
    ended_at: Option<Timestamp>,
    lost: Option<OrphanReason>,
    /// Why the log takes nothing more of the session, where that is no matter of time.
    pub(super) refused: Option<String>,
}

/// Anything but output.
struct Fact {
    command: Command,
    at: Timestamp,
    by: Option<Actor>,
}

/// What was heard of the output up to some place.
pub(super) struct Heard {
    pub(super) listener: Listener,
    /// How much of it was listened to for the conversation's id.
    pub(super) scanned: Option<Scanned>,
}

#[derive(Default)]
struct Carried {
    /// What was heard up to the end of its output.
    heard: Option<Heard>,
    is_last: bool,
}

impl Observations {
    /// Notes a fact; it goes into the next commit, before the output.
    pub(super) fn note(&mut self, command: Command, at: Timestamp, by: Option<Actor>) {
        self.facts.push(Fact { command, at, by });
    }

    /// Those of a session that is on record like that.
    pub(super) fn of(session: &Session) -> Self {
        Self {
            has_started: session.phase.process().is_some(),
            ..Self::default()
        }
    }

    pub(super) fn output(&mut self, channel: Channel, data: &[u8], now: Duration, at: Timestamp) {
        self.gather.push(channel, data, now, at);
    }

    pub(super) fn ended(&mut self, at: Timestamp) {
        self.ended_at = Some(at);
    }

    /// The session ends here, and how its process ends will not be known.
    pub(super) fn lost(&mut self, reason: OrphanReason) {
        self.lost = Some(reason);
    }

    pub(super) const fn has_room(&self) -> bool {
        self.gather.has_room() && self.facts.len() < MAX_FACTS
    }

    /// Whether there are facts that are not on record, or may not be.
    pub(super) fn has_facts(&self) -> bool {
        !self.facts.is_empty() || self.in_flight.is_some()
    }

    /// Whether the process is on record.
    pub(super) const fn has_started(&self) -> bool {
        self.has_started
    }

    /// Whether the commit in flight is the session's last.
    pub(super) const fn carries_the_last(&self) -> bool {
        self.carried.is_last
    }

    /// When output is due; not while a commit is in flight, whose end comes first.
    pub(super) fn due(&self) -> Option<Duration> {
        match self.in_flight {
            Some(_) => None,
            None => self.gather.due(),
        }
    }
}

impl Live {
    /// Begins the next commit of this lane, if one is due.
    pub(super) fn begin_observation(&mut self) -> Goes {
        if self.observations.in_flight.is_some() {
            return Goes::On;
        }
        self.tell_passed_over(MAX_FACTS.saturating_sub(self.observations.facts.len()));
        self.tell_unread();
        let now = self.shared.clock.elapsed();
        let last = self.last(now).filter(|last| self.has_told_all(last));
        let is_due = self.observations.due().is_some_and(|due| due <= now);
        let is_last = last.is_some();
        if self.observations.facts.is_empty() && !is_last && !is_due {
            return Goes::On;
        }
        let pieces = match (is_last, is_due) {
            (true, _) => self.observations.gather.take_all(),
            (false, true) => self.observations.gather.take(now),
            (false, false) => Vec::new(),
        };
        let (mut plan, at) = (Plan::of(&self.record.session), self.shared.clock.now());
        for Fact { command, at, by } in std::mem::take(&mut self.observations.facts) {
            add(&mut plan, command, at, by.as_ref());
        }
        for Taken { channel, data, at } in pieces {
            add(&mut plan, Command::RecordOutput { channel, data }, at, None);
        }
        if let Some(last) = last {
            let at = self.observations.ended_at.unwrap_or(at);
            add_last(&mut plan, last, at);
        }
        if plan.is_empty() {
            return if is_last { Goes::Over } else { Goes::On };
        }
        let heard = Heard {
            listener: self.screen.state(),
            scanned: self.identity.so_far(),
        };
        let heard = Some(heard);
        self.observations.carried = Carried { heard, is_last };
        let store = self.shared.store.clone();
        let batch = plan.batch(None, Urgency::Output);
        self.observations.in_flight = Some(Box::pin(async move { store.append(batch).await }));
        Goes::On
    }

    /// Notes what of what was typed will not reach the process, since nobody reads any more: as much of it as
    /// goes into one commit.
    fn tell_unread(&mut self) {
        if !self.deliveries.is_unread() {
            return;
        }
        if let Some(writer) = &self.writer {
            writer.progress().tell(&mut self.deliveries);
        }
        let now = self.shared.clock.now();
        let room = MAX_FACTS.saturating_sub(self.observations.facts.len());
        for undelivered in self.deliveries.give_up_unread(room) {
            self.observations.note(undelivered.command(), now, None);
        }
    }

    /// Notes what of what was typed did not reach the process, which ends like this: as much of it as goes into
    /// one commit. True once that is all.
    fn has_told_all(&mut self, last: &Last) -> bool {
        let said = match last {
            // What a shim still had to say was not heard.
            Last::Unseen { .. } if self.process.lives_on() => LastWord::Unknown,
            Last::Unseen { .. } | Last::Seen(_) => LastWord::All,
        };
        if let Some(writer) = &self.writer {
            writer.final_progress().tell(&mut self.deliveries);
        }
        let now = self.shared.clock.now();
        let at = self.observations.ended_at.unwrap_or(now);
        let room = MAX_FACTS.saturating_sub(self.observations.facts.len());
        for undelivered in self.deliveries.give_up(said, room) {
            self.observations.note(undelivered.command(), at, None);
        }
        self.deliveries.is_empty()
    }

    /// What ends the session, if at `now` it has ended. What was asked comes first: a kill must be
    /// on record before the exit.
    fn last(&self, now: Duration) -> Option<Last> {
        if !self.control.is_idle() {
            return None;
        }
        // It is not told to be over while somebody is left, or may be. Of one whose terminal is here the next
        // engine could not tell who that is.
        let may_live_on = self.process.lives_on() && self.killing.has_failed();
        match (self.end.end(now), self.observations.lost) {
            (Some(end), _) => Some(Last::Seen(end)),
            (None, Some(reason)) if !self.killing.is_under_way() && !may_live_on => {
                let gone = self.end.gone();
                Some(Last::Unseen { reason, gone })
            }
            (None, _) => None,
        }
    }

    /// A commit of this lane is through.
    pub(super) fn observed(&mut self, outcome: Outcome) -> Goes {
        self.observations.in_flight = None;
        let Carried { heard, is_last } = std::mem::take(&mut self.observations.carried);
        match outcome {
            Ok(appended) => {
                let on_the_way = &self.shared.on_the_way;
                if !std::mem::replace(&mut self.observations.has_started, true) {
                    on_the_way.reached(&Waypoint::StartRecorded);
                }
                if is_last {
                    on_the_way.reached(&Waypoint::EndRecorded);
                }
                if let Some(heard) = &heard {
                    let recorded = appended.record.session.output_bytes;
                    self.screen.recorded(recorded, heard.listener.clone());
                }
                self.swap(appended.record);
                self.inputs_may_be_recorded();
                if is_last {
                    return Goes::Over;
                }
                if let Some(heard) = heard {
                    self.set_bookmark(heard);
                }
                Goes::On
            }
            Err(error) => {
                // The log is closed, damaged, or contradicts this session.
                let session = &self.record.session.id;
                tracing::error!(%session, %error, "the session is stopped: it cannot be recorded");
                if !matches!(error, AppendError::Closed | AppendError::Unsettled) {
                    self.observations.refused = Some(error.to_string());
                }
                Goes::Unrecorded
            }
        }
    }
}

/// What was observed is refused only where it cannot be true: a bug of ours, told and passed over,
/// so that what can be recorded is.
fn add(plan: &mut Plan, command: Command, at: Timestamp, by: Option<&Actor>) {
    if let Err(error) = plan.add(command, at, by) {
        let session = &plan.session().id;
        tracing::error!(%session, %error, "an observation does not fit the session");
    }
}

/// What ends a session.
enum Last {
    Seen(End),
    /// How its process ended will not be known.
    Unseen {
        reason: OrphanReason,
        /// How its output ended, where a kill has left nobody, for certain.
        gone: Option<OutputEnd>,
    },
}

impl Last {
    /// What is to be put on record, of a session in this phase.
    fn commands(self, phase: &Phase) -> Vec<Command> {
        match self {
            Self::Seen(End { exit, output: end }) => vec![
                Command::RecordOutputEnd { end },
                Command::RecordExit { exit },
            ],
            Self::Unseen { reason, gone } => recover::unseen(phase, reason, gone),
        }
    }
}

/// Adds what ends a session. If that does not fit it, the session is lost: it must not be live on
/// record when nobody drives it any more.
fn add_last(plan: &mut Plan, last: Last, at: Timestamp) {
    for command in last.commands(&plan.session().phase) {
        add(plan, command, at, None);
    }
    if !plan.session().phase.has_ended() {
        let reason = OrphanReason::EngineDied;
        add(plan, Command::RecordLoss { reason }, at, None);
    }
}

#[cfg(test)]
mod tests {
    use coven_core::{Ending, Event, Exit};

    use super::*;
    use crate::session_task::made_up::{session, started};

    fn running() -> Session {
        session("one").evolve(&started()).unwrap()
    }

    fn phase_after(last: Last, session: &Session) -> Phase {
        let mut plan = Plan::of(session);
        add_last(&mut plan, last, Timestamp::from_nanos(1));
        plan.session().phase.clone()
    }

    fn phase_at_the_end_of(session: &Session) -> Phase {
        let (output, exit) = (OutputEnd::Complete, Exit::Code { code: 0 });
        phase_after(Last::Seen(End { exit, output }), session)
    }

    #[test]
    fn an_exit_that_fits_is_the_end() {
        assert!(matches!(
            phase_at_the_end_of(&running()),
            Phase::Ended { .. }
        ));
    }

    #[test]
    fn what_was_killed_and_is_gone_was_killed_and_all_else_whose_end_nobody_saw_is_lost() {
        let reason = OrphanReason::ShimDied;
        let dying = running().evolve(&Event::KillRequested).unwrap();
        let ending = Ending::Killed { exit: None };
        let (killed, lost) = (Phase::Ended { ending }, Phase::Orphaned { reason });
        for (session, gone, phase) in [
            (&dying, Some(OutputEnd::Cut), &killed),
            (&dying, Some(OutputEnd::Complete), &killed),
            // Somebody may be left.
            (&dying, None, &lost),
            (&running(), Some(OutputEnd::Cut), &lost),
            (&session("one"), Some(OutputEnd::Cut), &lost),
        ] {
            let last = Last::Unseen { reason, gone };
            assert_eq!(phase_after(last, session), *phase);
        }
    }

    #[test]
    fn a_session_that_its_exit_does_not_fit_is_lost_and_not_live_for_ever() {
        let reason = OrphanReason::EngineDied;
        assert_eq!(
            phase_at_the_end_of(&session("one")),
            Phase::Orphaned { reason }
        );
    }
}
