//! Lists of records, newest first, page by page.

mod without_index;

use std::collections::HashMap;
use std::sync::Arc;

use coven_core::{Record, SessionId, Timestamp};
use redb::{ReadOnlyTable, ReadTransaction};

use super::record::{load_record, unless_damaged};
use crate::cold::order::Goes;
use crate::database::guarded;
use crate::fault::Fault;
use crate::layout::{BY_CREATED, RECORDS};
use crate::projection::created_key;

pub(crate) use without_index::{Given, Looked, list_by_slots};

/// Which part of the list of all sessions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Only what comes after this place; `None` begins with the newest.
    pub before: Option<Position>,
    /// The most records; of 0, one.
    pub limit: usize,
    /// Whether archived ones are shown. Each that is passed over takes as long as one that is not.
    pub archived: Archived,
}

/// A place in the list of all sessions. It stays where it is while sessions come and go, that of
/// the position included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// When the session there was created.
    pub created_at: Timestamp,
    /// Its id, which tells apart those of one moment.
    pub id: SessionId,
}

impl Position {
    fn key(&self) -> (i64, &str) {
        (self.created_at.as_nanos(), self.id.as_str())
    }
}

/// Whether archived sessions are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Archived {
    /// They are not.
    Hidden,
    /// They are.
    Included,
}

/// One page of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// The records: by creation, then by id, the greatest first.
    pub records: Vec<Record>,
    /// How many sessions are left out between these because they, or their rows of the list, are damaged. Where the
    /// list itself is, those of which it cannot be told where they belong are counted on its first page, some of which
    /// may have been deleted.
    pub damaged: usize,
    /// Where the next page begins; `None` when this is the last.
    pub next: Option<Position>,
}

/// A page of the list. `again` gives the record of a session whose own is damaged, where that can be had.
pub(crate) fn list(
    txn: &ReadTransaction,
    tail: &HashMap<u64, Option<Arc<Record>>>,
    page: &Page,
    again: impl Fn(u64, &SessionId) -> Option<Record>,
) -> Result<Listing, Fault> {
    let mut here = Here::of(tail, page);
    let index = txn.open_table(BY_CREATED)?;
    let records = txn.open_table(RECORDS)?;
    let rows = match &page.before {
        Some(position) => index.range(..position.key())?,
        None => index.range::<(i64, &str)>(..)?,
    };
    let mut filling = Filling::new(page);
    for row in rows.rev() {
        let (key, value) = row?;
        let (slot, _) = value.value();
        // As the tail has it, it is newer.
        if let Some(record) = tail.get(&slot) {
            let is_another = |record: &Arc<Record>| record.session.id.as_str() != key.value().1;
            filling.damaged += usize::from(record.as_ref().is_some_and(is_another));
            continue;
        }
        while let Some(record) = here.next_after(key.value()) {
            if filling.put(record) == Goes::Enough {
                return Ok(filling.cut());
            }
        }
        match listed(&records, slot, key.value(), &again)? {
            None => filling.damaged += 1,
            Some(record) if is_hidden(&record, page) => {}
            Some(record) => {
                if filling.put(record) == Goes::Enough {
                    return Ok(filling.cut());
                }
            }
        }
    }
    Ok(filling.end_with(here))
}

/// The record that a row of the cold file's list leads to. The list is a plain index: all that it says besides is
/// taken from the record, which has a checksum. `None` where one of the two is damaged.
fn listed(
    records: &ReadOnlyTable<u64, &'static [u8]>,
    slot: u64,
    (created_at, id): (i64, &str),
    again: impl Fn(u64, &SessionId) -> Option<Record>,
) -> Result<Option<Record>, Fault> {
    let Ok(id) = SessionId::parse(id) else {
        return Ok(None);
    };
    let record = unless_damaged(guarded(|| load_record(records, slot, &id)))?;
    let record = record.or_else(|| again(slot, &id));
    // Else it is not in its place in the list.
    Ok(record.filter(|record| created_key(record).0 == created_at))
}

fn is_hidden(record: &Record, page: &Page) -> bool {
    record.session.archived && page.archived == Archived::Hidden
}

fn is_before(record: &Record, page: &Page) -> bool {
    match &page.before {
        Some(position) => key(record) < position.key(),
        None => true,
    }
}

/// The sessions of the tail that belong on the page or behind it, the oldest first.
struct Here {
    records: Vec<Arc<Record>>,
}

impl Here {
    fn of(tail: &HashMap<u64, Option<Arc<Record>>>, page: &Page) -> Self {
        let records = tail.values().flatten();
        let mut records: Vec<_> = records
            .filter(|record| !is_hidden(record, page) && is_before(record, page))
            .map(Arc::clone)
            .collect();
        records.sort_unstable_by(|one, other| key(one).cmp(&key(other)));
        Self { records }
    }

    /// The newest that is left, if it is newer than what is at `place`.
    fn next_after(&mut self, place: (i64, &str)) -> Option<Record> {
        let newer = self.records.pop_if(|record| key(record) > place)?;
        Some(Record::clone(&newer))
    }
}

fn key(record: &Record) -> (i64, &str) {
    (record.created_at.as_nanos(), record.session.id.as_str())
}

/// A page being filled.
struct Filling<'a> {
    page: &'a Page,
    records: Vec<Record>,
    damaged: usize,
}

impl<'a> Filling<'a> {
    const fn new(page: &'a Page) -> Self {
        Self {
            page,
            records: Vec::new(),
            damaged: 0,
        }
    }

    fn put(&mut self, record: Record) -> Goes {
        if self.records.len() == self.page.limit.max(1) {
            return Goes::Enough;
        }
        let before = match self.records.last() {
            Some(last) => Some(key(last)),
            None => self.page.before.as_ref().map(Position::key),
        };
        // Who reads page by page always gets on, whatever rows the list has.
        if before.is_none_or(|before| key(&record) < before) {
            self.records.push(record);
        } else {
            self.damaged += 1;
        }
        Goes::On
    }

    /// The page, when there is nothing behind it but what is left of the tail.
    fn end_with(mut self, mut here: Here) -> Listing {
        while let Some(record) = here.records.pop() {
            if self.put(Record::clone(&record)) == Goes::Enough {
                return self.cut();
            }
        }
        Listing {
            records: self.records,
            damaged: self.damaged,
            next: None,
        }
    }

    /// The page, when there is more behind it.
    fn cut(self) -> Listing {
        Listing {
            next: self.records.last().map(position_of),
            records: self.records,
            damaged: self.damaged,
        }
    }
}

fn position_of(record: &Record) -> Position {
    Position {
        created_at: record.created_at,
        id: record.session.id.clone(),
    }
}
