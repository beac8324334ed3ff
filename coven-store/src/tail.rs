//! `Tail`: what is in the journal and was not folded yet, in memory.
//!
//! It has every session that a batch in the journal concerns, as it stands, and those batches'
//! events. Who reads takes what it wants from here first and then looks into the cold file: what a
//! fold moved in between is then there twice, and never missing.

mod fold;
mod read;
mod replay;
#[cfg(test)]
mod tests;

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use bytes::Bytes;
use coven_core::{Record, Seq, SessionId, is_trimmed};

use crate::pool::Pool;
use crate::stored::Mark;

pub(crate) use fold::{Fold, FoldedSlot};
pub(crate) use read::{AllRows, TailRows};
pub(crate) use replay::{Bounds, follows, gap, replay, replay_some};

/// The tail, shared by the writer, the folder and all who read.
pub(crate) struct SharedTail {
    tail: RwLock<Tail>,
    folds: Mutex<Folds>,
    folded: Condvar,
    pool: Arc<Pool>,
}

/// The folds there were.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Folds {
    /// How many, for who waits for the next.
    pub(crate) count: u64,
    /// How fast they are of late, in what the tail was rid of; `None` before the first.
    pub(crate) bytes_per_second: Option<u64>,
}

#[derive(Default)]
pub(crate) struct Tail {
    /// How far the cold file has everything.
    folded: Mark,
    /// How far the journal is.
    last: Mark,
    /// The last event that let go of anything, folded or not.
    let_go: Seq,
    slots: BTreeMap<u64, Slot>,
    /// The newest slot here of each session.
    ids: HashMap<SessionId, u64>,
    /// Whose events follow one another.
    runs: VecDeque<Run>,
    /// About what all of it takes in memory.
    bytes: u64,
    /// The groups of the journal that are not folded: where each ends, and what it takes.
    groups: VecDeque<(Mark, u64)>,
}

/// About what a session takes that is here, beside its events: its record above all.
const SLOT_BYTES: u64 = 2 << 10;

/// About what an event takes beside its bytes.
const ROW_BYTES: u64 = size_of::<Row>() as u64;

/// What a batch of so many events, of so many bytes, takes here at most.
pub(crate) const fn bytes_of(events: usize, len_bytes: u64) -> u64 {
    len_bytes + ROW_BYTES * events as u64 + SLOT_BYTES
}

/// A session, as its last batch left it.
struct Slot {
    id: SessionId,
    standing: Standing,
    rows: VecDeque<Row>,
}

impl Slot {
    fn begin(new: NewRows) -> Self {
        let mut slot = Self {
            id: new.id,
            standing: new.standing,
            rows: new.rows.into(),
        };
        slot.drop_void();
        slot
    }

    fn take(&mut self, rows: Vec<Row>, standing: Standing) {
        let trimmed_before = self.standing.trimmed_bytes();
        self.rows.extend(rows);
        self.standing = standing;
        let is_deleted = matches!(self.standing, Standing::Deleted { .. });
        if is_deleted || self.standing.trimmed_bytes() > trimmed_before {
            self.drop_void();
        }
    }

    /// Drops the events that are void.
    fn drop_void(&mut self) {
        match &self.standing {
            Standing::Deleted { at } => self.rows.retain(|row| row.seq == *at),
            Standing::Living(record) => {
                let trimmed_bytes = record.session.trimmed_bytes;
                self.rows.retain(|row| !row.is_trimmed(trimmed_bytes));
            }
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) enum Standing {
    Living(Arc<Record>),
    /// Its `Deleted` event is here; all before it is void.
    Deleted {
        at: Seq,
    },
}

impl Standing {
    /// The offset before which output is not to be read any more.
    pub(crate) fn trimmed_bytes(&self) -> u64 {
        match self {
            Self::Living(record) => record.session.trimmed_bytes,
            Self::Deleted { .. } => 0,
        }
    }
}

/// An event as it is stored.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) seq: Seq,
    pub(crate) bytes: Bytes,
    /// Where its output begins, and how much it is, where it is output.
    pub(crate) output: Option<Span>,
}

impl Row {
    pub(crate) fn is_trimmed(&self, trimmed_bytes: u64) -> bool {
        self.output
            .is_some_and(|span| is_trimmed(span.offset, span.len_bytes, trimmed_bytes))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) offset: u64,
    pub(crate) len_bytes: u64,
}

/// Events of one session that follow one another in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) first: Seq,
    pub(crate) last: Seq,
    pub(crate) slot: u64,
    /// Bytes of them as stored.
    pub(crate) len_bytes: u64,
}

/// A group that is durable.
pub(crate) struct NewGroup {
    /// Whose events follow one another, a batch each.
    pub(crate) runs: Vec<Run>,
    /// The same events, slot by slot.
    pub(crate) slots: Vec<NewRows>,
}

#[cfg(test)]
impl NewGroup {
    /// One of a batch for each slot.
    pub(crate) fn of(slots: Vec<NewRows>) -> Self {
        let runs = slots.iter().filter_map(NewRows::run).collect();
        Self { runs, slots }
    }
}

/// Events of one session, oldest first.
pub(crate) struct NewRows {
    pub(crate) slot: u64,
    pub(crate) id: SessionId,
    pub(crate) rows: Vec<Row>,
    /// How they leave the session.
    pub(crate) standing: Standing,
    /// The last of them that rids the log of output or of a session.
    pub(crate) lets_go: Option<Seq>,
}

impl SharedTail {
    pub(crate) fn new(tail: Tail) -> Self {
        Self {
            tail: RwLock::new(tail),
            folds: Mutex::default(),
            folded: Condvar::new(),
            pool: Arc::default(),
        }
    }

