//! One session, event by event, with stand-ins for what is missing.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use bytes::Bytes;
use coven_core::{Actor, Envelope, Event, Record, Replay, Seq, SessionId, Timestamp, is_trimmed};

use super::SalvageError;
use super::events::Left;
use super::places::NO_END;
use super::stand_in::{Known, Lost, Missing, before, ending, hole, trimmed};
use crate::stored::{EventRow, encode};
use crate::tail::Row;
use crate::writer::span;

/// What the actor of a stand-in calls itself.
const CLIENT: &str = "coven-salvage";

/// Stand-ins that come before one event at most, those of output apart.
const MAX_STAND_INS: usize = 16;

/// A session that is being put together again.
pub(super) struct Mending {
    id: SessionId,
    /// Whose the new log is: whoever salvages.
    uid: u32,
    kept: Option<Record>,
    /// Where its output was trimmed to, sooner or later.
    pub(super) trimmed_bytes: u64,
    replay: Replay,
    last: u64,
    pub(super) done: Done,
}

/// What became of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Done {
    /// Events that are as they were.
    pub(super) events: u64,
    /// Events that could not follow on anything, and were left out.
    pub(super) left_out: u64,
    /// Events that are read, whose output was trimmed and was not taken out yet.
    pub(super) trimmed: u64,
    /// How many of each kind stand for what was lost.
    pub(super) stand_ins: BTreeMap<&'static str, u64>,
    /// Its record says that there were later events than are left.
    pub(super) has_lost_its_end: bool,
    /// Bytes of output that stand-ins stand for, and those that its record says there were after all that
    /// is left.
    pub(super) lost_output_bytes: u64,
    /// Where the last `Trimmed` that is left is, and how many of the events are from there on.
    pub(super) last_trim: Option<u64>,
    pub(super) since_trim: u64,
}

impl Done {
    /// Counts an event that is as it was.
    const fn count(&mut self, envelope: &Envelope) {
        if let Event::Trimmed { .. } = envelope.event {
            self.last_trim = Some(envelope.seq.get());
            self.since_trim = 0;
        }
        self.events += 1;
        self.since_trim += 1;
    }
}

/// Gives free places: at most so many between two, the last ones.
pub(super) type FreePlaces<'a> = dyn FnMut(u64, u64, usize) -> Vec<u64> + 'a;

/// Takes a session's next row, and the record as it is then. It is called for each before the next is
/// made: what stands for lost output may be more than there is memory for.
pub(super) type Put<'a> = dyn FnMut(&Record, Row) -> Result<(), SalvageError> + 'a;

impl Mending {
    /// `kept` is the record that was kept of the session, if it is whole; `trimmed_bytes` what its
    /// events say of how far its output was trimmed.
    pub(super) fn new(id: SessionId, uid: u32, kept: Option<Record>, trimmed_bytes: u64) -> Self {
        let known = kept.as_ref().map_or(0, |kept| kept.session.trimmed_bytes);
        Self {
            id,
            uid,
            kept,
            trimmed_bytes: trimmed_bytes.max(known),
            replay: Replay::default(),
            last: 0,
            done: Done::default(),
        }
    }

    /// The next event that is left, after what must stand before it; nothing where it cannot
    /// follow whatever stands there.
    pub(super) fn take(
        &mut self,
        left: Left,
        places: &mut FreePlaces<'_>,
        put: &mut Put<'_>,
    ) -> Result<(), SalvageError> {
        let Left {
            envelope,
            bytes,
            is_read,
        } = left;
        if let Event::Output { offset, data, .. } = &envelope.event
            && is_trimmed(*offset, data.len() as u64, self.trimmed_bytes)
        {
            self.done.trimmed += u64::from(is_read);
            return Ok(());
        }
        let mut fits = self.fold(&envelope);
        if !fits && let Some(stand_ins) = self.stand_ins_before(&envelope, places) {
            for (seq, event) in stand_ins {
                self.stand(seq, envelope.at, event, put)?;
            }
            fits = self.fold(&envelope);
        }
        if fits {
            self.done.count(&envelope);
            self.put(row(&envelope, bytes), put)
        } else {
            self.done.left_out += 1;
            Ok(())
        }
    }

