//! While the disk takes no writes.
//!
//! Nothing is lost and nothing is written twice: a group whose commit failed is *unsettled* until
//! the file is open again and says whether it has it.

#[cfg(test)]
mod tests;

use std::collections::{HashSet, VecDeque};
use std::time::{Duration, Instant};

use coven_core::Event;

use super::queue::Job;
use super::room::cost;
use super::trim::journal_mark;
use super::{Chore, Writer};
use crate::batch::Urgency;
use crate::error::{AppendError, StorageFault};
use crate::fault::{Fault, reopening};
use crate::file::Claim;
use crate::folder;
use crate::limits::{
    MAX_BACKOFF, MAX_BARE_END_BYTES, MAX_ENDING_TAIL_BYTES, MAX_GROUP_BATCHES, MAX_REOPEN_BACKOFF,
    MIN_BACKOFF, REFUSAL_PATIENCE,
};
use crate::tail;

/// Why nothing is written, and when to look again.
pub(crate) struct Suspension {
    reason: StorageFault,
    next_look: Instant,
}

impl Suspension {
    pub(super) fn until_next_look(&self) -> Duration {
        self.next_look.saturating_duration_since(Instant::now())
    }
}

impl Writer {
    /// Writes no more until the disk has been looked at again.
    pub(super) fn suspend(&mut self, reason: StorageFault) {
        if std::mem::replace(&mut self.state.is_told, true) {
            tracing::debug!(%reason, "the log is suspended still");
        } else {
            tracing::warn!(%reason, "the log is suspended");
        }
        self.meter.suspended(&reason);
        if reason == StorageFault::Full {
            self.tell_folder(folder::Message::Full);
            // Nothing else has it folded while nothing is written.
            if self.tail.look().lets_go() {
                self.tell_folder(folder::Message::LetGo);
            }
        }
        if let StorageFault::Displaced { .. } = reason
            && !self.tail.look().is_folded()
        {
            // Where it is the journal, the cold file has it then.
            self.tell_folder(folder::Message::FoldAll { reply: None });
        }
        let longest = if self.journal.is_lost() {
            MAX_REOPEN_BACKOFF
        } else {
            MAX_BACKOFF
        };
        if let Some(suspension) = &mut self.state.suspension
            && !suspension.until_next_look().is_zero()
        {
            // Whoever met the fault, and who asked him: they waited for one look at the disk.
            suspension.reason = reason;
            return;
        }
        self.state.backoff = (2 * self.state.backoff).clamp(MIN_BACKOFF, longest);
        self.state.suspension = Some(Suspension {
            reason,
            next_look: Instant::now() + self.state.backoff,
        });
    }

    /// A commit went through: if something is wrong again, it is something else.
    pub(super) fn recovered(&mut self) {
        if self.state.suspension.is_none() {
            self.state.backoff = Duration::ZERO;
            self.tell_that_it_is_over();
        }
    }

    fn tell_that_it_is_over(&mut self) {
        if std::mem::take(&mut self.state.is_told) {
            self.meter.resumed();
            tracing::info!("the log takes writes again");
        }
    }

    /// Looks at the disk at once, whenever it was to be looked at.
    pub(super) fn hurry(&mut self) {
        if let Some(suspension) = &mut self.state.suspension {
            suspension.next_look = Instant::now();
        }
    }

    /// The journal met a fault and is of no use any more: closes it, and opens it again.
    pub(super) fn lose(&mut self, fault: &Fault) {
        self.state.is_blind = false;
        self.suspend(fault.reason());
        if let Err(reason) = self.reopen() {
            self.meter.suspended(&reason);
            if let Some(suspension) = &mut self.state.suspension {
                suspension.reason = reason;
            }
        }
    }

    fn reopen(&mut self) -> Result<(), StorageFault> {
        self.journal.reopen()?;
        self.state.opened = None;
        self.meter.opened();
        let compared = self.compare().map_err(|fault| fault.reason());
        if let Err(reason) = &compared {
            self.journal.give_up(reason.clone());
        }
        compared
    }

