//! Whose turn it is to be written, where more is written than is folded.
//!
//! What was observed waits until there is room in the tail, however long: that is the back-pressure its source
//! is to feel. What a session is told waits for no fold, up to a bound; where a disk hangs beyond that, whoever
//! asks is refused, and can ask again.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::Writer;
use super::queue::Job;
use super::suspension::is_end;
use crate::batch::Urgency;
use crate::error::{AppendError, StorageFault};
use crate::folder;
use crate::limits::{FOLD_PATIENCE, MAX_ENDING_TAIL_BYTES, MAX_TAIL_BYTES, TAIL_PATIENCE};

/// Whose batches may be written now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    All,
    /// What sessions are told: the tail is full.
    Control,
    /// Nobody's, before there was a fold, or so long has passed.
    Nobody {
        patience: Duration,
    },
}

impl Writer {
    pub(super) fn turn(&self) -> Turn {
        let tail_bytes = self.tail.look().bytes();
        if self.state.pending.is_empty() {
            Turn::All
        } else if tail_bytes < MAX_TAIL_BYTES {
            match self.pause(tail_bytes) {
                Duration::ZERO => Turn::All,
                patience => Turn::Nobody { patience },
            }
        } else if self.meter.why_stuck().is_none() && self.may_any_pass(tail_bytes) {
            Turn::Control
        } else {
            Turn::Nobody {
                patience: FOLD_PATIENCE,
            }
        }
    }

    fn may_any_pass(&self, tail_bytes: u64) -> bool {
        let mut pending = self.state.pending.iter();
        pending.any(|job| may_pass(job, tail_bytes))
    }

    /// How long the next group waits, so that it does not wait for a whole fold later. One with what a
    /// session is told does not.
    fn pause(&self, tail_bytes: u64) -> Duration {
        let speed = self.tail.folds().bytes_per_second;
        let pause = self.state.pace.pause(Instant::now(), tail_bytes, speed);
        match pause.is_zero() || self.state.pending.iter().any(is_control) {
            true => Duration::ZERO,
            false => pause,
        }
    }

    /// Puts what may pass a full tail before all else, in order; gives how many batches that are.
    pub(super) fn bring_control_forward(&mut self) -> usize {
        let tail_bytes = self.tail.look().bytes();
        let pending = std::mem::take(&mut self.state.pending).into_iter();
        let (mut all, others): (VecDeque<_>, VecDeque<_>) =
            pending.partition(|job| may_pass(job, tail_bytes));
        let count = all.len();
        all.extend(others);
        self.state.pending = all;
        count
    }

    /// Nobody's batches may be written: has the folder go on, and hears why it does not.
    pub(super) fn look_at_the_folder(&mut self) {
        if !self.is_tail_full() {
            return;
        }
        if self.folder.send(folder::Message::Fold).is_err() {
            self.meter.stuck(&StorageFault::Io {
                message: "what moves events out of the journal has died: open the log again"
                    .to_owned(),
            });
        }
        match self.meter.why_stuck() {
            Some(reason) => self.suspend(reason),
            None => self.refuse_who_waited_for_a_fold(),
        }
    }

    fn refuse_who_waited_for_a_fold(&mut self) {
        for job in std::mem::take(&mut self.state.pending) {
            if is_control(&job) && job.queued_at.elapsed() >= TAIL_PATIENCE {
                let reason = StorageFault::Io {
                    message: "what was written before is not moved out of the journal".to_owned(),
                };
                job.answer(&self.meter, Err(AppendError::Suspended { reason }));
            } else {
                self.state.pending.push_back(job);
            }
        }
    }

    /// Why nothing may be added to what waits to be folded, where that is so for a while.
    pub(super) fn why_no_room_in_the_tail(&self) -> Option<StorageFault> {
        self.is_tail_full()
            .then(|| self.meter.why_stuck())
            .flatten()
    }

    fn is_tail_full(&self) -> bool {
        self.tail.look().bytes() >= MAX_TAIL_BYTES
    }

    /// Waits until it may be somebody's turn, where nobody is taken in any more.
    pub(super) fn wait_for_a_turn(&self) {
        let folds = self.tail.folds();
        if let Turn::Nobody { patience } = self.turn() {
            self.tail.wait_for_a_fold(folds.count, patience);
        }
    }
}

/// Whether a batch may be written though there are so many bytes in the tail, which is full: what a session is
/// told, as long as there is room for it, and what ends one or lets go of something always.
fn may_pass(job: &Job, tail_bytes: u64) -> bool {
    is_control(job) && (tail_bytes < MAX_ENDING_TAIL_BYTES || is_end(job))
}

pub(super) fn is_control(job: &Job) -> bool {
    match job.urgency {
        Urgency::Control => true,
        Urgency::Output => false,
    }
}
