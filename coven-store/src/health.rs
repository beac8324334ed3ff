//! `StoreHealth`: how the writing goes, and the meter behind it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::error::{Damage, StorageFault};
use crate::fault::is_hearsay;

/// How the log's writer does. Counters begin at 0 when the log is opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreHealth {
    /// The word for it all.
    pub state: WriterState,
    /// Why it does not write, while it does not.
    pub fault: Option<StorageFault>,
    /// Why what is written cannot be moved out of the journal, while it cannot, or its cold file not be read:
    /// damage, if anything there is damaged. Once the journal has its fill, nothing is written either.
    pub stuck: Option<StorageFault>,
    /// Events that are waiting to be durable.
    pub queued_events: u64,
    /// Their bytes as stored.
    pub queued_bytes: u64,
    /// Bytes of output that may wait; who has more waits outside.
    pub capacity_bytes: u64,
    /// Transactions committed.
    pub transactions: u64,
    /// Events committed.
    pub committed_events: u64,
    /// How often either of its databases was opened: 1 when there was no fault.
    pub opens: u64,
    /// What went wrong last, even if it is over; or that a read met damage, and where. Who meets the same again,
    /// and knows less of it, is not told in its place.
    pub last_error: Option<String>,
    /// How long ago the last commit was; `None` before the first.
    pub since_last_ack: Option<Duration>,
    /// For how long the oldest batch has been waiting; `None` when none waits. This is what shows
    /// a disk that hangs.
    pub oldest_waiting: Option<Duration>,
}

impl StoreHealth {
    /// Whether somebody waits for so long that the disk may hang.
    pub(crate) fn is_slow(&self) -> bool {
        self.oldest_waiting.is_some_and(|waiting| waiting > SLOW)
    }

    /// The same, but for what keeps the writer from writing, and it has not met yet.
    pub(crate) fn but(mut self, may_be_written: Result<(), StorageFault>) -> Self {
        if let (None, Err(fault)) = (&self.fault, may_be_written) {
            self.state = WriterState::Failed;
            self.last_error = Some(fault.to_string());
            self.fault = Some(fault);
        }
        self
    }
}

/// The word for how the log's writer does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WriterState {
    /// It keeps up.
    Healthy,
    /// More than half of the queue is in use, a batch has been waiting for over two seconds, or what
    /// is written cannot be moved out of the journal, or not be read, for a while.
    Pressured,
    /// It does not write. It looks again by itself.
    Failed,
}

/// What is said before what was damaged and is not any more.
const MADE_ANEW: &str = "made anew from the events";

/// How long a batch may wait before the writer counts as pressured.
const SLOW: Duration = Duration::from_secs(2);

/// What the writer and its queue count.
#[derive(Debug)]
pub(crate) struct Meter {
    began: Instant,
    queued_events: AtomicU64,
    /// Since when somebody waits who was not answered, at least, in microseconds since `began`: when the queue
    /// began to have something, or the last answer was given. The writer may hang and take in nobody.
    unanswered_since: AtomicU64,
    queued_bytes: AtomicU64,
    transactions: AtomicU64,
    committed_events: AtomicU64,
    opens: AtomicU64,
    marks: Mutex<Marks>,
}

impl Default for Meter {
    fn default() -> Self {
        Self {
            began: Instant::now(),
            queued_events: AtomicU64::default(),
            unanswered_since: AtomicU64::default(),
            queued_bytes: AtomicU64::default(),
            transactions: AtomicU64::default(),
            committed_events: AtomicU64::default(),
            opens: AtomicU64::default(),
            marks: Mutex::default(),
        }
    }
}

#[derive(Debug, Default)]
struct Marks {
    fault: Option<StorageFault>,
    /// Why nothing can be folded.
    stuck: Option<StorageFault>,
    last_error: Option<String>,
    last_ack: Option<Instant>,
    oldest: Option<Instant>,
}

impl Marks {
    /// Who meets a fault after somebody else may know no more than that there is one: until it is over, what is
    /// known of it stays.
    fn went_wrong(&mut self, fault: &StorageFault) {
        let is_going_on = self.fault.is_some() || self.stuck.is_some();
        if !(is_going_on && is_hearsay(fault)) {
            self.last_error = Some(fault.to_string());
        }
    }
}

