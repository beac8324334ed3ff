//! `Group`: batches that share one row of the journal.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;

use coven_core::{Envelope, Event, Record, Seq, SessionId};
use redb::ReadTransaction;

use super::queue::Job;
use super::recent::{Entry, Recent};
use crate::batch::Appended;
use crate::database::Database;
use crate::error::AppendError;
use crate::fault::Fault;
use crate::folder::Mender;
use crate::health::Meter;
use crate::journal;
use crate::read;
use crate::stored::{Mark, Opened};
use crate::tail::{NewGroup, NewRows, Row, Run, SharedTail, Span, Standing};

/// What a group will have done once it is committed.
pub(crate) struct Done {
    /// One for each job, in order.
    pub(crate) answers: Vec<Result<Appended, AppendError>>,
    /// Where the log then is.
    pub(crate) mark: Mark,
    /// Its row of the journal.
    pub(crate) row: journal::Group,
    pub(crate) brings: NewGroup,
    /// Where each session then stands; `None` where it is deleted.
    pub(crate) sessions: Vec<(SessionId, Option<Entry>)>,
    pub(crate) events: u64,
}

/// Where sessions stand before the group.
#[derive(Clone, Copy)]
pub(crate) struct Before<'a> {
    pub(crate) recent: &'a Recent,
    pub(crate) tail: &'a SharedTail,
    pub(crate) cold: &'a Database,
    pub(crate) mender: &'a Mender,
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
        self.read_cold(|txn| read::entry(txn, session))
    }

    /// Reads the cold file; once more where that met damage which may be cured.
    fn read_cold<T>(
        &self,
        read: impl Fn(&ReadTransaction) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        match self.cold.read_once(&read) {
            Err(Fault::Damage(_)) if self.mender.may_have_mended() => self.cold.read_once(read),
            found => found,
        }
    }

    /// Whether that is told without the cold file.
    pub(super) fn is_known(&self, session: &SessionId) -> bool {
        self.recent.get(session).is_some() || self.tail.look().standing(session).is_some()
    }

    /// The place of the last `Deleted` of an id that nobody has.
    fn gone(&self, session: &SessionId) -> Result<Option<Seq>, Fault> {
        if let Some((_, Standing::Deleted { at })) = self.tail.look().standing(session) {
            return Ok(Some(*at));
        }
        let gone = self.read_cold(|txn| read::gone(txn, session))?;
        if let Some(damage) = gone.damage {
            self.meter.met(&damage);
        }
        Ok(gone.at)
    }
}

/// Puts `jobs` together, for an opening of the log to write. A job that is refused leaves no trace in what becomes of
/// them.
pub(crate) fn gather(jobs: &mut [Job], before: Before<'_>, opened: Opened) -> Result<Done, Fault> {
    let rows = jobs.iter().map(|job| &job.rows);
    let draft = journal::Draft::with_room_for(rows, before.tail.pool());
    let mut group = Group {
        before,
        last_seq: before.mark.seq(),
        last_slot: before.mark.last_slot,
        places: HashMap::new(),
        sessions: Vec::new(),
        gone: HashMap::new(),
        draft,
        runs: Vec::with_capacity(jobs.len()),
        slots: Vec::new(),
        events: 0,
    };
    let answers = jobs
        .iter_mut()
        .map(|job| group.append(job))
        .collect::<Result<_, _>>()?;
    Ok(group.finish(answers, opened))
}

struct Group<'a> {
    before: Before<'a>,
    last_seq: Seq,
    last_slot: u64,
    /// Where each session is among `sessions`.
    places: HashMap<SessionId, usize>,
    sessions: Vec<Known>,
    /// What was deleted in this group.
    gone: HashMap<SessionId, Seq>,
    draft: journal::Draft,
    runs: Vec<Run>,
    slots: Vec<Drafted>,
    events: u64,
}

/// A session that the group is about.
struct Known {
    id: SessionId,
    /// Where it stands, with what this group has done so far.
    now: Option<Entry>,
    /// Where its events are among `slots`, if it has any in the slot that it has now.
    drafted: Option<usize>,
}

/// Events of a session whose bytes are in the draft.
struct Drafted {
    slot: u64,
    /// Where it is among `sessions`.
    session: usize,
    rows: Vec<DraftedRow>,
    /// They end with its deletion.
    deleted: Option<Seq>,
    lets_go: Option<Seq>,
}

struct DraftedRow {
    seq: Seq,
    place: journal::Place,
    output: Option<Span>,
}

