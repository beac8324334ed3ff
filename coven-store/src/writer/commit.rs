//! One transaction: writing a group, committing it, answering.

use std::time::Instant;

use super::group::{self, Done};
use super::queue::Job;
use super::room::{Claim, cost};
use super::{Chore, Writer, erase};
use crate::database::guarded;
use crate::error::{AppendError, Damage};
use crate::fault::Fault;
use crate::layout::Tables;
use crate::limits::{ERASE_ROWS, MAX_GROUP_BATCHES, MAX_GROUP_BYTES};
use crate::projection;

/// A group whose commit failed. Whether the disk has it is known once the file is open again.
pub(super) struct Unsettled {
    pub(super) jobs: Vec<Job>,
    pub(super) done: Done,
}

impl Unsettled {
    pub(super) fn queued_at(&self) -> impl Iterator<Item = Instant> {
        self.jobs.iter().map(|job| job.queued_at)
    }

    /// Answers that nothing is known of it: the log is closed.
    pub(super) fn give_up(self) {
        for job in self.jobs {
            job.answer(Err(AppendError::Closed));
        }
    }
}

/// How far a group got.
enum Reached {
    Committed(Done),
    /// The commit was begun and failed: the disk may have it or not.
    Unknown(Done, Fault),
    /// It failed before: the disk does not have it.
    Nothing(Fault),
}

impl Writer {
    /// Writes what is pending, up to a group's worth.
    pub(super) fn write_group(&mut self) {
        let jobs = self.next_group();
        if jobs.is_empty() {
            return;
        }
        self.meter
            .oldest(jobs.iter().map(|job| job.queued_at).min());
        let len_bytes = jobs.iter().map(|job| job.len_bytes).sum();
        if let Err(fault) = self.make_room(cost(jobs.len(), len_bytes), Claim::None) {
            self.put_back(jobs);
            self.suspend(fault);
            return;
        }
        self.write(jobs);
        self.state.refill.again();
        self.state.erasing.again();
    }

    fn next_group(&mut self) -> Vec<Job> {
        if self.state.alone > 0 {
            self.state.alone -= 1;
            return self.state.pending.pop_front().into_iter().collect();
        }
        let mut jobs = Vec::new();
        let mut bytes = 0;
        while let Some(job) = self.state.pending.front() {
            let full = bytes + job.len_bytes > MAX_GROUP_BYTES as u64 && !jobs.is_empty();
            if full || jobs.len() >= MAX_GROUP_BATCHES {
                break;
            }
            bytes += job.len_bytes;
            jobs.extend(self.state.pending.pop_front());
        }
        jobs
    }

    pub(super) fn put_back(&mut self, jobs: Vec<Job>) {
        for job in jobs.into_iter().rev() {
            self.state.pending.push_front(job);
        }
    }

    /// Writes a group that there is room for.
    pub(super) fn write(&mut self, mut jobs: Vec<Job>) {
        match self.transact(&mut jobs) {
            Reached::Committed(done) => self.publish(jobs, done),
            Reached::Unknown(done, fault) => {
                self.state.unsettled = Some(Unsettled { jobs, done });
                self.lose(&fault);
            }
            Reached::Nothing(Fault::Damage(damage)) => self.write_around(jobs, damage),
            Reached::Nothing(fault) => {
                self.put_back(jobs);
                self.lose(&fault);
            }
        }
    }

    /// Something that a group needs is damaged. Which of its batches that is shows when each is
    /// written alone; that one is refused, or it would hold up all others for ever.
    fn write_around(&mut self, mut jobs: Vec<Job>, mut damage: Damage) {
        if jobs.len() == 1
            && let Some(job) = jobs.pop()
        {
            damage.session.get_or_insert_with(|| job.session.clone());
            job.answer(Err(AppendError::Damaged(damage.clone())));
        }
        self.state.alone = jobs.len();
        self.put_back(jobs);
        self.lose(&Fault::Damage(damage));
    }

    fn transact(&self, jobs: &mut [Job]) -> Reached {
        let applied = guarded(|| {
            let txn = self.database.begin_write()?;
            let done = {
                let mut tables = Tables::open(&txn)?;
                group::apply(&mut tables, jobs, &self.state.folded, self.counters)?
            };
            Ok((txn, done))
        });
        let (txn, done) = match applied {
            Ok(applied) => applied,
            Err(fault) => return Reached::Nothing(fault),
        };
        // A group of refusals changes nothing, and need not trouble the disk.
        if done.events == 0 {
            return Reached::Committed(done);
        }
        match guarded(|| Ok(txn.commit()?)) {
            Ok(()) => Reached::Committed(done),
            Err(fault) => Reached::Unknown(done, fault),
        }
    }

    /// Tells the world of a group that is durable.
    pub(super) fn publish(&mut self, jobs: Vec<Job>, done: Done) {
        self.counters = done.counters;
        if done.events > 0 {
            self.meter.committed(done.events);
            let changed = done.sessions.keys();
            self.wakes.wake(done.counters.last_seq, changed);
        }
        for (session, entry) in done.sessions {
            match entry {
                Some(entry) => self.state.folded.put(session, entry),
                None => self.state.folded.remove(&session),
            }
        }
        if done.deletes {
            self.state.erasing = Chore::Now;
        }
        for (job, answer) in jobs.into_iter().zip(done.answers) {
            job.answer(answer);
        }
        self.recovered();
    }

    /// Erases some rows of deleted sessions.
    pub(super) fn erase_some(&mut self) {
        if self.state.erasing != Chore::Now || self.state.suspension.is_some() {
            return;
        }
        // Each row may be in a page of its own.
        let bytes = cost(1, ERASE_ROWS as u64 * 4096 / 2);
        if self.make_room(bytes, Claim::None).is_err() {
            self.state.erasing = Chore::Later;
            return;
        }
        let mut erased = None;
        let step = guarded(|| {
            let txn = self.database.begin_write()?;
            {
                let mut tables = Tables::open(&txn)?;
                let Some((slot, deleted_at)) = erase::next(&tables, &self.state.spared)? else {
                    return Ok(false);
                };
                erased = Some(slot);
                erase::step(&mut tables, slot, deleted_at)?;
            }
            txn.commit()?;
            Ok(true)
        });
        match step {
            Ok(true) => {}
            Ok(false) => self.state.erasing = Chore::Done,
            Err(fault) => {
                if let Fault::Damage(damage) = &fault {
                    tracing::error!(%damage, "what a deleted session left cannot be erased");
                    // Met again and again, it would suspend the log for ever.
                    self.state.spared.add(erased);
                }
                self.lose(&fault);
            }
        }
    }

    /// Writes the projections anew, where somebody asked for it.
    pub(super) fn rebuild(&mut self) {
        if self.state.rebuilds.is_empty() || self.state.suspension.is_some() {
            return;
        }
        let replies = std::mem::take(&mut self.state.rebuilds);
        let rebuilt = guarded(|| {
            let txn = self.database.begin_write()?;
            projection::rebuild(&txn)?;
            txn.commit()?;
            Ok(())
        });
        self.state.folded.clear();
        let answer = match rebuilt {
            Ok(()) => Ok(()),
            Err(Fault::Damage(damage)) => Err(AppendError::Damaged(damage)),
            Err(fault) => {
                self.lose(&fault);
                Err(AppendError::Suspended {
                    reason: fault.reason(),
                })
            }
        };
        for reply in replies {
            let _ = reply.send(answer.clone());
        }
    }
}
