//! `Group`: batches that share one transaction.

use std::collections::HashMap;

use coven_core::{Envelope, Event, Record, Seq, SessionId};
use redb::ReadableTable;

use super::folded::{Entry, Folded};
use super::queue::Job;
use crate::batch::Appended;
use crate::error::AppendError;
use crate::fault::Fault;
use crate::layout::{Tables, meta};
use crate::projection;
use crate::read::load_entry;
use crate::stored::{SlotRow, encode};

/// The log's counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Counters {
    pub(crate) last_seq: Seq,
    pub(crate) last_slot: u64,
}

/// What a group will have done once it is committed.
pub(crate) struct Done {
    /// One for each job, in order.
    pub(crate) answers: Vec<Result<Appended, AppendError>>,
    pub(crate) counters: Counters,
    /// Where each session then stands; `None` where it is deleted.
    pub(crate) sessions: HashMap<SessionId, Option<Entry>>,
    pub(crate) events: u64,
    pub(crate) deletes: bool,
}

/// Writes `jobs` into a transaction's tables. A job that is refused leaves no trace in them.
pub(crate) fn apply(
    tables: &mut Tables<'_>,
    jobs: &mut [Job],
    folded: &Folded,
    counters: Counters,
) -> Result<Done, Fault> {
    let mut group = Group {
        tables,
        folded,
        counters,
        changes: HashMap::new(),
        events: 0,
        deletes: false,
    };
    let answers = jobs
        .iter_mut()
        .map(|job| group.append(job))
        .collect::<Result<_, _>>()?;
    group.finish(answers)
}

struct Group<'a, 'txn> {
    tables: &'a mut Tables<'txn>,
    folded: &'a Folded,
    counters: Counters,
    changes: HashMap<SessionId, Change>,
    events: u64,
    deletes: bool,
}

/// A session before the group, as the projections have it, and now.
struct Change {
    before: Option<Entry>,
    now: Option<Entry>,
}

impl Group<'_, '_> {
    fn append(&mut self, job: &mut Job) -> Result<Result<Appended, AppendError>, Fault> {
        let now = match self.stand(&job.session) {
            Ok(now) => now,
            // Only this session is damaged.
            Err(Fault::Damage(mut damage)) => {
                damage.session.get_or_insert_with(|| job.session.clone());
                return Ok(Err(damage.into()));
            }
            Err(fault) => return Err(fault),
        };
        if let Some(last) = self.conflict(job, now.as_ref())? {
            return Ok(Err(AppendError::Conflict { last }));
        }
        let first = self.counters.last_seq.next();
        let record = match fold(now.as_ref(), &mut job.events, first) {
            Ok(record) => record,
            Err(error) => return Ok(Err(error)),
        };
        let slot = match &now {
            Some(entry) => entry.slot,
            None => self.new_slot(&job.session)?,
        };
        self.insert(slot, job)?;
        self.counters.last_seq = record.last_seq;
        self.events += job.events.len() as u64;
        let appended = Appended {
            record: record.clone(),
            first,
            last: record.last_seq,
        };
        let ends = job
            .events
            .iter()
            .any(|envelope| envelope.event == Event::Deleted);
        if ends {
            self.delete(slot, &record)?;
        }
        let change = self
            .changes
            .get_mut(&job.session)
            .expect("stand() put it there");
        if ends {
            *change = Change {
                before: None,
                now: None,
            };
        } else {
            change.now = Some(Entry { slot, record });
        }
        Ok(Ok(appended))
    }

    /// Where a session stands now, with what this group has done so far.
    fn stand(&mut self, session: &SessionId) -> Result<Option<Entry>, Fault> {
        if let Some(change) = self.changes.get(session) {
            return Ok(change.now.clone());
        }
        let entry = match self.folded.get(session) {
            Some(entry) => Some(entry.clone()),
            None => load_entry(&self.tables.ids, &self.tables.records, session)?,
        };
        let change = Change {
            before: entry.clone(),
            now: entry.clone(),
        };
        self.changes.insert(session.clone(), change);
        Ok(entry)
    }

