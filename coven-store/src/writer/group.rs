//! `Group`: batches that share one row of the journal.

use std::collections::HashMap;
use std::sync::Arc;

use coven_core::{Envelope, Event, Record, Seq, SessionId};

use super::queue::Job;
use super::recent::{Entry, Recent};
use crate::batch::Appended;
use crate::database::Database;
use crate::error::AppendError;
use crate::fault::Fault;
use crate::health::Meter;
use crate::journal;
use crate::read;
use crate::stored::Mark;
use crate::tail::{NewBatch, Row, SharedTail, Span, Standing};

/// What a group will have done once it is committed.
pub(crate) struct Done {
    /// One for each job, in order.
    pub(crate) answers: Vec<Result<Appended, AppendError>>,
    /// Where the log then is.
    pub(crate) mark: Mark,
    /// Its row of the journal.
    pub(crate) row: journal::Group,
    pub(crate) batches: Vec<NewBatch>,
    /// Where each session then stands; `None` where it is deleted.
    pub(crate) sessions: HashMap<SessionId, Option<Entry>>,
    pub(crate) events: u64,
}

/// Where sessions stand before the group.
#[derive(Clone, Copy)]
pub(crate) struct Before<'a> {
    pub(crate) recent: &'a Recent,
    pub(crate) tail: &'a SharedTail,
    pub(crate) cold: &'a Database,
    /// Told of damage that is no session's.
    pub(crate) meter: &'a Meter,
    pub(crate) mark: Mark,
}

impl Before<'_> {
    /// A session's slot and record; `None` where there is no such session.
    pub(super) fn entry(&self, session: &SessionId) -> Result<Option<Entry>, Fault> {
        if let Some(entry) = self.recent.get(session) {
            return Ok(Some(entry.clone()));
        }
        if let Some((slot, standing)) = self.tail.look().standing(session) {
            return Ok(match standing {
                Standing::Living(record) => Some(Entry {
                    slot,
                    record: Arc::clone(record),
                }),
                Standing::Deleted { .. } => None,
            });
        }
        self.cold.read_once(|txn| read::entry(txn, session))
    }

    /// The place of the last `Deleted` of an id that nobody has.
    fn gone(&self, session: &SessionId) -> Result<Option<Seq>, Fault> {
        if let Some((_, Standing::Deleted { at })) = self.tail.look().standing(session) {
            return Ok(Some(*at));
        }
        let gone = self.cold.read_once(|txn| read::gone(txn, session))?;
        if let Some(damage) = gone.damage {
            self.meter.met(&damage);
        }
        Ok(gone.at)
    }
}

/// Puts `jobs` together. A job that is refused leaves no trace in what becomes of them.
pub(crate) fn gather(jobs: &mut [Job], before: Before<'_>) -> Result<Done, Fault> {
    let mut group = Group {
        before,
        last_seq: before.mark.seq(),
        last_slot: before.mark.last_slot,
        sessions: HashMap::new(),
        gone: HashMap::new(),
        draft: journal::Draft::default(),
        batches: Vec::new(),
        events: 0,
    };
    let answers = jobs
        .iter_mut()
        .map(|job| group.append(job))
        .collect::<Result<_, _>>()?;
    Ok(group.finish(answers))
}

struct Group<'a> {
    before: Before<'a>,
    last_seq: Seq,
    last_slot: u64,
    /// Where each session stands, with what this group has done so far.
    sessions: HashMap<SessionId, Option<Entry>>,
    /// What was deleted in this group.
    gone: HashMap<SessionId, Seq>,
    draft: journal::Draft,
    batches: Vec<Drafted>,
    events: u64,
}

/// A batch whose bytes are in the draft.
struct Drafted {
    slot: u64,
    id: SessionId,
    first: Seq,
    place: journal::Place,
    /// Bytes of each row, and where its output is.
    rows: Vec<(u32, Option<Span>)>,
    standing: Standing,
    lets_go: Option<Seq>,
}