impl Meter {
    pub(crate) fn queued(&self, events: u64, bytes: u64) {
        if self.queued_events.fetch_add(events, Ordering::Relaxed) == 0 {
            self.begin_to_wait();
        }
        self.queued_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn answered(&self, events: u64, bytes: u64) {
        self.begin_to_wait();
        self.queued_events.fetch_sub(events, Ordering::Relaxed);
        self.queued_bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    fn begin_to_wait(&self) {
        let now = u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.unanswered_since.store(now, Ordering::Relaxed);
    }

    /// For how long nobody was answered while somebody waits.
    fn unanswered(&self) -> Option<Duration> {
        let since = Duration::from_micros(self.unanswered_since.load(Ordering::Relaxed));
        let waits = self.queued_events.load(Ordering::Relaxed) > 0;
        waits.then(|| self.began.elapsed().saturating_sub(since))
    }

    pub(crate) fn opened(&self) {
        self.opens.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn committed(&self, events: u64) {
        self.transactions.fetch_add(1, Ordering::Relaxed);
        self.committed_events.fetch_add(events, Ordering::Relaxed);
        self.marks().last_ack = Some(Instant::now());
    }

    /// Since when the oldest batch waits, of those the writer has taken in.
    pub(crate) fn oldest(&self, since: Option<Instant>) {
        self.marks().oldest = since;
    }

    pub(crate) fn suspended(&self, fault: &StorageFault) {
        let mut marks = self.marks();
        marks.went_wrong(fault);
        marks.fault = Some(fault.clone());
    }

    pub(crate) fn stuck(&self, fault: &StorageFault) {
        let mut marks = self.marks();
        marks.went_wrong(fault);
        marks.stuck = Some(fault.clone());
    }

    /// Damage was met that nothing waits for.
    pub(crate) fn met(&self, damage: &Damage) {
        self.marks().last_error = Some(damage.to_string());
    }

    /// What was damaged was made anew. Other damage that was met since is told on.
    pub(crate) fn made_anew(&self, fault: &StorageFault) {
        let mut marks = self.marks();
        if marks.last_error == Some(fault.to_string()) {
            marks.last_error = Some(format!("{MADE_ANEW}: {fault}"));
        }
    }

    /// A bit turned in the page at `at`, and was put right.
    pub(crate) fn was_put_right(&self, at: u64) {
        let told = format!("a bit turned in the page at byte {at}, and was put right");
        self.marks().last_error = Some(told);
    }

    /// A commit that is not whole was let go of as the log was opened.
    pub(crate) fn let_go(&self, told: String) {
        self.marks().last_error = Some(told);
    }

    pub(crate) fn folds_again(&self) {
        self.marks().stuck = None;
    }

    pub(crate) fn why_stuck(&self) -> Option<StorageFault> {
        self.marks().stuck.clone()
    }

    pub(crate) fn resumed(&self) {
        self.marks().fault = None;
    }

    pub(crate) fn health(&self, capacity_bytes: u64) -> StoreHealth {
        let queued_bytes = self.queued_bytes.load(Ordering::Relaxed);
        let marks = self.marks();
        let taken_in = marks.oldest.map(|since| since.elapsed());
        let oldest_waiting = taken_in.max(self.unanswered());
        let slow = oldest_waiting.is_some_and(|waiting| waiting > SLOW);
        let state = if marks.fault.is_some() {
            WriterState::Failed
        } else if slow || marks.stuck.is_some() || queued_bytes > capacity_bytes / 2 {
            WriterState::Pressured
        } else {
            WriterState::Healthy
        };
        StoreHealth {
            state,
            fault: marks.fault.clone(),
            stuck: marks.stuck.clone(),
            queued_events: self.queued_events.load(Ordering::Relaxed),
            queued_bytes,
            capacity_bytes,
            transactions: self.transactions.load(Ordering::Relaxed),
            committed_events: self.committed_events.load(Ordering::Relaxed),
            opens: self.opens.load(Ordering::Relaxed),
            last_error: marks.last_error.clone(),
            since_last_ack: marks.last_ack.map(|at| at.elapsed()),
            oldest_waiting,
        }
    }

    fn marks(&self) -> MutexGuard<'_, Marks> {
        self.marks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use rustix::io::Errno;

    use super::*;
    use crate::fault::{read_failed, reopening, storage_fault};

    fn last_error(meter: &Meter) -> Option<String> {
        meter.health(1).last_error
    }

    #[test]
    fn what_went_wrong_is_told_until_it_is_over_whoever_meets_it_again() {
        let disk = storage_fault(&Errno::IO.into());
        let met_again: [fn(&Meter); 3] = [
            |meter| meter.suspended(&reopening()),
            |meter| meter.stuck(&read_failed()),
            |meter| meter.stuck(&reopening()),
        ];
        for by in met_again {
            let meter = Meter::default();
            meter.suspended(&disk);
            by(&meter);
            assert_eq!(last_error(&meter), Some(disk.to_string()));
        }
    }

    #[test]
    fn why_nothing_can_be_folded_is_told_as_long_as_that_is_so_though_all_is_written() {
        let meter = Meter::default();
        let damaged = StorageFault::Damaged {
            message: "a page is not what it was".to_owned(),
        };
        meter.stuck(&damaged);
        let health = meter.health(1);
        assert_eq!(health.state, WriterState::Pressured);
        assert_eq!((health.fault, health.stuck), (None, Some(damaged)));
        meter.folds_again();
        let health = meter.health(1);
        assert_eq!((health.state, health.stuck), (WriterState::Healthy, None));
    }

    #[test]
    fn what_goes_wrong_once_all_is_well_again_is_told_in_place_of_what_did_before() {
        let meter = Meter::default();
        meter.stuck(&StorageFault::Full);
        meter.folds_again();
        meter.stuck(&read_failed());
        assert_eq!(last_error(&meter), Some(read_failed().to_string()));
    }

    #[test]
    fn a_fault_is_told_in_place_of_what_was_heard_of_it_or_of_another_one() {
        let meter = Meter::default();
        for reason in [
            read_failed(),
            storage_fault(&Errno::IO.into()),
            StorageFault::Full,
        ] {
            meter.stuck(&reason);
            assert_eq!(last_error(&meter), Some(reason.to_string()));
        }
    }
}
