//! The list of all sessions where its index cannot be read: by the record of each or, where that cannot be read
//! either, by its events.
//!
//! For that all sessions are looked at. So it is remembered in which order many of them are, for the pages that are
//! asked for next.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::iter::Peekable;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use coven_core::{Record, SessionId};

use super::{Filling, Here, Listing, Page, key};
use crate::cold::order::Goes;
use crate::fault::Fault;
use crate::read::Archived;
use crate::read::record::{record_of_row, unless_damaged};
use crate::read::segments::Verified;
use crate::stored::Aside;

/// How many sessions are remembered, at some hundred bytes each.
const STRETCH: usize = 1 << 16;

/// When a session was created, and its id.
type Place = (i64, String);

/// What was looked at last.
#[derive(Debug)]
pub(crate) struct Looked {
    last: Mutex<Option<Arc<Stretch>>>,
    /// One looks at a time: who waits wants the same as a rule, and many at once take the disk from each other, and as
    /// much memory each. Who wants what was looked at waits for nobody.
    looking: Mutex<()>,
    /// How many sessions are remembered at most.
    most: usize,
}

impl Default for Looked {
    fn default() -> Self {
        Self {
            last: Mutex::default(),
            looking: Mutex::default(),
            most: STRETCH,
        }
    }
}

/// Which commit something is of. Its number alone may be given again, once the file was opened again after a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Moment {
    opening: u64,
    commit: u64,
}

/// Sessions that follow one another in the list, as one commit has them.
#[derive(Debug)]
struct Stretch {
    /// `None` where that is not known, and it is of no use to others.
    moment: Option<Moment>,
    /// What comes right before them; `None` where they begin the list.
    before: Option<Place>,
    sessions: BTreeMap<Place, Listed>,
    /// Whether they end the list.
    is_last: bool,
    /// How many sessions there are of which it cannot be told where they belong. Where it cannot even be told whose
    /// a slot is, its session may have been deleted, if the event of that cannot be read.
    placeless: usize,
}

#[derive(Debug)]
struct Listed {
    slot: u64,
    is_archived: bool,
}

/// The slots that sessions were given, as far as that is known.
pub(crate) struct Given {
    /// That of the newest session there was.
    pub(crate) last: Option<u64>,
    /// Those that no session has.
    pub(crate) aside: Aside,
}

/// A page of the list, of an opening of the cold file.
pub(crate) fn list_by_slots(
    verified: Verified<'_>,
    given: &Given,
    (looked, opening): (&Looked, u64),
    tail: &HashMap<u64, Option<Arc<Record>>>,
    page: &Page,
) -> Result<Listing, Fault> {
    let mut here = Here::of(tail, page);
    let mut filling = Filling::new(page);
    let mut before = page.before.as_ref().map(|position| {
        let (created_at, id) = position.key();
        (created_at, id.to_owned())
    });
    let commit = verified.commit();
    let moment = commit.map(|commit| Moment { opening, commit });
    loop {
        let stretch = looked.stretch(moment, before.as_ref(), || {
            Stretch::begin(moment, before.clone()).filled(verified, given, looked.most)
        })?;
        if before.is_none() {
            filling.damaged += stretch.placeless;
        }
        for ((created_at, id), it) in stretch.older_than(before.as_ref()) {
            // As the tail has it, it is newer.
            if tail.contains_key(&it.slot) {
                continue;
            }
            while let Some(record) = here.next_after((*created_at, id)) {
                if filling.put(record) == Goes::Enough {
                    return Ok(filling.cut());
                }
            }
            if it.is_archived && page.archived == Archived::Hidden {
                continue;
            }
            let id = SessionId::parse(id).expect("it was one");
            match unless_damaged(verified.record_in(it.slot, &id))? {
                None => filling.damaged += 1,
                Some(record) => {
                    if filling.put(record) == Goes::Enough {
                        return Ok(filling.cut());
                    }
                }
            }
        }
        if stretch.is_last {
            return Ok(filling.end_with(here));
        }
        before = stretch.sessions.keys().next().cloned();
    }
}

impl Looked {
    /// Sessions that follow on a place, some at least if there are any: those that were looked at last, or what `look`
    /// finds.
    fn stretch(
        &self,
        moment: Option<Moment>,
        before: Option<&Place>,
        look: impl FnOnce() -> Result<Stretch, Fault>,
    ) -> Result<Arc<Stretch>, Fault> {
        if let Some(known) = self.known(moment, before) {
            return Ok(known);
        }
        let _looking = self.looking.lock().unwrap_or_else(PoisonError::into_inner);
        // Whoever looked until now may have found it.
        if let Some(known) = self.known(moment, before) {
            return Ok(known);
        }
        let found = Arc::new(look()?);
        *self.last() = Some(Arc::clone(&found));
        Ok(found)
    }

