//! When the cold file met a fault, or the disk takes no writes: nothing is folded, reads go on, and it is
//! tried again.

use std::time::{Duration, Instant};

use super::Folder;
use crate::error::StorageFault;
use crate::fault::{Fault, damage, read_failed};
use crate::file::Claim;
use crate::limits::{DAMAGE_BACKOFF, MAX_BACKOFF, MAX_REOPEN_BACKOFF, MIN_BACKOFF};
use crate::read;
use crate::writer;

/// Why nothing is folded, and when to try again.
pub(super) struct Trouble {
    pub(super) reason: StorageFault,
    pub(super) next_try: Instant,
}

/// What is known of the faults that readers meet.
#[derive(Debug, Default)]
pub(super) struct Alarms {
    /// The cold file is to be opened again, once it is time.
    is_due: bool,
    /// When another opening may follow the last one, for readers.
    not_before: Option<Instant>,
}

/// An opening of the cold file may repair all of it: for this many times as long nothing is tried.
const REOPEN_SHARE: u32 = 10;

const NEVER_FOLDED: &str = "the cold file says that it has what was never folded into it: it is another log's, or of \
                            another moment than the journal";

/// How long to wait before the next try, after one that waited for `before` and took `took`.
fn backoff(before: Duration, took: Duration) -> Duration {
    let doubled = (2 * before).clamp(MIN_BACKOFF, MAX_BACKOFF);
    doubled.max((REOPEN_SHARE * took).min(MAX_REOPEN_BACKOFF))
}

/// The same after one that had the file opened again, for that `reason`.
fn backoff_opened(reason: &StorageFault, before: Duration, took: Duration) -> Duration {
    match reason {
        StorageFault::Damaged { .. } => {
            let [first, longest] = DAMAGE_BACKOFF;
            (2 * before).clamp(first, longest)
        }
        StorageFault::Full
        | StorageFault::ReadOnly
        | StorageFault::Io { .. }
        | StorageFault::Displaced { .. } => backoff(before, took),
    }
}

impl Folder {
    /// Who reads met a fault of this opening. Whoever asks for what cannot be read meets it each time, so it is
    /// not opened for that as often as it is asked for, and what else is to be done is not put off.
    pub(super) fn heed(&mut self, opening: u64) {
        if !self.cold.database.is_open(opening) {
            return;
        }
        let not_before = self.state.alarms.not_before;
        let now = Instant::now();
        let opens_at = not_before.map_or(now, |at| at.max(now));
        match &mut self.state.trouble {
            // That may wait for longer than who reads.
            Some(trouble) => trouble.next_try = trouble.next_try.min(opens_at),
            None if opens_at == now => return self.lose(read_failed()),
            None => {
                let reason = read_failed();
                self.meter.stuck(&reason);
                self.state.trouble = Some(Trouble {
                    reason,
                    next_try: opens_at,
                });
            }
        }
        self.state.alarms.is_due = true;
        self.cold.database.stay(opening);
    }

    /// Opens the cold file again, and remembers when that may be done for readers again.
    fn open_again(&mut self) -> Result<Duration, (Duration, StorageFault)> {
        let began = Instant::now();
        let reopened = self.reopen();
        let took = began.elapsed();
        let pause = backoff(MAX_BACKOFF, took);
        self.state.alarms = Alarms {
            is_due: false,
            not_before: Some(Instant::now() + pause),
        };
        match reopened {
            Ok(()) => {
                self.meter.opened();
                Ok(took)
            }
            Err(reason) => Err((took, reason)),
        }
    }

    /// The cold file met a fault and is of no use any more: opens it again, for reading at least.
    pub(super) fn lose(&mut self, reason: StorageFault) {
        // Whoever reads is told by the opening: then it is to be seen that something is wrong.
        self.meter.stuck(&reason);
        let (took, reason) = match self.open_again() {
            Ok(took) => (took, reason),
            Err(failed) => failed,
        };
        self.wait_opened(took, reason);
    }

