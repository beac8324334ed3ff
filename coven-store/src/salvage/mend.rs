//! One session, event by event, with stand-ins for what is missing.

use std::collections::BTreeMap;

use bytes::Bytes;
use coven_core::{
    Actor, Envelope, Event, EventKind, Record, Replay, Seq, SessionId, Timestamp, is_trimmed,
};

use super::events::Left;
use super::places::NO_END;
use super::stand_in::{Known, PIECE_BYTES, before, ending, hole, trimmed};
use crate::stored::{EventRow, encode};
use crate::tail::Row;
use crate::writer::span;

/// What the actor of a stand-in calls itself.
const CLIENT: &str = "coven-salvage";

/// Stand-ins that come before one event at most, those of output apart.
const MAX_STAND_INS: u64 = 16;

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
    /// How many of each kind stand for what was lost.
    pub(super) stand_ins: BTreeMap<&'static str, u64>,
    /// Its record says that there were later events than are left.
    pub(super) has_lost_its_end: bool,
    /// Bytes of output that stand-ins stand for.
    pub(super) lost_output_bytes: u64,
}

/// Gives free places: at most so many between two, the last ones.
pub(super) type FreePlaces<'a> = dyn FnMut(u64, u64, usize) -> Vec<u64> + 'a;

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
    pub(super) fn take(&mut self, left: Left, places: &mut FreePlaces<'_>) -> Vec<Row> {
        let Left { envelope, bytes } = left;
        let mut rows = Vec::new();
        if let Event::Output { offset, data, .. } = &envelope.event
            && is_trimmed(*offset, data.len() as u64, self.trimmed_bytes)
        {
            return rows;
        }
        let mut fits = self.fold(&envelope);
        if !fits && let Some(stand_ins) = self.stand_ins_before(&envelope, places) {
            for (seq, event) in stand_ins {
                rows.extend(self.stand(seq, envelope.at, event));
            }
            fits = self.fold(&envelope);
        }
        if fits {
            self.done.events += 1;
            rows.push(row(&envelope, bytes));
        } else {
            self.done.left_out += 1;
        }
        rows
    }

    /// What stands for the end of the session, and for all of it if nothing is left.
    pub(super) fn finish(&mut self, places: &mut FreePlaces<'_>) -> Vec<Row> {
        let mut rows: Vec<Row> = self.begin_anew(places).into_iter().collect();
        let at = self.updated_at();
        for event in self.what_is_missing_at_the_end() {
            let place = places(self.last, NO_END, 1).pop();
            rows.extend(place.and_then(|seq| self.stand(seq, at, event)));
        }
        rows
    }

    /// When it changed last, as far as is known.
    fn updated_at(&self) -> Timestamp {
        let left = self.record().map(|record| record.updated_at);
        let kept = self.kept.as_ref().map(|kept| kept.updated_at);
        left.max(kept).unwrap_or(Timestamp::from_nanos(0))
    }

    /// A session of which no event is left.
    fn begin_anew(&mut self, places: &mut FreePlaces<'_>) -> Option<Row> {
        if self.record().is_some() {
            return None;
        }
        let begins = before(&self.id, None, &Event::Archived, self.known(PIECE_BYTES))?;
        let first = self.kept.as_ref().map(|kept| kept.first_seq.get());
        let place = first.and_then(|first| places(first - 1, first + 1, 1).pop());
        let seq = place.or_else(|| places(0, NO_END, 1).pop())?;
        self.stand(seq, self.updated_at(), begins)
    }

    fn what_is_missing_at_the_end(&mut self) -> Vec<Event> {
        let Some(record) = self.record() else {
            return Vec::new();
        };
        let session = &record.session;
        let mut events = Vec::new();
        let (from, to) = (session.trimmed_bytes, self.trimmed_bytes);
        events.extend((from < to).then(|| trimmed(from, to)));
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
    fn what_started(&self, more: Option<&Record>) -> Vec<Event> {
        let now = self.record().map(|record| &record.session);
        let exits = Event::OutputClosed {
            end: coven_core::OutputEnd::Cut,
        };
        let ran = more.is_some_and(|kept| kept.session.output_bytes > 0);
        let start = now
            .filter(|_| ran)
            .and_then(|now| before(&self.id, Some(now), &exits, self.known(PIECE_BYTES)));
        start.into_iter().collect()
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

    const fn known(&self, piece_bytes: u64) -> Known<'_> {
        Known {
            kept: self.kept.as_ref(),
            trimmed_bytes: self.trimmed_bytes,
            piece_bytes,
        }
    }

    /// Stand-ins in free places, after which an event can follow.
    fn stand_ins_before(
        &self,
        next: &Envelope,
        places: &mut FreePlaces<'_>,
    ) -> Option<Vec<(u64, Event)>> {
        let mut piece_bytes = PIECE_BYTES;
        let mut events = self.missing_before(next, piece_bytes)?;
        let seqs = places(self.last, next.seq.get(), events.len());
        if seqs.len() < events.len() {
            // Longer pieces of output for fewer places.
            let pieces = events
                .iter()
                .filter(|event| event.kind() == EventKind::Output);
            let pieces = pieces.count();
            let room = (seqs.len() + pieces).checked_sub(events.len())?;
            piece_bytes *= pieces.div_ceil(room.max(1)) as u64 + 1;
            events = self.missing_before(next, piece_bytes)?;
        }
        (events.len() <= seqs.len()).then(|| {
            let from = seqs.len() - events.len();
            seqs[from..].iter().copied().zip(events).collect()
        })
    }

    fn missing_before(&self, next: &Envelope, piece_bytes: u64) -> Option<Vec<Event>> {
        let mut replay = self.replay.clone();
        let mut events = Vec::new();
        let mut others = 0;
        while self.folded(&replay, next).is_none() {
            let now = replay.so_far().map(|record| &record.session);
            let event = before(&self.id, now, &next.event, self.known(piece_bytes))?;
            if event.kind() != EventKind::Output {
                others += 1;
            }
            if others > MAX_STAND_INS {
                return None;
            }
            let stand_in = self.envelope(next.seq.get(), next.at, event.clone());
            replay = self.folded(&replay, &stand_in)?;
            events.push(event);
        }
        Some(events)
    }

    fn stand(&mut self, seq: u64, at: Timestamp, event: Event) -> Option<Row> {
        // A launch that is stood for is shown as of when it was.
        let at = match (&event, &self.kept) {
            (Event::Created { .. } | Event::Registered { .. }, Some(kept)) => kept.created_at,
            _ => at,
        };
        let envelope = self.envelope(seq, at, event);
        if !self.fold(&envelope) {
            return None;
        }
        let kind = crate::salvage::kind_name(envelope.event.kind());
        *self.done.stand_ins.entry(kind).or_default() += 1;
        self.done.lost_output_bytes += match &envelope.event {
            Event::Output { data, .. } => data.len() as u64,
            Event::Trimmed { len_bytes, .. } => *len_bytes,
            _ => 0,
        };
        let bytes = encode(&EventRow::from(&envelope));
        Some(row(&envelope, bytes.into()))
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