    fn known(&self, moment: Option<Moment>, before: Option<&Place>) -> Option<Arc<Stretch>> {
        let last = self.last();
        let known = last.as_ref()?;
        let is_it = moment.is_some() && known.moment == moment && known.follows_on(before);
        is_it.then(|| Arc::clone(known))
    }

    /// Whether any is remembered.
    pub(crate) fn is_any(&self) -> bool {
        self.last().is_some()
    }

    /// Lets go of what is of another commit, which nobody is given any more.
    pub(crate) fn keep_of(&self, opening: u64, commit: Option<u64>) {
        let moment = commit.map(|commit| Moment { opening, commit });
        self.last()
            .take_if(|known| known.moment.is_none() || known.moment != moment);
    }

    fn last(&self) -> MutexGuard<'_, Option<Arc<Stretch>>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Stretch {
    /// One that has nothing yet.
    fn begin(moment: Option<Moment>, before: Option<Place>) -> Self {
        Self {
            moment,
            before,
            sessions: BTreeMap::new(),
            is_last: true,
            placeless: 0,
        }
    }

    /// Looks at all sessions, and takes in the newest there are, `most` of them, that belong behind where it begins.
    fn filled(mut self, verified: Verified<'_>, given: &Given, most: usize) -> Result<Self, Fault> {
        let mut records = Records(verified.records().peekable());
        let (mut next, mut has_gap) = (1, false);
        for slot in verified.slots() {
            let Some((slot, id, deleted_at)) = slot else {
                has_gap = true;
                continue;
            };
            if std::mem::take(&mut has_gap) {
                self.placeless += records.living(verified, given, next..slot);
            }
            next = slot + 1;
            if deleted_at.is_some() {
                continue;
            }
            let record = records
                .of(slot)
                .and_then(|row| record_of_row(slot, &id, &row).ok());
            let record = record.map_or_else(|| verified.folded(slot, &id), Ok);
            match unless_damaged(record)? {
                Some(record) => self.take(slot, &record, most),
                None => self.placeless += 1,
            }
        }
        if has_gap {
            let living = |last| records.living(verified, given, next..last + 1);
            self.placeless += given.last.map_or(1, living);
        }
        Ok(self)
    }

    fn take(&mut self, slot: u64, record: &Record, most: usize) {
        let (created_at, id) = key(record);
        let place = (created_at, id.to_owned());
        if self.before.as_ref().is_some_and(|before| place >= *before) {
            return;
        }
        let is_archived = record.session.archived;
        self.sessions.insert(place, Listed { slot, is_archived });
        if self.sessions.len() > most {
            self.sessions.pop_first();
            self.is_last = false;
        }
    }

    /// Whether what comes after a place is here.
    fn follows_on(&self, place: Option<&Place>) -> bool {
        let begins = match (&self.before, place) {
            (None, _) => true,
            (Some(before), Some(place)) => place <= before,
            (Some(_), None) => false,
        };
        begins && (self.is_last || self.older_than(place).next().is_some())
    }

    /// The newest first.
    fn older_than(&self, place: Option<&Place>) -> impl Iterator<Item = (&Place, &Listed)> {
        let older = match place {
            Some(place) => self.sessions.range(..place.clone()),
            None => self.sessions.range::<Place, _>(..),
        };
        older.rev()
    }
}

/// Records that are as they were written last, asked for in the order of their slots.
struct Records<I: Iterator<Item = (u64, Vec<u8>)>>(Peekable<I>);

impl<I: Iterator<Item = (u64, Vec<u8>)>> Records<I> {
    fn of(&mut self, slot: u64) -> Option<Vec<u8>> {
        while self.0.next_if(|(at, _)| *at < slot).is_some() {}
        let row = self.0.next_if(|(at, _)| *at == slot);
        row.map(|(_, row)| row)
    }

    /// How many sessions there are in slots of which it cannot be told whose they are. One that has a record is there;
    /// of another the last event says so if it was deleted.
    fn living(&mut self, verified: Verified<'_>, given: &Given, slots: Range<u64>) -> usize {
        let others = slots.filter(|slot| !given.aside.0.contains(slot));
        others
            .filter(|slot| self.of(*slot).is_some() || !verified.ends_deleted(*slot))
            .count()
    }
}