    /// A fold that failed may be in the file all the same. It counts only once the file was
    /// released: what is read of it before may be in memory alone, and not on the disk.
    fn learn(&mut self) -> Result<(), Fault> {
        // It may have left something to erase.
        self.state.is_tidy = false;
        let folded = self.cold.database.read_once(read::folded)?;
        if folded.position > self.tail.look().folded().position {
            if !self.tail.look().ends_a_group_at(folded) {
                return Err(damage(NEVER_FOLDED));
            }
            self.tail.forget(folded, None);
            let _ = self.writer.send(writer::Message::Folded);
        }
        Ok(())
    }

    /// Tries again later.
    pub(super) fn wait(&mut self, reason: StorageFault) {
        let pause = backoff(self.state.backoff, Duration::ZERO);
        self.wait_for(pause, reason);
    }

    /// The same, where the file was opened again, and that took so long.
    pub(super) fn wait_opened(&mut self, took: Duration, reason: StorageFault) {
        let pause = backoff_opened(&reason, self.state.backoff, took);
        self.wait_for(pause, reason);
    }

    fn wait_for(&mut self, pause: Duration, reason: StorageFault) {
        if self.state.trouble.is_none() {
            tracing::warn!(%reason, "the journal cannot be folded now");
        }
        self.state.backoff = pause;
        self.meter.stuck(&reason);
        if reason == StorageFault::Full {
            self.state.makes_room = true;
            let _ = self.writer.send(writer::Message::RoomWanted);
        }
        self.state.trouble = Some(Trouble {
            reason,
            next_try: Instant::now() + self.state.backoff,
        });
    }

    /// Writes what opening the cold file again is to write, with the reserve's help: before that is done,
    /// nothing is taken out of it or given back.
    fn make_writable(&mut self) -> Result<(), StorageFault> {
        if self.cold.is_writable() {
            return Ok(());
        }
        self.make_room(self.cold.held_bytes().unwrap_or(0), Claim::Ending)?;
        self.cold.release()
    }

    pub(super) fn try_again(&mut self) {
        let opens = self.state.alarms.is_due || self.cold.is_worth_reopening();
        if opens && let Err((took, reason)) = self.open_again() {
            return self.wait_opened(took, reason);
        }
        let made = self
            .cold
            .name_its_last()
            .and_then(|()| self.cold.is_still_itself())
            .and_then(|()| self.make_writable())
            .and_then(|()| self.bytes_to_mend())
            .and_then(|bytes| self.make_room(bytes, self.claim()));
        if let Err(reason) = made {
            return self.wait(reason);
        }
        match self.learn().and_then(|()| self.mend()) {
            Ok(()) => {
                self.state.trouble = None;
                self.want_all();
                self.meter.folds_again();
            }
            Err(fault) => {
                let fault = self.cold.what_befell(fault);
                self.lose(fault.reason());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_takes_long_to_open_is_opened_for_a_tenth_of_the_time() {
        let mut quick = Duration::ZERO;
        let mut slow = Duration::ZERO;
        for _ in 0..10 {
            quick = backoff(quick, Duration::from_millis(1));
            slow = backoff(slow, Duration::from_millis(700));
        }
        assert_eq!(quick, MAX_BACKOFF);
        assert_eq!(slow, Duration::from_secs(7));
        assert_eq!(backoff(slow, Duration::from_secs(60)), MAX_REOPEN_BACKOFF);
        assert_eq!(backoff(slow, Duration::ZERO), MAX_BACKOFF);
        assert_eq!(backoff(Duration::ZERO, Duration::ZERO), MIN_BACKOFF);
    }

    #[test]
    fn a_file_that_is_damaged_is_opened_ever_less_often() {
        let damaged = StorageFault::Damaged {
            message: "a page of it".to_owned(),
        };
        let mut wait = MAX_BACKOFF;
        let waits: Vec<u64> = (0..7)
            .map(|_| {
                wait = backoff_opened(&damaged, wait, Duration::ZERO);
                wait.as_secs()
            })
            .collect();
        assert_eq!(waits, [10, 20, 40, 80, 160, 300, 300]);
    }
}
