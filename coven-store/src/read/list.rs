//! Lists of records, newest first, page by page.

use coven_core::{Record, SessionId, Timestamp};
use redb::ReadTransaction;

use super::record::load_whole;
use crate::fault::{Fault, damage};
use crate::layout::{BY_CREATED, RECORDS};

/// Which part of the list of all sessions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Only what comes after this place; `None` begins with the newest.
    pub before: Option<Position>,
    /// The most records.
    pub limit: usize,
    /// Whether archived ones are shown.
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
    /// Where the next page begins; `None` when this is the last.
    pub next: Option<Position>,
}

pub(crate) fn list(txn: &ReadTransaction, page: &Page) -> Result<Listing, Fault> {
    let index = txn.open_table(BY_CREATED)?;
    let table = txn.open_table(RECORDS)?;
    let rows = match &page.before {
        Some(position) => index.range(..(position.created_at.as_nanos(), position.id.as_str()))?,
        None => index.range::<(i64, &str)>(..)?,
    };
    let mut records: Vec<Record> = Vec::new();
    for row in rows.rev() {
        let (key, value) = row?;
        let (slot, archived) = value.value();
        if archived && page.archived == Archived::Hidden {
            continue;
        }
        if records.len() == page.limit {
            let next = records.last().map(position_of);
            return Ok(Listing { records, next });
        }
        let id = SessionId::parse(key.value().1).map_err(|_| damage("an id is not one"))?;
        records.extend(load_whole(&table, slot, &id)?);
    }
    Ok(Listing {
        records,
        next: None,
    })
}

fn position_of(record: &Record) -> Position {
    Position {
        created_at: record.created_at,
        id: record.session.id.clone(),
    }
}