    /// The memory for what is to come here.
    pub(crate) const fn pool(&self) -> &Arc<Pool> {
        &self.pool
    }

    /// To look at it. Nobody may wait for a disk meanwhile.
    pub(crate) fn look(&self) -> RwLockReadGuard<'_, Tail> {
        self.tail.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self) -> RwLockWriteGuard<'_, Tail> {
        self.tail.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in a group that is durable; gives about what it takes here.
    pub(crate) fn push(&self, mark: Mark, len_bytes: u64, group: NewGroup) -> u64 {
        self.pool.keep();
        self.change().push(mark, len_bytes, group)
    }

    /// Lets go of what is folded: the cold file has everything up to `mark`. The fold took so
    /// long, where that is known.
    pub(crate) fn forget(&self, mark: Mark, took: Option<Duration>) {
        let len_bytes = self.change().forget(mark);
        let mut folds = self.folds.lock().unwrap_or_else(PoisonError::into_inner);
        folds.count += 1;
        if let Some(took) = took {
            folds.was_as_fast_as(len_bytes, took);
        }
        drop(folds);
        self.folded.notify_all();
    }

    /// Makes it as if it had so many bytes, of which so many are folded a second.
    #[cfg(test)]
    pub(crate) fn press(&self, bytes: u64, bytes_per_second: u64) {
        self.change().bytes = bytes;
        let mut folds = self.folds.lock().unwrap_or_else(PoisonError::into_inner);
        folds.bytes_per_second = Some(bytes_per_second);
    }

    /// The folds there were. Ask before looking at what they are waited for.
    pub(crate) fn folds(&self) -> Folds {
        *self.folds.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until there were more than so many folds, but not for long.
    pub(crate) fn wait_for_a_fold(&self, before: u64, patience: Duration) {
        let folds = self.folds.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self
            .folded
            .wait_timeout_while(folds, patience, |folds| folds.count == before);
        drop(waited);
    }
}

/// From so many bytes on a fold tells how fast they are.
const MIN_MEASURED_BYTES: u64 = 4 << 20;

impl Folds {
    /// A fold of so many bytes took so long; half of what is known of their speed is the last one's. A small
    /// one says nothing: its time is that of a sync.
    fn was_as_fast_as(&mut self, len_bytes: u64, took: Duration) {
        if len_bytes < MIN_MEASURED_BYTES {
            return;
        }
        let speed = (len_bytes as f64 / took.as_secs_f64().max(1e-6)) as u64;
        let before = self.bytes_per_second.unwrap_or(speed);
        self.bytes_per_second = Some(before.midpoint(speed));
    }
}

impl Tail {
    /// Nothing but how far the cold file is.
    pub(crate) fn after(folded: Mark) -> Self {
        Self {
            folded,
            last: folded,
            ..Self::default()
        }
    }

    pub(crate) const fn folded(&self) -> Mark {
        self.folded
    }

    pub(crate) const fn last(&self) -> Mark {
        self.last
    }

    /// Whether there is nothing to fold.
    pub(crate) fn is_folded(&self) -> bool {
        self.groups.is_empty()
    }

    /// Whether any of what is to be folded rids the log of output or of a session: folding that makes
    /// room.
    pub(crate) fn lets_go(&self) -> bool {
        self.let_go > self.folded.seq()
    }

    pub(crate) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whether one of the groups that are not folded ends there.
    pub(crate) fn ends_a_group_at(&self, mark: Mark) -> bool {
        self.groups.iter().any(|(group, _)| *group == mark)
    }

    /// Takes in a group that is `len_bytes` in the journal; gives what it takes here.
    fn push(&mut self, mark: Mark, len_bytes: u64, group: NewGroup) -> u64 {
        self.runs.extend(group.runs);
        let beside = group.slots.into_iter().map(|new| self.push_rows(new));
        let bytes = len_bytes + beside.sum::<u64>();
        self.pushed(mark, bytes);
        bytes
    }

    fn pushed(&mut self, mark: Mark, bytes: u64) {
        self.last = mark;
        self.bytes += bytes;
        self.groups.push_back((mark, bytes));
    }

    /// Takes in events of a session, whose runs are here; gives what they take beside the bytes of their
    /// group.
    fn push_rows(&mut self, new: NewRows) -> u64 {
        if new.rows.is_empty() {
            return 0;
        }
        self.let_go = self.let_go.max(new.lets_go.unwrap_or(Seq::ZERO));
        let beside = ROW_BYTES * new.rows.len() as u64;
        match self.slots.entry(new.slot) {
            Entry::Occupied(slot) => {
                slot.into_mut().take(new.rows, new.standing);
                beside
            }
            Entry::Vacant(place) => {
                self.ids.insert(new.id.clone(), new.slot);
                place.insert(Slot::begin(new));
                beside + SLOT_BYTES
            }
        }
    }

    /// Gives what that takes.
    fn forget(&mut self, mark: Mark) -> u64 {
        let before = self.bytes;
        let seq = mark.seq();
        while let Some(&(group, len_bytes)) = self.groups.front()
            && group.position <= mark.position
        {
            self.bytes -= len_bytes;
            self.groups.pop_front();
        }
        while self.runs.front().is_some_and(|run| run.last <= seq) {
            self.runs.pop_front();
        }
        let ids = &mut self.ids;
        self.slots.retain(|number, slot| {
            let folded = slot.rows.partition_point(|row| row.seq <= seq);
            slot.rows.drain(..folded);
            let keep = !slot.rows.is_empty();
            if !keep && ids.get(&slot.id) == Some(number) {
                ids.remove(&slot.id);
            }
            keep
        });
        self.folded = mark;
        before - self.bytes
    }
}
