//! `Cache`: segments as they are once they are decompressed, so that what is read again is taken from
//! memory alone. Neither the cold file nor a transaction of it is touched for a page that is here.
//!
//! What it holds is as the last commit of the cold file left it:
//!
//! - Whoever commits says which sessions the commit concerns ([`Cache::change`]) before anybody can see
//!   it. What the cache has of those goes at once, all of it, and until the commit is over nothing is put
//!   here. So what is here is as true after the commit as before it. It does not matter what a commit
//!   does to a session's segments. One that fails may be in the file all the same: what it concerns stays
//!   out, and nothing is put here until the file is opened anew. What it does not concern is as true as
//!   before, and found.
//! - Who reads takes a [`Look`] before anything else. It finds things here only for as long as no
//!   commit was over since then, and puts things here only if none was even begun: then what it reads in a
//!   snapshot that was opened after the look is what the last commit left.
//! - A file that is opened anew begins with an empty cache, and what is read of the one before is put
//!   nowhere.
//!
//! That segments follow one another is said by each of the one behind it: of a gap in what is here
//! nothing can be concluded but that the cold file is to be asked.
//!
//! A segment's checksum was right when it was put here. What turns in memory afterwards is not seen,
//! as anywhere else in memory; what turns in the file is seen by who reads the file. Whoever checks or
//! salvages a log, writes it anew or folds it reads the file.

mod shelf;
#[cfg(test)]
mod tests;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use coven_core::{Seq, SessionId};

use super::record::Known;
use super::unpacked::Unpacked;
use crate::limits::CACHE_PATIENCE;

use shelf::Shelf;

pub(crate) use shelf::Before;

/// Shared by all who read, and the folder, who commits.
pub(crate) struct Cache(Mutex<State>);

struct State {
    /// What of the cold file this is.
    moment: Moment,
    /// A commit is under way, or was and nobody knows what became of it.
    is_changing: bool,
    shelf: Shelf,
    /// When somebody last found or put something here. Who reads elsewhere keeps nothing here.
    used_at: Instant,
    /// Whether somebody sees to it that all is given back when nobody reads.
    is_watched: bool,
}

/// How often the cold file was opened and changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Moment {
    opening: u64,
    commits: u64,
}

/// Which sessions a commit concerns, by slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Touched {
    Slots(Vec<u64>),
    All,
}

/// Where to read on in a slot's segments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// In the segment that has this seq, or the first behind it.
    From(Seq),
    /// In the one that comes behind the segment which begins there.
    Behind(u64),
}

impl Place {
    /// Where the segment begins that it is behind.
    pub(super) const fn segment(self) -> Option<u64> {
        match self {
            Self::From(_) => None,
            Self::Behind(first) => Some(first),
        }
    }
}

/// What is found at a [`Place`].
#[derive(Clone, Debug)]
pub(crate) enum Found {
    Segment(Unpacked),
    /// The session has no more segments.
    End,
    /// The cold file is to be asked.
    Unknown,
}

/// What the cold file says of a session beside its events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Facts {
    /// The offset before which output is not to be read.
    pub(crate) trimmed_bytes: u64,
    /// What its record says, where that can be read.
    pub(crate) known: Option<Known>,
}

impl Facts {
    /// Nothing is known.
    pub(crate) const NONE: Self = Self {
        trimmed_bytes: 0,
        known: None,
    };
}

impl Cache {
    pub(crate) fn new(most_bytes: usize) -> Self {
        Self(Mutex::new(State {
            moment: Moment::default(),
            is_changing: false,
            shelf: Shelf::new(most_bytes),
            used_at: Instant::now(),
            is_watched: false,
        }))
    }