    /// What stands for the end of the session, and for all of it if nothing is left.
    pub(super) fn finish(
        &mut self,
        places: &mut FreePlaces<'_>,
        put: &mut Put<'_>,
    ) -> Result<(), SalvageError> {
        self.begin_anew(places, put)?;
        for missing in self.what_is_missing_at_the_end() {
            match missing {
                Missing::Event(event) => self.stand_at_the_end(event, places, put)?,
                Missing::Output(lost) => {
                    // More than can be stood for is just not there: nothing comes after it.
                    let pieces = lost.in_pieces(usize::MAX);
                    for piece in pieces.into_iter().flat_map(|(_, pieces)| pieces) {
                        self.stand_at_the_end(piece, places, put)?;
                    }
                }
            }
        }
        self.count_what_nothing_stands_for();
        Ok(())
    }

    /// Output at the end of all, where something that is left comes after it: that can follow without.
    fn count_what_nothing_stands_for(&mut self) {
        let bytes = |record: &Record| record.session.output_bytes;
        let (was, is) = (self.kept.as_ref().map(bytes), self.record().map(bytes));
        let lost_bytes = was.unwrap_or(0).saturating_sub(is.unwrap_or(0));
        self.done.lost_output_bytes = self.done.lost_output_bytes.saturating_add(lost_bytes);
    }

    fn stand_at_the_end(
        &mut self,
        event: Event,
        places: &mut FreePlaces<'_>,
        put: &mut Put<'_>,
    ) -> Result<(), SalvageError> {
        match places(self.last, NO_END, 1).pop() {
            Some(seq) => self.stand(seq, self.updated_at(), event, put),
            None => Ok(()),
        }
    }

    fn put(&self, row: Row, put: &mut Put<'_>) -> Result<(), SalvageError> {
        put(self.record().expect("an event was folded just now"), row)
    }

    /// When it changed last, as far as is known.
    fn updated_at(&self) -> Timestamp {
        let left = self.record().map(|record| record.updated_at);
        let kept = self.kept.as_ref().map(|kept| kept.updated_at);
        left.max(kept).unwrap_or(Timestamp::from_nanos(0))
    }

    /// A session of which no event is left.
    fn begin_anew(
        &mut self,
        places: &mut FreePlaces<'_>,
        put: &mut Put<'_>,
    ) -> Result<(), SalvageError> {
        if self.record().is_some() {
            return Ok(());
        }
        let begins = before(&self.id, None, &Event::Archived, self.known());
        let Some(Missing::Event(begins)) = begins else {
            return Ok(());
        };
        let first = self.kept.as_ref().map(|kept| kept.first_seq.get());
        let place = first.and_then(|first| {
            let (after, before) = (first.saturating_sub(1), first.saturating_add(1));
            places(after, before, 1).pop()
        });
        match place.or_else(|| places(0, NO_END, 1).pop()) {
            Some(seq) => self.stand(seq, self.updated_at(), begins, put),
            None => Ok(()),
        }
    }

    fn what_is_missing_at_the_end(&mut self) -> Vec<Missing> {
        let Some(record) = self.record() else {
            return Vec::new();
        };
        let session = &record.session;
        let mut events = Vec::new();
        let (from, to) = (session.trimmed_bytes, self.trimmed_bytes);
        events.extend((from < to).then(|| Missing::Event(trimmed(from, to))));
        let kept = self.kept.as_ref();
        let more = kept.filter(|kept| kept.last_seq.get() > self.last);
        let has_ended = more.is_some_and(|kept| kept.session.phase.has_ended());
        let is_unknown = !self.done.stand_ins.is_empty() && self.has_no_process();
        let is_over = session.phase.has_ended() || session.is_external() && !has_ended;
        if !is_over && (has_ended || is_unknown) {
            events.extend(self.what_started(more));
            events.extend(ending(session, more));
        }
        self.done.has_lost_its_end = more.is_some();
        events
    }

    /// A session of which not even the start is left did start, if its record says more.
    fn what_started(&self, more: Option<&Record>) -> Option<Missing> {
        let now = self.record().map(|record| &record.session);
        let exits = Event::OutputClosed {
            end: coven_core::OutputEnd::Cut,
        };
        let ran = more.is_some_and(|kept| kept.session.output_bytes > 0);
        now.filter(|_| ran)
            .and_then(|now| before(&self.id, Some(now), &exits, self.known()))
    }

    /// Its process is not known, or not even that it had one.
    fn has_no_process(&self) -> bool {
        let process = self
            .record()
            .and_then(|record| record.session.phase.process());
        process.is_none_or(|process| process.pid == 0)
    }

    /// The session as it is so far.
    pub(super) const fn record(&self) -> Option<&Record> {
        self.replay.so_far()
    }