impl Group<'_> {
    fn append(&mut self, job: &mut Job) -> Result<Result<Appended, AppendError>, Fault> {
        let session = match self.stand(&job.session) {
            Ok(session) => session,
            // Only this session is damaged.
            Err(Fault::Damage(mut damage)) => {
                damage.session.get_or_insert_with(|| job.session.clone());
                return Ok(Err(damage.into()));
            }
            Err(fault) => return Err(fault),
        };
        let now = self.sessions[session].now.as_ref();
        match self.conflict(job, now) {
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
        let record = match fold(now, &mut job.events, first) {
            Ok(record) => record,
            Err(error) => return Ok(Err(error)),
        };
        let slot = now.map_or_else(|| self.last_slot + 1, |entry| entry.slot);
        let appended = Appended {
            record: record.clone(),
            first,
            last: record.last_seq,
        };
        self.last_slot = self.last_slot.max(slot);
        self.last_seq = record.last_seq;
        self.events += job.events.len() as u64;
        self.draft(session, slot, first, job);
        self.stands(session, slot, record);
        Ok(Ok(appended))
    }

    /// Where a session is among those of the group, with how it stands now.
    fn stand(&mut self, session: &SessionId) -> Result<usize, Fault> {
        if let Some(&place) = self.places.get(session) {
            return Ok(place);
        }
        let now = self.before.entry(session)?;
        let place = self.sessions.len();
        self.places.insert(session.clone(), place);
        self.sessions.push(Known {
            id: session.clone(),
            now,
            drafted: None,
        });
        Ok(place)
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

    /// Puts a batch, whose events have their places, behind what its session has in the group.
    fn draft(&mut self, session: usize, slot: u64, first: Seq, job: &Job) {
        let places = self.draft.push(slot, &job.session, first, &job.rows);
        let next = self.slots.len();
        let drafted = *self.sessions[session].drafted.get_or_insert(next);
        if drafted == next {
            self.slots.push(Drafted {
                slot,
                session,
                rows: Vec::new(),
                deleted: None,
                lets_go: None,
            });
        }
        let drafted = &mut self.slots[drafted];
        for (envelope, place) in job.events.iter().zip(places) {
            if makes_room(envelope) {
                drafted.lets_go = Some(envelope.seq);
            }
            if envelope.event == Event::Deleted {
                drafted.deleted = Some(self.last_seq);
            }
            drafted.rows.push(DraftedRow {
                seq: envelope.seq,
                place,
                output: span(envelope),
            });
        }
        self.runs.push(Run {
            first,
            last: self.last_seq,
            slot,
            len_bytes: job.rows.bytes().len() as u64,
        });
    }

    /// Remembers how a batch leaves its session.
    fn stands(&mut self, session: usize, slot: u64, record: Record) {
        let session = &mut self.sessions[session];
        let drafted = session.drafted.map(|drafted| &self.slots[drafted]);
        if let Some(at) = drafted.and_then(|drafted| drafted.deleted) {
            self.gone.insert(session.id.clone(), at);
            session.now = None;
            session.drafted = None;
            return;
        }
        // What this group made is nobody else's yet.
        let now = session.now.as_mut();
        match now.and_then(|entry| Arc::get_mut(&mut entry.record)) {
            Some(made) => *made = record,
            None => {
                let record = Arc::new(record);
                session.now = Some(Entry { slot, record });
            }
        }
    }

    fn finish(self, answers: Vec<Result<Appended, AppendError>>, opened: Opened) -> Done {
        let mark = Mark {
            position: self.before.mark.position + 1,
            last_seq: self.last_seq.get(),
            last_slot: self.last_slot,
        };
        let row = self.draft.finish(&mark, opened);
        let slots = self.slots.into_iter();
        let slots = slots.map(|drafted| drafted.of(&row, &self.sessions));
        let brings = NewGroup {
            runs: self.runs,
            slots: slots.collect(),
        };
        let sessions = self.sessions.into_iter();
        Done {
            answers,
            mark,
            brings,
            row,
            sessions: sessions.map(|known| (known.id, known.now)).collect(),
            events: self.events,
        }
    }
}

impl Drafted {
    /// With its bytes out of the group, as the group leaves it.
    fn of(self, group: &journal::Group, sessions: &[Known]) -> NewRows {
        let Known { id, now, .. } = &sessions[self.session];
        let standing = match (self.deleted, now) {
            (None, Some(entry)) => Standing::Living(Arc::clone(&entry.record)),
            (at, _) => Standing::Deleted {
                at: at.expect("a session that has events is there until it is deleted"),
            },
        };
        let rows = self.rows.into_iter().map(|row| Row {
            seq: row.seq,
            bytes: group.row(row.place),
            output: row.output,
        });
        NewRows {
            slot: self.slot,
            id: id.clone(),
            rows: rows.collect(),
            standing,
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