    /// Looks at the cache as it is now, for a read of the cold file's `opening`; of one that is not
    /// open nothing is here.
    pub(crate) fn look(&self, opening: Option<u64>) -> Look<'_> {
        let now = Instant::now();
        let mut state = self.lock();
        let old = opening.map(|opening| state.begin(opening));
        let look = Look {
            cache: opening.map(|_| self),
            moment: state.moment,
            may_put: !state.is_changing,
            now,
        };
        drop(state);
        drop(old);
        look
    }

    /// Tells that a commit of the cold file's `opening` is about to concern `touched`. Dropped, the
    /// commit is taken to have failed.
    pub(crate) fn change(&self, opening: u64, touched: &Touched) -> Change<'_> {
        let mut state = self.lock();
        let old = state.begin(opening);
        state.is_changing = true;
        let gone = match touched {
            Touched::Slots(slots) => state.shelf.remove(slots),
            Touched::All => state.shelf.take(),
        };
        drop(state);
        drop((old, gone));
        Change {
            cache: self,
            opening,
        }
    }

    /// Gives everything back.
    pub(crate) fn clear(&self) {
        let mut state = self.lock();
        // Who reads now puts nothing here any more.
        state.moment.commits += 1;
        let gone = state.shelf.take();
        drop(state);
        drop(gone);
    }

    /// Whether somebody is to be told that there is something here to be given back; asked again,
    /// he was told.
    pub(crate) fn begins_to_hold(&self) -> bool {
        let mut state = self.lock();
        let begins = !state.is_watched && !state.shelf.is_empty();
        state.is_watched |= begins;
        begins
    }

    /// When to look next whether anybody still reads; `None` when there is nothing here to be given
    /// back.
    pub(crate) fn patience(&self, now: Instant) -> Option<Duration> {
        let mut state = self.lock();
        if state.shelf.is_empty() {
            state.is_watched = false;
            return None;
        }
        let until = state.used_at + CACHE_PATIENCE;
        Some(until.saturating_duration_since(now))
    }

    /// Gives everything back if nobody reads.
    pub(crate) fn rest(&self, now: Instant) {
        if self.patience(now) == Some(Duration::ZERO) {
            self.clear();
        }
    }

    /// Bytes that it takes.
    #[cfg(test)]
    pub(crate) fn len_bytes(&self) -> usize {
        self.lock().shelf.len_bytes()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Begins anew for a file that was opened anew; gives what is of no use any more.
    fn begin(&mut self, opening: u64) -> Option<Vec<Unpacked>> {
        if opening <= self.moment.opening {
            return None;
        }
        self.moment = Moment {
            opening,
            commits: self.moment.commits + 1,
        };
        self.is_changing = false;
        Some(self.shelf.take())
    }

    /// Somebody who looked at `now` found something, or did not.
    fn used(&mut self, found: bool, now: Instant) {
        if found {
            self.used_at = self.used_at.max(now);
        }
    }
}

/// A commit under way.
#[must_use]
pub(crate) struct Change<'a> {
    cache: &'a Cache,
    opening: u64,
}

impl Change<'_> {
    /// The commit is made, and whoever opens a snapshot now sees it.
    pub(crate) fn made(self) {
        let mut state = self.cache.lock();
        if state.moment.opening == self.opening {
            state.moment.commits += 1;
            state.is_changing = false;
        }
    }
}

/// The cache as it was at one moment: what it had then is found in it, as long as that is still so.
pub(crate) struct Look<'a> {
    cache: Option<&'a Cache>,
    moment: Moment,
    may_put: bool,
    now: Instant,
}

impl Look<'_> {
    /// A look that sees nothing and puts nothing anywhere.
    pub(crate) fn blind() -> Self {
        Self {
            cache: None,
            moment: Moment::default(),
            may_put: false,
            now: Instant::now(),
        }
    }

    /// A session's slot.
    pub(crate) fn slot_of(&self, id: &SessionId) -> Option<u64> {
        self.find()?.shelf.slot_of(id)
    }

    pub(crate) fn facts(&self, slot: u64) -> Option<Facts> {
        self.find()?.shelf.facts(slot)
    }

    /// The segment at a place, or that there is none.
    pub(crate) fn at(&self, slot: u64, place: Place) -> Found {
        self.find().map_or(Found::Unknown, |mut state| {
            let found = state.shelf.at(slot, place, self.now);
            state.used(matches!(found, Found::Segment(_)), self.now);
            found
        })
    }

    /// The segment that begins there.
    pub(crate) fn segment(&self, slot: u64, first: u64) -> Option<Unpacked> {
        let mut state = self.find()?;
        let found = state.shelf.segment(slot, first, self.now);
        state.used(found.is_some(), self.now);
        found
    }

    /// Where a segment begins in which, or behind which, the output at `offset` is.
    pub(crate) fn near_output(&self, slot: u64, offset: u64) -> Option<u64> {
        self.find()?.shelf.near_output(slot, offset)
    }

    /// Keeps a segment that was read in the cold file, and what comes before it there.
    pub(crate) fn put(&self, slot: u64, before: Before, segment: &Unpacked) {
        if let Some(mut state) = self.open() {
            let gone = state.shelf.put(slot, before, segment, self.now);
            state.used(true, self.now);
            drop(state);
            drop(gone);
        }
    }

    /// Keeps that nothing comes behind the segment that begins there.
    pub(crate) fn put_end(&self, slot: u64, first: u64) {
        if let Some(mut state) = self.open() {
            state.shelf.put_end(slot, first);
        }
    }

    /// Keeps what was read of a session some of whose segments are here.
    pub(crate) fn put_facts(&self, slot: u64, id: &SessionId, facts: Facts) {
        if let Some(mut state) = self.open() {
            state.shelf.put_facts(slot, id, facts);
        }
    }

    /// The state, if what is in it is what this look is of.
    fn find(&self) -> Option<MutexGuard<'_, State>> {
        let state = self.cache?.lock();
        (state.moment == self.moment).then_some(state)
    }

    /// The same, if what was read since is as well.
    fn open(&self) -> Option<MutexGuard<'_, State>> {
        let state = self.may_put.then(|| self.find())??;
        (!state.is_changing).then_some(state)
    }
}
