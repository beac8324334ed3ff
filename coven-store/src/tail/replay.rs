//! The tail from the journal, when the log is opened.

use std::sync::Arc;

use coven_core::{Event, Record, SessionId};
use redb::ReadTransaction;

use super::{NewRows, Row, Run, Standing, Tail};
use crate::database::guarded;
use crate::error::Damage;
use crate::fault::{Fault, damage};
use crate::fit::Marks;
use crate::journal::{self, JournalBatch};
use crate::layout::{IDS, RECORDS, SEGMENTS, SLOTS};
use crate::projection::fold_session;
use crate::read::{event_of_row, folded, imported, load_record, slot_of_row};
use crate::stored::Mark;
use crate::writer::{journal_mark, journal_trimmed, makes_room, span};

/// What the journal has and the cold file has not. Two files that are not of one moment are damage:
/// whatever was served of them, places would be given twice.
pub(crate) fn replay(journal: &ReadTransaction, cold: &ReadTransaction) -> Result<Tail, Fault> {
    let folded = folded(cold)?;
    let imported = imported(cold)?;
    let known: Vec<Mark> = imported.into_iter().chain([folded]).collect();
    let marks = Marks {
        folded,
        imported,
        trimmed: journal_trimmed(journal)?,
        last: journal_mark(journal, &known)?,
    };
    if let Some(misfit) = marks.misfit() {
        return Err(damage(misfit.to_string()));
    }
    let all = Bounds {
        last: marks.last,
        bytes: u64::MAX,
    };
    take(journal, cold, Tail::after(folded), all)
}

/// Which groups are taken out of the journal, the oldest first.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// None after this one. The journal may have one more than the log: that nobody was told of yet, or
    /// whose commit failed, and may not be on the disk.
    pub(crate) last: Mark,
    /// No more than so many bytes of memory.
    pub(crate) bytes: u64,
}

/// The same of the oldest groups alone.
pub(crate) fn replay_some(
    journal: &ReadTransaction,
    cold: &ReadTransaction,
    bounds: Bounds,
) -> Result<Tail, Fault> {
    take(journal, cold, Tail::after(folded(cold)?), bounds)
}

/// Takes in the groups that follow on what a tail has, within `bounds`.
fn take(
    journal: &ReadTransaction,
    cold: &ReadTransaction,
    mut tail: Tail,
    bounds: Bounds,
) -> Result<Tail, Fault> {
    for group in journal::after(journal, tail.last().position)? {
        let (position, row) = group?;
        let bytes = tail.bytes().saturating_add(row.len() as u64);
        if position > bounds.last.position || bytes > bounds.bytes {
            break;
        }
        let (mark, batches) = journal::read(position, &row)
            .map_err(|problem| damage(format!("group {position} cannot be read: {problem}")))?;
        if !follows(tail.last(), mark, &batches) {
            return Err(damage(gap(tail.last(), position)));
        }
        let mut bytes = row.len() as u64;
        for batch in batches {
            let new = stand(&tail, cold, batch)?;
            tail.runs.extend(new.run());
            bytes += tail.push_rows(new);
        }
        tail.pushed(mark, bytes);
    }
    Ok(tail)
}

/// Whether a group is the one after `last`, with all the places up to its own end. There is no gap
/// that is meant: places that nobody has are in the order of the cold file, and the marks count them.
pub(crate) fn follows(last: Mark, mark: Mark, batches: &[JournalBatch]) -> bool {
    let mut next = last.seq().next();
    for (seq, _) in batches.iter().flat_map(|batch| &batch.rows) {
        if *seq != next {
            return false;
        }
        next = next.next();
    }
    mark.position == last.position + 1 && mark.seq().next() == next
}

/// What to tell of a group that does not follow.
pub(crate) fn gap(last: Mark, position: u64) -> String {
    let last = last.position;
    format!("group {position} does not follow on group {last}: something between them is missing")
}

/// A batch, and how it leaves its session.
fn stand(tail: &Tail, cold: &ReadTransaction, batch: JournalBatch) -> Result<NewRows, Fault> {
    let mut record = before(tail, cold, &batch)?;
    let (mut deleted, mut lets_go) = (None, None);
    let mut rows = Vec::with_capacity(batch.rows.len());
    for (seq, bytes) in batch.rows {
        let envelope = event_of_row(&bytes, &batch.id, seq)?;
        let folded = Record::fold(record, &envelope).map_err(|illegal| {
            Fault::Damage(Damage {
                session: Some(batch.id.clone()),
                seq: Some(seq),
                problem: illegal.to_string(),
            })
        })?;
        record = Some(folded);
        if makes_room(&envelope) {
            lets_go = Some(seq);
        }
        if envelope.event == Event::Deleted {
            deleted = Some(seq);
        }
        rows.push(Row {
            seq,
            output: span(&envelope),
            bytes,
        });
    }
    let standing = match (deleted, record) {
        (Some(at), _) => Standing::Deleted { at },
        (None, Some(record)) => Standing::Living(Arc::new(record)),
        (None, None) => return Err(damage("a batch of no events")),
    };
    Ok(NewRows {
        slot: batch.slot,
        id: batch.id,
        rows,
        standing,
        lets_go,
    })
}

impl NewRows {
    /// Those of one batch, which follow one another in the log, as a run.
    pub(super) fn run(&self) -> Option<Run> {
        Some(Run {
            first: self.rows.first()?.seq,
            last: self.rows.last()?.seq,
            slot: self.slot,
            len_bytes: self.rows.iter().map(|row| row.bytes.len() as u64).sum(),
        })
    }
}

/// A session's record before a batch; `None` where the batch begins it.
fn before(
    tail: &Tail,
    cold: &ReadTransaction,
    batch: &JournalBatch,
) -> Result<Option<Record>, Fault> {
    let is_this = |slot: u64| slot == batch.slot;
    match tail.standing(&batch.id) {
        Some((slot, Standing::Living(record))) if is_this(slot) => Ok(Some(Record::clone(record))),
        Some(_) => Ok(None),
        None => guarded(|| of_cold(cold, &batch.id, batch.slot)).map_err(met_in_cold_file),
    }
}

/// What is damaged then is not the journal.
fn met_in_cold_file(fault: Fault) -> Fault {
    match fault {
        Fault::Damage(_) => Fault::Disk(fault.reason()),
        Fault::Disk(_) | Fault::Stale => fault,
    }
}

fn of_cold(cold: &ReadTransaction, id: &SessionId, slot: u64) -> Result<Option<Record>, Fault> {
    let row = guarded(|| {
        let row = cold.open_table(SLOTS)?.get(slot)?;
        Ok(row.map(|row| slot_of_row(slot, row.value())))
    });
    let is_known = match row {
        Ok(None) => false,
        Ok(Some(Ok((owner, deleted_at)))) => owner == *id && deleted_at.is_none(),
        // Nobody knows better than the index then.
        Ok(Some(Err(_))) | Err(Fault::Damage(_)) => {
            let listed = cold.open_table(IDS)?.get(id.as_str())?;
            listed.is_some_and(|listed| listed.value() == slot)
        }
        Err(fault) => return Err(fault),
    };
    if !is_known {
        return Ok(None);
    }
    match guarded(|| load_record(&cold.open_table(RECORDS)?, slot, id)) {
        // It follows from its events, and is not to keep all others from being opened.
        Err(Fault::Damage(damage)) => {
            tracing::error!(%damage, "a record is made anew from its events");
            fold_session(&cold.open_table(SEGMENTS)?, slot, id).map(Some)
        }
        loaded => loaded.map(Some),
    }
}
