//! One transaction of the journal: writing a group, committing it, answering.

use std::time::Instant;

use coven_core::Event;

use super::Writer;
use super::folding::Does;
use super::group::{self, Before, Done};
use super::queue::{self, Job};
use super::room::cost;
use super::turn::Turn;
use crate::database::guarded;
use crate::error::{AppendError, StorageFault};
use crate::fault::Fault;
use crate::file::Claim;
use crate::folder;
use crate::health::Meter;
use crate::journal;
use crate::limits::{MAX_GROUP_BATCHES, MAX_GROUP_BYTES};
use crate::stored::Opened;
use crate::tail::NewGroup;

/// A group whose commit failed. Whether the disk has it is known once the file is open again, and settled once
/// that is written to.
pub(super) struct Unsettled {
    pub(super) jobs: Vec<Job>,
    pub(super) done: Done,
    /// Whether the file that is open has it.
    pub(super) is_there: bool,
}

impl Unsettled {
    pub(super) fn queued_at(&self) -> impl Iterator<Item = Instant> {
        self.jobs.iter().map(|job| job.queued_at)
    }

    /// Answers that nothing is known of it: the log is closed.
    pub(super) fn give_up(self, meter: &Meter) {
        for job in self.jobs {
            job.answer(meter, Err(AppendError::Unsettled));
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
    /// Where a session stands could not be read in the cold file, and not for damage: that is answered.
    Blind(Fault),
}

impl Writer {
    /// Writes what is pending, up to a group's worth, of those whose turn it is.
    pub(super) fn write_group(&mut self) {
        let most = match self.turn() {
            Turn::All => MAX_GROUP_BATCHES,
            Turn::Control => self.bring_control_forward(),
            Turn::Nobody { .. } => return self.look_at_the_folder(),
        };
        if self.state.pending.is_empty() {
            return;
        }
        if let Err(fault) = self.make_room(self.next_cost(most), Claim::None) {
            self.suspend(fault);
            return;
        }
        let jobs = self.next_group(most);
        self.state.pace.begin(Instant::now());
        self.meter
            .oldest(jobs.iter().map(|job| job.queued_at).min());
        self.write(jobs);
        self.state.refill.again();
    }

    /// Bytes that the next group, of so many batches at most, may add to the journal.
    pub(super) fn next_cost(&self, most: usize) -> u64 {
        let jobs = self.state.pending.iter().take(self.next_len(most));
        cost(jobs.map(|job| job.len_bytes).sum())
    }

    fn next_group(&mut self, most: usize) -> Vec<Job> {
        let len = self.next_len(most);
        self.state.pending.drain(..len).collect()
    }

    /// How many batches are in the next group.
    fn next_len(&self, most: usize) -> usize {
        let mut bytes = 0;
        let fits = |job: &&Job| {
            let is_first = bytes == 0;
            bytes += job.len_bytes;
            is_first || bytes <= MAX_GROUP_BYTES as u64
        };
        self.state
            .pending
            .iter()
            .take(most)
            .take_while(fits)
            .count()
    }

    pub(super) fn put_back(&mut self, jobs: Vec<Job>) {
        for job in jobs.into_iter().rev() {
            self.state.pending.push_front(job);
        }
    }

    /// Writes a group that there is room for.
    pub(super) fn write(&mut self, mut jobs: Vec<Job>) {
        let next = self.mark.position + 1;
        let opened = *self.state.opened.get_or_insert_with(|| Opened::at(next));
        match self.transact(&mut jobs, opened) {
            Reached::Committed(done) => self.publish(jobs, done),
            Reached::Unknown(done, fault) => {
                self.state.unsettled = Some(Unsettled {
                    jobs,
                    done,
                    is_there: false,
                });
                self.lose_in_a_write(&fault);
            }
            Reached::Nothing(fault) => {
                self.put_back(jobs);
                self.lose_in_a_write(&fault);
            }
            Reached::Blind(fault) => {
                self.put_back(jobs);
                self.tell_folder(folder::Message::Reopen);
                self.suspend(fault.reason());
                self.state.is_blind = true;
            }
        }
    }

    pub(super) fn lose_in_a_write(&mut self, fault: &Fault) {
        if fault.reason() == StorageFault::Full {
            self.doubt();
        }
        self.lose(fault);
    }

    fn transact(&self, jobs: &mut [Job], opened: Opened) -> Reached {
        let done = match group::gather(jobs, self.before(), opened) {
            Ok(done) => done,
            Err(fault) => return Reached::Blind(fault),
        };
        // A group of refusals changes nothing, and need not trouble the disk.
        if done.events == 0 {
            return Reached::Committed(done);
        }
        let written = guarded(|| {
            let txn = self.journal.database.begin_write()?;
            self.trim(&txn)?;
            journal::insert(&txn, done.mark.position, &done.row)?;
            if opened.began == done.mark.position {
                journal::tell_opened(&txn, opened)?;
            }
            Ok(txn)
        });
        let txn = match written {
            Ok(txn) => txn,
            Err(fault) => return Reached::Nothing(fault),
        };
        match guarded(|| Ok(txn.commit()?)) {
            Ok(()) => Reached::Committed(done),
            Err(fault) => Reached::Unknown(done, fault),
        }
    }

    pub(super) fn before(&self) -> Before<'_> {
        Before {
            recent: &self.state.recent,
            tail: &self.tail,
            cold: &self.cold,
            mender: &self.mender,
            meter: &self.meter,
            mark: self.mark,
        }
    }

    /// Tells the world of a group that is durable.
    pub(super) fn publish(&mut self, jobs: Vec<Job>, done: Done) {
        if done.events > 0 {
            let does = what_it_does(&done.brings);
            self.mark = done.mark;
            let len_bytes = done.row.len_bytes() as u64;
            let took_bytes = self.tail.push(done.mark, len_bytes, done.brings);
            self.state.pace.took(took_bytes);
            self.meter.committed(done.events);
            let sessions = done.sessions.iter().map(|(session, _)| session);
            self.wakes.wake(done.mark.seq(), sessions);
            self.state.folding.written(Instant::now(), does);
            self.took_room(cost(done.row.len_bytes() as u64));
        }
        for (job, answer) in jobs.iter().zip(&done.answers) {
            if answer.is_ok() {
                self.heed(job);
            }
        }
        for (session, entry) in done.sessions {
            match entry {
                Some(entry) => self.state.recent.put(session, entry),
                None => self.state.recent.remove(&session),
            }
        }
        queue::answer_each(&self.meter, jobs, done.answers);
        self.recovered();
        self.fold_if_enough();
    }

    /// What a batch that was just written means to those beside the log.
    fn heed(&mut self, job: &Job) {
        for envelope in &job.events {
            match envelope.event {
                Event::KillRequested => self.rooms.ends(&job.session),
                Event::LaunchFailed { .. }
                | Event::Exited { .. }
                | Event::Completed { .. }
                | Event::Orphaned { .. } => self.rooms.ended(&job.session),
                Event::Trimmed { .. } | Event::Deleted => {
                    if self.is_short_of_room() {
                        self.tell_folder(folder::Message::LetGo);
                    }
                }
                Event::Created { .. }
                | Event::Registered { .. }
                | Event::Started { .. }
                | Event::Identified { .. }
                | Event::Undelivered { .. }
                | Event::Output { .. }
                | Event::OutputClosed { .. }
                | Event::Input { .. }
                | Event::Resized { .. }
                | Event::Titled { .. }
                | Event::Labelled { .. }
                | Event::Archived
                | Event::Summoned => {}
            }
        }
    }

    fn is_short_of_room(&self) -> bool {
        self.state.suspension.is_some() || self.meter.why_stuck().is_some()
    }
}

fn what_it_does(group: &NewGroup) -> Does {
    match group.slots.iter().any(|rows| rows.lets_go.is_some()) {
        true => Does::LetGo,
        false => Does::Add,
    }
}