    /// Compares the reopened journal with what was acknowledged, and learns what is to become of the
    /// unsettled group once the file is in order. One that it has is acknowledged then; one that the disk
    /// alone may have is written again, and at once where the disk has none.
    fn compare(&mut self) -> Result<(), Fault> {
        let acknowledged = [self.mark];
        let journal = &self.journal.database;
        let found = journal.read_once(|txn| journal_mark(txn, &acknowledged))?;
        let may_have_more = self.journal.may_have_more();
        let unsettled = self.state.unsettled.as_mut();
        let is_there = unsettled.is_some_and(|it| {
            it.is_there = found == it.done.mark;
            it.is_there
        });
        if is_there {
            Ok(())
        } else if found == self.mark {
            if !may_have_more && let Some(unsettled) = self.state.unsettled.take() {
                self.put_back(unsettled.jobs);
            }
            Ok(())
        } else {
            Err(crate::fault::damage(format!(
                "its last event is {}, and {} was acknowledged",
                found.last_seq, self.mark.last_seq
            )))
        }
    }

    /// Looks at the disk if it is time, lets through what may use the reserve, and refuses what
    /// can be refused.
    pub(super) fn while_suspended(&mut self) {
        let due = self
            .state
            .suspension
            .as_ref()
            .is_some_and(|suspension| suspension.until_next_look().is_zero());
        if due {
            self.look();
        }
        if self.state.suspension.is_some() {
            self.let_endings_through();
            self.trim_while_suspended();
            self.refuse_control();
        }
    }

    fn look(&mut self) {
        self.doubt_less();
        self.state.trimming.again();
        let looked = self
            .reopen_if_useful()
            .and_then(|()| self.make_writable(self.next_cost(MAX_GROUP_BATCHES), Claim::None))
            .and_then(|()| self.why_no_room_in_the_tail().map_or(Ok(()), Err));
        match looked {
            Ok(()) => self.resume(),
            Err(reason) => self.suspend(reason),
        }
    }

    fn reopen_if_useful(&mut self) -> Result<(), StorageFault> {
        if self.journal.is_worth_reopening() {
            self.reopen()
        } else {
            Ok(())
        }
    }

    /// Makes sure that a transaction of `bytes` can go through. The reserve helps with what opening
    /// the journal again wrote: before that is done, the journal gives back nothing that it does not
    /// use.
    fn make_writable(&mut self, bytes: u64, claim: Claim) -> Result<(), StorageFault> {
        let held_bytes = self.journal.held_bytes().ok_or_else(|| self.reason())?;
        if !self.journal.is_writable() {
            self.make_room(held_bytes, Claim::Ending)?;
            self.journal.release()?;
        }
        self.settle();
        self.make_room(bytes, claim)
    }

    /// The file is in order: the unsettled group is durable, or it is not there and never will be.
    fn settle(&mut self) {
        match self.state.unsettled.take() {
            Some(unsettled) if unsettled.is_there => self.publish(unsettled.jobs, unsettled.done),
            Some(unsettled) => self.put_back(unsettled.jobs),
            None => {}
        }
    }

    /// Writes, with the help of the reserve, what ends sessions, and what lets go of some; and without it what is of
    /// sessions that nothing has to be looked up of, where that alone cannot be done. Observations of one session keep
    /// their order: what stays behind, or is put back, keeps back what came after it.
    pub(super) fn let_endings_through(&mut self) {
        if self.state.unsettled.is_some() {
            // It goes before all others.
            let _ = self.make_writable(0, Claim::Ending);
            if self.state.unsettled.is_some() {
                return;
            }
        }
        let mut kept = VecDeque::new();
        let mut kept_sessions = HashSet::new();
        let mut jobs = std::mem::take(&mut self.state.pending);
        while let Some(job) = jobs.pop_front() {
            let in_turn = job.urgency == Urgency::Control || !kept_sessions.contains(&job.session);
            let bytes = cost(job.len_bytes);
            let claim = match self.state.last_call || self.may_end(&job) {
                true => Some(Claim::Ending),
                false => self.is_seen_blind(&job).then_some(Claim::None),
            };
            let claim = claim.filter(|_| in_turn);
            let stays = if claim.is_some_and(|claim| self.make_writable(bytes, claim).is_ok()) {
                self.write(vec![job]);
                // What met a fault was put back.
                std::mem::take(&mut self.state.pending)
            } else {
                VecDeque::from([job])
            };
            for job in stays {
                if job.urgency == Urgency::Output {
                    kept_sessions.insert(job.session.clone());
                }
                kept.push_back(job);
            }
            if !self.journal.is_writable() {
                break;
            }
        }
        self.state.pending = kept;
        self.state.pending.append(&mut jobs);
    }