impl Group<'_> {
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
        match self.conflict(job, now.as_ref()) {
            Ok(None) => {}
            Ok(Some(last)) => return Ok(Err(AppendError::Conflict { last })),
            // It is not this session's: that has nothing stored yet.
            Err(Fault::Damage(damage)) => {
                self.before.meter.met(&damage);
                return Ok(Err(damage.into()));
            }
            Err(fault) => return Err(fault),
        }
        let first = self.last_seq.next();
        let record = match fold(now.as_ref(), &mut job.events, first) {
            Ok(record) => record,
            Err(error) => return Ok(Err(error)),
        };
        let slot = now.map_or_else(|| self.last_slot + 1, |entry| entry.slot);
        self.last_slot = self.last_slot.max(slot);
        self.last_seq = record.last_seq;
        self.events += job.events.len() as u64;
        let appended = Appended {
            record: record.clone(),
            first,
            last: record.last_seq,
        };
        let standing = self.stands(slot, job, Arc::new(record));
        let spans = job.events.iter().map(span);
        let lets_go = job.events.iter().rfind(|envelope| makes_room(envelope));
        self.batches.push(Drafted {
            slot,
            id: job.session.clone(),
            first,
            place: self.draft.push(slot, &job.session, first, &job.rows),
            rows: job.rows.lens().iter().copied().zip(spans).collect(),
            standing,
            lets_go: lets_go.map(|envelope| envelope.seq),
        });
        Ok(Ok(appended))
    }

    /// Where a session stands now.
    fn stand(&mut self, session: &SessionId) -> Result<Option<Entry>, Fault> {
        if let Some(entry) = self.sessions.get(session) {
            return Ok(entry.clone());
        }
        let entry = self.before.entry(session)?;
        self.sessions.insert(session.clone(), entry.clone());
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
        if now.is_some() || !launches {
            return Ok(None);
        }
        match self.gone.get(&job.session) {
            Some(&at) => Ok(Some(at)),
            None => self.before.gone(&job.session),
        }
    }

    /// Remembers how a batch leaves its session.
    fn stands(&mut self, slot: u64, job: &Job, record: Arc<Record>) -> Standing {
        let deletes = |envelope: &Envelope| envelope.event == Event::Deleted;
        let at = record.last_seq;
        let (now, standing) = if job.events.iter().any(deletes) {
            self.gone.insert(job.session.clone(), at);
            (None, Standing::Deleted { at })
        } else {
            let standing = Standing::Living(Arc::clone(&record));
            (Some(Entry { slot, record }), standing)
        };
        self.sessions.insert(job.session.clone(), now);
        standing
    }

    fn finish(self, answers: Vec<Result<Appended, AppendError>>) -> Done {
        let mark = Mark {
            position: self.before.mark.position + 1,
            last_seq: self.last_seq.get(),
            last_slot: self.last_slot,
        };
        let row = self.draft.finish(&mark);
        let batches = self.batches.into_iter().map(|batch| batch.of(&row));
        Done {
            answers,
            mark,
            batches: batches.collect(),
            row,
            sessions: self.sessions,
            events: self.events,
        }
    }
}

impl Drafted {
    /// With its bytes out of the group.
    fn of(self, group: &journal::Group) -> NewBatch {
        let bytes = group.rows(self.place, self.rows.iter().map(|(len, _)| *len));
        let rows = (self.first.get()..).zip(bytes).zip(&self.rows);
        NewBatch {
            slot: self.slot,
            id: self.id,
            rows: rows
                .map(|((seq, bytes), (_, output))| Row {
                    seq: Seq::new(seq),
                    bytes,
                    output: *output,
                })
                .collect(),
            standing: self.standing,
            lets_go: self.lets_go,
        }
    }
}

/// Whether an event rids the log of output or of a session.
pub(crate) fn makes_room(envelope: &Envelope) -> bool {
    matches!(envelope.event, Event::Trimmed { .. } | Event::Deleted)
}

/// Where the output of an event is, where it is output.
pub(crate) fn span(envelope: &Envelope) -> Option<Span> {
    match &envelope.event {
        Event::Output { offset, data, .. } => Some(Span {
            offset: *offset,
            len_bytes: data.len() as u64,
        }),
        _ => None,
    }
}

/// Gives the events their places and folds them; the events may not follow.
fn fold(
    before: Option<&Entry>,
    events: &mut [Envelope],
    first: Seq,
) -> Result<Record, AppendError> {
    let mut record = before.map(|entry| Record::clone(&entry.record));
    let mut seq = first;
    for envelope in events {
        envelope.seq = seq;
        seq = seq.next();
        record = Some(Record::fold(record, envelope)?);
    }
    Ok(record.expect("a batch has an event"))
}
