//! Where what is salvaged goes: into a new log, or nowhere.

use coven_core::{Record, SessionId};

use super::SalvageError;
use super::write::NewLog;
use crate::tail::Row;

/// Events of a session that are handed over at once, and bytes of them.
const ROWS: usize = 256;
const ROWS_BYTES: usize = 1 << 20;

/// Where what is salvaged goes.
pub(super) enum Target {
    Log(Box<NewLog>),
    /// It is only to be known what it comes to.
    Nowhere,
}

impl Target {
    pub(super) fn put(
        &mut self,
        slot: u64,
        id: &SessionId,
        record: &Record,
        rows: Vec<Row>,
    ) -> Result<(), SalvageError> {
        match self {
            Self::Log(log) => log.put(slot, id, record, rows),
            Self::Nowhere => Ok(()),
        }
    }

    pub(super) fn put_deleted(
        &mut self,
        slot: u64,
        id: &SessionId,
        row: Row,
    ) -> Result<(), SalvageError> {
        match self {
            Self::Log(log) => log.put_deleted(slot, id, row),
            Self::Nowhere => Ok(()),
        }
    }
}

/// Rows of one session that are handed over together.
pub(super) struct Gathered<'a> {
    slot: u64,
    id: &'a SessionId,
    log: &'a mut Target,
    rows: Vec<Row>,
    len_bytes: usize,
}

impl<'a> Gathered<'a> {
    pub(super) const fn of(slot: u64, id: &'a SessionId, log: &'a mut Target) -> Self {
        Self {
            slot,
            id,
            log,
            rows: Vec::new(),
            len_bytes: 0,
        }
    }

    pub(super) fn add(&mut self, record: &Record, row: Row) -> Result<(), SalvageError> {
        self.len_bytes += row.bytes.len();
        self.rows.push(row);
        if self.rows.len() < ROWS && self.len_bytes < ROWS_BYTES {
            return Ok(());
        }
        self.hand_over(record)
    }

    pub(super) fn hand_over(&mut self, record: &Record) -> Result<(), SalvageError> {
        self.len_bytes = 0;
        let rows = std::mem::take(&mut self.rows);
        self.log.put(self.slot, self.id, record, rows)
    }
}
