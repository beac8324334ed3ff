//! The new log: written as folds are, so that it is like any other.

use std::path::Path;
use std::sync::Arc;

use coven_core::{Record, Seq, SessionId};
use redb::WriteTransaction;

use super::SalvageError;
use crate::cold::fold::{self, Thrift};
use crate::cold::order::NOBODY;
use crate::file::Disk;
use crate::layout::{META, meta};
use crate::opening::{self, Files};
use crate::options::Options;
use crate::stored::{Aside, Mark};
use crate::tail::{Fold, FoldedSlot, Row, Run, Standing};

/// Bytes of events that one transaction writes, and sessions.
const CHUNK_BYTES: usize = 4 << 20;
const CHUNK_SESSIONS: usize = 1024;

/// Runs of the order that one transaction writes.
const CHUNK_RUNS: usize = 100_000;

/// How a log is written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// Bytes of events that one transaction writes.
    pub(crate) chunk_bytes: usize,
    pub(crate) options: Options,
}

impl Default for Pace {
    fn default() -> Self {
        let options = Options {
            reserve_bytes: 0,
            ..Options::default()
        };
        Self {
            chunk_bytes: CHUNK_BYTES,
            options,
        }
    }
}

/// A log that is being written.
pub(super) struct NewLog {
    files: Files,
    chunk_bytes: usize,
    slots: Vec<FoldedSlot>,
    bytes: usize,
    runs: Vec<Run>,
}

impl NewLog {
    /// Makes an empty log at `path`, where nothing may be.
    pub(super) fn make(
        disk: &Arc<dyn Disk>,
        path: &Path,
        pace: Pace,
    ) -> Result<Self, SalvageError> {
        Ok(Self {
            files: opening::open(disk, path, pace.options)?,
            chunk_bytes: pace.chunk_bytes,
            slots: Vec::new(),
            bytes: 0,
            runs: Vec::new(),
        })
    }

    /// Adds rows to a session, which then is as `record` says.
    pub(super) fn put(
        &mut self,
        slot: u64,
        id: &SessionId,
        record: &Record,
        rows: Vec<Row>,
    ) -> Result<(), SalvageError> {
        let standing = Standing::Living(Arc::new(record.clone()));
        self.push(slot, id, standing, rows)
    }

    /// Adds a session that was deleted: of it there is one event.
    pub(super) fn put_deleted(
        &mut self,
        slot: u64,
        id: &SessionId,
        row: Row,
    ) -> Result<(), SalvageError> {
        let standing = Standing::Deleted { at: row.seq };
        self.push(slot, id, standing, vec![row])
    }

    fn push(
        &mut self,
        slot: u64,
        id: &SessionId,
        standing: Standing,
        rows: Vec<Row>,
    ) -> Result<(), SalvageError> {
        for row in &rows {
            self.count(slot, row);
        }
        self.bytes += rows.iter().map(|row| row.bytes.len()).sum::<usize>();
        match self.slots.last_mut().filter(|last| last.slot == slot) {
            Some(last) => {
                last.standing = standing;
                last.rows.extend(rows);
            }
            None => self.slots.push(FoldedSlot {
                slot,
                id: id.clone(),
                standing,
                rows,
            }),
        }
        if self.bytes >= self.chunk_bytes || self.slots.len() >= CHUNK_SESSIONS {
            self.write(Vec::new(), Mark::default())?;
        }
        Ok(())
    }

    fn count(&mut self, slot: u64, row: &Row) {
        let len_bytes = row.bytes.len() as u64;
        match self.runs.last_mut() {
            Some(run) if run.slot == slot && run.last.next() == row.seq => {
                run.last = row.seq;
                run.len_bytes += len_bytes;
            }
            _ => self.runs.push(Run {
                first: row.seq,
                last: row.seq,
                slot,
                len_bytes,
            }),
        }
    }

    fn write(&mut self, runs: Vec<Run>, mark: Mark) -> Result<(), SalvageError> {
        let fold = Fold {
            mark,
            slots: std::mem::take(&mut self.slots),
            runs,
        };
        self.bytes = 0;
        let cold = &self.files.cold.database;
        cold.commit_cold(|txn| fold::write(txn, &fold, Thrift::Room))?;
        Ok(())
    }

    /// Writes the order, in which places that nobody has are nobody's, and closes the log. Its
    /// counters go on from `mark`, and the slots that are set `aside` stay so.
    pub(super) fn finish(mut self, mark: Mark, aside: &Aside) -> Result<(), SalvageError> {
        self.write(Vec::new(), Mark::default())?;
        if !aside.0.is_empty() {
            let set_aside = |txn: &WriteTransaction| {
                let mut meta = txn.open_table(META)?;
                meta.insert(meta::ASIDE, aside.seal().as_slice())?;
                Ok(())
            };
            self.files.cold.database.commit_cold(set_aside)?;
        }
        let mut runs = std::mem::take(&mut self.runs);
        runs.sort_unstable_by_key(|run| run.first);
        let mut next = Seq::new(1);
        let mut order = Vec::new();
        for run in runs {
            if next < run.first {
                order.push(nobodys(next, run.first));
            }
            next = run.last.next();
            order.push(run);
            if order.len() >= CHUNK_RUNS {
                self.write(std::mem::take(&mut order), Mark::default())?;
            }
        }
        let end = mark.seq().next();
        if next < end {
            order.push(nobodys(next, end));
        }
        self.write(order, mark)?;
        let txn = self.files.journal.database.begin_write()?;
        let trimmed = mark.seal(meta::TRIMMED);
        txn.open_table(META)
            .map_err(crate::fault::Fault::from)?
            .insert(meta::TRIMMED, trimmed.as_slice())
            .map_err(crate::fault::Fault::from)?;
        txn.commit().map_err(crate::fault::Fault::from)?;
        Ok(())
    }
}

fn nobodys(first: Seq, end: Seq) -> Run {
    Run {
        first,
        last: Seq::new(end.get() - 1),
        slot: NOBODY,
        len_bytes: 0,
    }
}

#[cfg(test)]
mod tests {
    use coven_core::Event;

    use super::super::mend::{row, stand_in};
    use super::*;
    use crate::file::OsDisk;
    use crate::raw::{RawFile, free_pages};
    use crate::stored::{EventRow, encode};
    use crate::test_support::*;

    #[test]
    fn every_commit_of_the_new_cold_file_keeps_the_map_of_free_pages() {
        let home = Home::new();
        let disk: Arc<dyn Disk> = Arc::new(OsDisk);
        let pace = Pace {
            chunk_bytes: 1,
            ..Pace::default()
        };
        let mut log = NewLog::make(&disk, &home.path(), pace).expect("a new log");
        for slot in 1..4 {
            let session = id(&format!("gone-{slot}"));
            let envelope = stand_in(&session, 0, slot, at(1), Event::Deleted);
            let bytes = encode(&EventRow::from(&envelope)).into();
            log.put_deleted(slot, &session, row(&envelope, bytes))
                .expect("it is written");
            let file = RawFile::open_unlocked(disk.as_ref(), &home.path()).expect("a file");
            assert!(free_pages(&file, 1).is_some(), "commit {slot}");
        }
    }
}