    /// The session's last event, where that is not what the caller knows of.
    fn conflict(&self, job: &Job, now: Option<&Entry>) -> Result<Option<Seq>, Fault> {
        let last = now.map_or(Seq::ZERO, |entry| entry.record.last_seq);
        if job.after.is_some_and(|after| after != last) {
            return Ok(Some(last));
        }
        // Ours are never used again; an external session's id is its owner's to use.
        let launches = matches!(
            job.events.first().map(|envelope| &envelope.event),
            Some(Event::Created { .. })
        );
        if now.is_none() && launches {
            let gone = self.tables.gone.get(job.session.as_str())?;
            return Ok(gone.map(|row| Seq::new(row.value())));
        }
        Ok(None)
    }

    fn new_slot(&mut self, session: &SessionId) -> Result<u64, Fault> {
        self.counters.last_slot += 1;
        let slot = self.counters.last_slot;
        let row = encode(&SlotRow {
            id: session.as_str().to_owned(),
            deleted_at: None,
        });
        self.tables.slots.insert(slot, row.as_slice())?;
        self.tables.ids.insert(session.as_str(), slot)?;
        Ok(slot)
    }

    fn insert(&mut self, slot: u64, job: &Job) -> Result<(), Fault> {
        let mut indexed = false;
        for (envelope, row) in job.events.iter().zip(&job.rows) {
            let seq = envelope.seq.get();
            self.tables.events.insert((slot, seq), row.as_slice())?;
            if let Event::Output { offset, .. } = envelope.event
                && !indexed
            {
                self.tables.output.insert((slot, offset), seq)?;
                indexed = true;
            }
        }
        if let (Some(first), Some(last)) = (job.events.first(), job.events.last()) {
            self.tables
                .order
                .insert(first.seq.get(), (slot, last.seq.get()))?;
        }
        Ok(())
    }

    /// From now on the session is unknown. Its events are erased later, bit by bit.
    fn delete(&mut self, slot: u64, record: &Record) -> Result<(), Fault> {
        let session = &record.session.id;
        let seq = record.last_seq.get();
        projection::forget(self.tables, slot, record)?;
        let row = encode(&SlotRow {
            id: session.as_str().to_owned(),
            deleted_at: Some(seq),
        });
        self.tables.slots.insert(slot, row.as_slice())?;
        self.tables.ids.remove(session.as_str())?;
        self.tables.gone.insert(session.as_str(), seq)?;
        self.tables.erasing.insert(slot, seq)?;
        self.deletes = true;
        Ok(())
    }

    fn finish(self, answers: Vec<Result<Appended, AppendError>>) -> Result<Done, Fault> {
        let tables = self.tables;
        for change in self.changes.values() {
            if let Some(now) = &change.now {
                let before = change.before.as_ref().map(|entry| &entry.record);
                if before != Some(&now.record) {
                    projection::update(tables, now.slot, before, &now.record)?;
                }
            }
        }
        write_counters(tables, self.counters)?;
        Ok(Done {
            answers,
            counters: self.counters,
            sessions: self
                .changes
                .into_iter()
                .map(|(session, change)| (session, change.now))
                .collect(),
            events: self.events,
            deletes: self.deletes,
        })
    }
}

/// Gives the events their places and folds them; the events may not follow.
fn fold(
    before: Option<&Entry>,
    events: &mut [Envelope],
    first: Seq,
) -> Result<Record, AppendError> {
    let mut record = before.map(|entry| entry.record.clone());
    let mut seq = first;
    for envelope in events {
        envelope.seq = seq;
        seq = seq.next();
        record = Some(Record::fold(record, envelope)?);
    }
    Ok(record.expect("a batch has an event"))
}

fn write_counters(tables: &mut Tables<'_>, counters: Counters) -> Result<(), Fault> {
    let last_seq = counters.last_seq.get().to_le_bytes();
    let last_slot = counters.last_slot.to_le_bytes();
    tables.meta.insert(meta::LAST_SEQ, last_seq.as_slice())?;
    tables.meta.insert(meta::LAST_SLOT, last_slot.as_slice())?;
    Ok(())
}