    /// Whether a batch waits for nothing but others, of which it is to be read in the cold file where they stand.
    fn is_seen_blind(&self, job: &Job) -> bool {
        self.state.is_blind
            && self.why_no_room_in_the_tail().is_none()
            && self.before().is_known(&job.session)
    }

    /// Whether a batch ends a session, or is of one that was told to end, and may be in memory until it is folded.
    /// What comes with no output to speak of always may.
    fn may_end(&self, job: &Job) -> bool {
        let bytes = tail::bytes_of(job.events.len(), job.len_bytes);
        let has_room = self.tail.look().bytes() + bytes <= MAX_ENDING_TAIL_BYTES;
        match is_end(job) {
            true => has_room || job.len_bytes <= MAX_BARE_END_BYTES,
            false => has_room && self.rooms.is_ending(&job.session),
        }
    }

    /// How long until somebody who waits is to be refused; `None` when nobody waits who may be.
    pub(super) fn until_refusal(&self) -> Option<Duration> {
        let refusable = self.state.pending.iter().filter(|job| may_be_refused(job));
        let oldest = refusable.map(|job| job.queued_at).min()?;
        Some(REFUSAL_PATIENCE.saturating_sub(oldest.elapsed()))
    }

    /// Answers those who can ask again and have waited long enough.
    fn refuse_control(&mut self) {
        let reason = self.reason();
        for job in std::mem::take(&mut self.state.pending) {
            if may_be_refused(&job) && job.queued_at.elapsed() >= REFUSAL_PATIENCE {
                let reason = reason.clone();
                job.answer(&self.meter, Err(AppendError::Suspended { reason }));
            } else {
                self.state.pending.push_back(job);
            }
        }
    }

    /// Goes on. That this is over is told once something is written, unless nothing is to be: a
    /// disk that looks as if it had room may not.
    fn resume(&mut self) {
        self.state.suspension = None;
        self.state.is_blind = false;
        self.state.refill = Chore::Now;
        self.state.trimming = Chore::Now;
        self.state.has_given = false;
        if self.state.pending.is_empty() {
            self.tell_that_it_is_over();
        }
    }

    fn reason(&self) -> StorageFault {
        match &self.state.suspension {
            Some(suspension) => suspension.reason.clone(),
            None => reopening(),
        }
    }
}

/// Whether a batch ends a session, or rids the log of something.
pub(super) fn is_end(job: &Job) -> bool {
    job.events.iter().any(|envelope| match envelope.event {
        Event::LaunchFailed { .. }
        | Event::KillRequested
        | Event::OutputClosed { .. }
        | Event::Exited { .. }
        | Event::Completed { .. }
        | Event::Orphaned { .. }
        | Event::Deleted
        | Event::Trimmed { .. }
        // As a rule it comes with the end, of which nothing may come before it.
        | Event::Undelivered { .. } => true,
        Event::Created { .. }
        | Event::Registered { .. }
        | Event::Started { .. }
        | Event::Identified { .. }
        | Event::Output { .. }
        | Event::Input { .. }
        | Event::Resized { .. }
        | Event::Titled { .. }
        | Event::Labelled { .. }
        | Event::Archived
        | Event::Summoned => false,
    })
}

/// What was observed is kept until it can be written; who asks for something can ask again.
fn may_be_refused(job: &Job) -> bool {
    match job.urgency {
        Urgency::Control => true,
        Urgency::Output => false,
    }
}