    fn fold(&mut self, envelope: &Envelope) -> bool {
        match self.folded(&self.replay, envelope) {
            Some(replay) => {
                self.replay = replay;
                self.last = envelope.seq.get();
                true
            }
            None => false,
        }
    }

    /// A replay with one more event, if that follows and nothing that is lost comes between.
    fn folded(&self, replay: &Replay, envelope: &Envelope) -> Option<Replay> {
        let now = replay.so_far().map(|record| &record.session);
        let hole = now.and_then(|now| hole(now, &envelope.event, self.trimmed_bytes));
        match hole {
            Some(_) => None,
            None => replay.clone().fold(envelope).ok(),
        }
    }

    const fn known(&self) -> Known<'_> {
        Known {
            kept: self.kept.as_ref(),
            trimmed_bytes: self.trimmed_bytes,
        }
    }

    /// Stand-ins in free places, after which an event can follow.
    fn stand_ins_before(
        &self,
        next: &Envelope,
        places: &mut FreePlaces<'_>,
    ) -> Option<impl Iterator<Item = (u64, Event)> + use<>> {
        let (events, lost) = self.missing_before(next)?;
        let wanted = events.len() + lost.map_or(0, Lost::pieces);
        let mut seqs = places(self.last, next.seq.get(), wanted);
        // Longer pieces of output for fewer places.
        let room = seqs.len().checked_sub(events.len())?;
        let pieces = match lost {
            Some(lost) => Some(lost.in_pieces(room)?),
            None => None,
        };
        let count = events.len() + pieces.as_ref().map_or(0, |(count, _)| *count);
        let seqs = seqs.split_off(seqs.len() - count);
        let pieces = pieces.into_iter().flat_map(|(_, pieces)| pieces);
        Some(seqs.into_iter().zip(events.into_iter().chain(pieces)))
    }

    /// What is missing before an event: output last, and only where it can follow.
    fn missing_before(&self, next: &Envelope) -> Option<(Vec<Event>, Option<Lost>)> {
        let mut replay = self.replay.clone();
        let mut events = Vec::new();
        while self.folded(&replay, next).is_none() {
            let now = replay.so_far().map(|record| &record.session);
            let (event, lost) = match before(&self.id, now, &next.event, self.known())? {
                Missing::Event(event) => (event, None),
                Missing::Output(lost) => (lost.first(), Some(lost)),
            };
            let stand_in = self.envelope(next.seq.get(), next.at, event.clone());
            replay = self.folded(&replay, &stand_in)?;
            if lost.is_some() {
                return Some((events, lost));
            }
            if events.len() == MAX_STAND_INS {
                return None;
            }
            events.push(event);
        }
        Some((events, None))
    }

    fn stand(
        &mut self,
        seq: u64,
        at: Timestamp,
        event: Event,
        put: &mut Put<'_>,
    ) -> Result<(), SalvageError> {
        // A launch that is stood for is shown as of when it was.
        let at = match (&event, &self.kept) {
            (Event::Created { .. } | Event::Registered { .. }, Some(kept)) => kept.created_at,
            _ => at,
        };
        let envelope = self.envelope(seq, at, event);
        if !self.fold(&envelope) {
            return Ok(());
        }
        let kind = crate::salvage::kind_name(envelope.event.kind());
        *self.done.stand_ins.entry(kind).or_default() += 1;
        let lost_bytes = match &envelope.event {
            Event::Output { data, .. } => data.len() as u64,
            Event::Trimmed { len_bytes, .. } => *len_bytes,
            _ => 0,
        };
        self.done.lost_output_bytes = self.done.lost_output_bytes.saturating_add(lost_bytes);
        let bytes = encode(&EventRow::from(&envelope));
        self.put(row(&envelope, bytes.into()), put)
    }

    fn envelope(&self, seq: u64, at: Timestamp, event: Event) -> Envelope {
        stand_in(&self.id, self.uid, seq, at, event)
    }
}

/// An event that stands for one that was lost.
pub(super) fn stand_in(
    id: &SessionId,
    uid: u32,
    seq: u64,
    at: Timestamp,
    event: Event,
) -> Envelope {
    Envelope {
        seq: Seq::new(seq),
        session: id.clone(),
        at,
        actor: Some(Actor {
            uid,
            pid: None,
            client: Some(CLIENT.to_owned()),
        }),
        event,
    }
}

pub(super) fn row(envelope: &Envelope, bytes: Bytes) -> Row {
    Row {
        seq: envelope.seq,
        bytes,
        output: span(envelope),
    }
}
