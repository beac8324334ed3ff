//! Segments, and what follows from them of each session alone: its record and where its output is.

use std::collections::{BTreeSet, VecDeque};
use std::iter::Peekable;

use coven_core::{Envelope, Event, Record, Replay, SessionId};

use super::cold::Inspection;
use super::finding::{Finding, Loss};
use super::indexes::conversation_hash;
use super::order::Tally;
use super::slots::Index;
use super::source::{Rows, number};
use crate::cold::segment::Segment;
use crate::fault::Fault;
use crate::layout::{OUTPUT, RECORDS, SEGMENTS};
use crate::projection::{conversation_key, created_key, is_live, record_row};
use crate::raw::Row;
use crate::read::{event_of_row, record_of_row};

/// The events of one session, as far as they were met.
struct Folding {
    slot: u64,
    id: SessionId,
    replay: Replay,
    /// Something is missing, so what comes after it cannot be folded.
    is_broken: bool,
    last: u64,
    /// Where the output of its segments begins, and the first seq of each.
    output: VecDeque<(u64, u64)>,
}

/// Tables that are gone through beside the segments.
struct Beside<'a> {
    records: Peekable<Rows<'a>>,
    output: Peekable<Rows<'a>>,
}

impl Inspection<'_> {
    pub(super) fn look_at_sessions(&mut self) -> Result<(), Fault> {
        let mut beside = Beside {
            records: self.source.sound_rows(RECORDS)?.peekable(),
            output: self.source.sound_rows(OUTPUT)?.peekable(),
        };
        let mut folding: Option<Folding> = None;
        let mut met = BTreeSet::new();
        for row in self.source.rows(SEGMENTS)? {
            let row = row?;
            self.tick();
            let (slot, first) = (number(&row.key, 0), number(&row.key, 8));
            if !row.is_sound && Segment::head(slot, first, &row.value).is_err() {
                self.take_torn_segment(folding.as_mut(), slot, first);
                continue;
            }
            if folding.as_ref().is_none_or(|folding| folding.slot != slot) {
                if let Some(done) = folding.take() {
                    met.insert(done.slot);
                    self.finish(done, &mut beside)?;
                }
                folding = self.begin(slot);
            }
            if self
                .slots
                .known
                .get(&slot)
                .is_some_and(|slot| slot.deleted_at.is_some())
            {
                self.look_at_deleted(slot, first, &row);
            } else if let Some(folding) = &mut folding {
                self.take_segment(folding, first, &row.value);
            }
        }
        if let Some(done) = folding.take() {
            met.insert(done.slot);
            self.finish(done, &mut beside)?;
        }
        self.finish_beside(u64::MAX, &mut beside)?;
        drop(beside);
        self.take_bad();
        self.look_for_missing_sessions(&met);
        Ok(())
    }

    /// A segment in a page that is damaged, and not whole itself. Not even its key is certain.
    fn take_torn_segment(&mut self, folding: Option<&mut Folding>, slot: u64, first: u64) {
        let Some(known) = self.slots.known.get(&slot) else {
            return;
        };
        let is_beyond = self.mark.is_some_and(|mark| first > mark.last_seq);
        if known.deleted_at.is_some() || is_beyond {
            return;
        }
        let problem = "its checksum is not that of its bytes";
        let finding = Finding::of("segments", problem, Loss::Events);
        let finding = finding.at(format_args!("({slot}, {first})"));
        self.findings
            .add(finding.session(&known.id).seqs(first, first));
        self.findings.lose(&known.id);
        match folding.filter(|folding| folding.slot == slot) {
            Some(folding) => folding.is_broken = true,
            None => _ = self.torn_slots.insert(slot),
        }
    }

    fn begin(&mut self, slot: u64) -> Option<Folding> {
        let Some(known) = self.slots.known.get(&slot) else {
            let problem = "these events are of a slot that is nobody's";
            let finding = Finding::of("segments", problem, Loss::Name);
            self.findings.add(finding.at(format_args!("slot {slot}")));
            return None;
        };
        let id = known.id.clone();
        Some(Folding {
            slot,
            id,
            replay: Replay::default(),
            is_broken: self.torn_slots.contains(&slot),
            last: 0,
            output: VecDeque::new(),
        })
    }

    /// Of a deleted session there is its `Deleted`, and what is not erased yet.
    fn look_at_deleted(&mut self, slot: u64, first: u64, row: &Row) {
        let is_erasing = self.slots.erasing.contains(&slot);
        let is_torn = self.is_torn("erasing") || !row.is_sound;
        let Some(known) = self.slots.known.get_mut(&slot) else {
            return;
        };
        if Some(first) != known.deleted_at {
            if !is_erasing && !is_torn {
                let problem = "events of a deleted session are left";
                let finding = Finding::of("segments", problem, Loss::Nothing);
                self.findings
                    .add(finding.at(format_args!("({slot}, {first})")));
            }
            return;
        }
        known.has_deleted = true;
        let event = Segment::decode(slot, first, &row.value)
            .map_err(|problem| problem.to_string())
            .and_then(|segment| {
                let (seq, row) = segment
                    .rows()
                    .next()
                    .ok_or("it is empty")?
                    .map_err(|it| it.to_string())?;
                event_of_row(row, &known.id, seq).map_err(|fault| fault.reason().to_string())
            });
        let problem = match event {
            Ok(envelope) if envelope.event == Event::Deleted => {
                known.events.add(first);
                return;
            }
            Ok(_) => "another event is where its deletion should be".to_owned(),
            Err(problem) => problem,
        };
        let finding = Finding::of("segments", problem, Loss::Nothing);
        let finding = finding.at(format_args!("({slot}, {first})"));
        self.findings
            .add(finding.session(&known.id).seqs(first, first));
    }

    fn take_segment(&mut self, folding: &mut Folding, first: u64, bytes: &[u8]) {
        let segment = match Segment::decode(folding.slot, first, bytes) {
            Ok(segment) => segment,
            Err(problem) => return self.tell_segment(folding, first, first, &problem.to_string()),
        };
        if first <= folding.last {
            let problem = format!("it begins before the last one ends, at {}", folding.last);
            self.tell_segment(folding, first, segment.head.last, &problem);
        }
        let mut last = first;
        let mut output = None;
        let mut count = 0;
        for row in segment.rows() {
            let envelope = row
                .map_err(|problem| problem.to_string())
                .and_then(|(seq, row)| {
                    last = seq.get();
                    event_of_row(row, &folding.id, seq).map_err(|fault| fault.reason().to_string())
                });
            count += 1;
            match envelope {
                Ok(envelope) => {
                    if let Event::Output { offset, .. } = envelope.event {
                        output.get_or_insert(offset);
                    }
                    self.take_event(folding, &envelope);
                }
                Err(problem) => {
                    self.tell_segment(folding, last, segment.head.last, &problem);
                    break;
                }
            }
        }
        let head = segment.head;
        if (last, count, output) != (head.last, head.rows, head.output) && !folding.is_broken {
            let problem = "it has other events than it says";
            self.tell_segment(folding, first, head.last, problem);
        }
        folding.last = folding.last.max(last);
        folding.output.extend(output.map(|offset| (offset, first)));
    }

    fn take_event(&mut self, folding: &mut Folding, envelope: &Envelope) {
        self.findings.events += 1;
        if let Some(slot) = self.slots.known.get_mut(&folding.slot) {
            if let Event::Trimmed { .. } = envelope.event {
                // Output before it may be gone, and the order does not say what is output.
                slot.tallied_from = envelope.seq.get();
                slot.events = Tally::default();
            }
            slot.events.add(envelope.seq.get());
        }
        if folding.is_broken {
            return;
        }
        match std::mem::take(&mut folding.replay).fold(envelope) {
            Ok(replay) => folding.replay = replay,
            Err(illegal) => {
                folding.is_broken = true;
                let seq = envelope.seq.get();
                // Where a page is missing, this follows from that.
                if self.is_torn("segments") {
                    self.findings.lose(&folding.id);
                    return;
                }
                let problem = format!("{illegal}, so what comes before it is missing or wrong");
                let finding = Finding::of("segments", problem, Loss::Events);
                self.findings
                    .add(finding.session(&folding.id).seqs(seq, seq));
            }
        }
    }

    fn tell_segment(&mut self, folding: &mut Folding, from: u64, to: u64, problem: &str) {
        folding.is_broken = true;
        let finding = Finding::of("segments", problem, Loss::Events);
        let finding = finding.session(&folding.id).seqs(from, to.max(from));
        self.findings.add(finding);
        self.findings.lose(&folding.id);
    }

    /// A session is done: what follows from its events is compared.
    fn finish(&mut self, mut done: Folding, beside: &mut Beside<'_>) -> Result<(), Fault> {
        self.finish_beside(done.slot, beside)?;
        let is_living = |known: &super::slots::Slot| known.deleted_at.is_none();
        if !self.slots.known.get(&done.slot).is_some_and(is_living) {
            return Ok(());
        }
        self.findings.sessions += 1;
        let record = self.folded(&mut done);
        self.compare_record(&done, record.as_ref(), beside)?;
        self.compare_output(&done, beside)?;
        let Some(record) = record else {
            return Ok(());
        };
        self.compare_trimming(&done, &record);
        if let Some(slot) = self.slots.known.get_mut(&done.slot) {
            slot.index = Some(Index {
                created_at: created_key(&record).0,
                is_archived: record.session.archived,
                is_live: is_live(&record),
                conversation: conversation_key(&record).map(conversation_hash),
            });
        }
        if self.wanted.contains(&done.slot) {
            self.records.insert(done.slot, record);
        }
        Ok(())
    }

    /// The record that a session's events come to, where none is missing.
    fn folded(&mut self, done: &mut Folding) -> Option<Record> {
        match std::mem::take(&mut done.replay).finish() {
            Ok(record) => record.filter(|_| !done.is_broken),
            Err(_) if done.is_broken => None,
            Err(_) => {
                done.is_broken = true;
                if !self.is_torn("segments") {
                    let problem = "output is missing that was not trimmed";
                    let finding = Finding::of("segments", problem, Loss::Events);
                    self.findings.add(finding.session(&done.id));
                }
                self.findings.lose(&done.id);
                None
            }
        }
    }

    /// Trimmed output that is left is on the list of what is taken out.
    fn compare_trimming(&mut self, done: &Folding, record: &Record) {
        let trimmed_bytes = record.session.trimmed_bytes;
        let first = done.output.front();
        let is_left = first.is_some_and(|(offset, _)| *offset < trimmed_bytes);
        let problem = match self.slots.trimming.get(&done.slot).copied() {
            Some(listed) if listed == trimmed_bytes => return,
            Some(_) => "it has another offset than the one that was trimmed to",
            None if !is_left || self.is_torn("trimming") => return,
            None => "it lacks a session that trimmed output is left of",
        };
        let finding = Finding::of("trimming", problem, Loss::Nothing);
        self.findings.add(finding.session(&done.id));
    }

    fn compare_record(
        &mut self,
        done: &Folding,
        record: Option<&Record>,
        beside: &mut Beside<'_>,
    ) -> Result<(), Fault> {
        let row = take_slot(&mut beside.records, done.slot)?;
        let problem = match (&row, record) {
            (None, _) if self.is_torn("records") => return Ok(()),
            (None, _) => "it is missing".to_owned(),
            (Some(row), Some(record)) if row.value == record_row(done.slot, record) => {
                return Ok(());
            }
            (Some(row), record) => match record_of_row(done.slot, &done.id, &row.value) {
                Err(problem) => problem.to_string(),
                Ok(_) if record.is_none() => return Ok(()),
                Ok(_) => "it is not what its events fold to".to_owned(),
            },
        };
        let finding = Finding::of("records", problem, Loss::Nothing);
        self.findings.add(finding.session(&done.id));
        Ok(())
    }

    fn compare_output(&mut self, done: &Folding, beside: &mut Beside<'_>) -> Result<(), Fault> {
        let mut expected = done.output.clone();
        while let Some(row) = take_slot(&mut beside.output, done.slot)? {
            let found = (number(&row.key, 8), number(&row.value, 0));
            let before = expected.iter().take_while(|it| **it < found).count();
            let missing: Vec<_> = expected.drain(..before).collect();
            self.tell_missing_output(&done.id, &missing);
            if expected.front() == Some(&found) {
                expected.pop_front();
            } else if !done.is_broken {
                let problem = "it has a row that it should not have";
                let finding = Finding::of("output", problem, Loss::Nothing);
                self.findings
                    .add(finding.session(&done.id).seqs(found.1, found.1));
            }
        }
        self.tell_missing_output(&done.id, expected.make_contiguous());
        Ok(())
    }

    fn tell_missing_output(&mut self, id: &SessionId, missing: &[(u64, u64)]) {
        if self.is_torn("output") {
            return;
        }
        for &(offset, seq) in missing {
            let problem = format!("it lacks the output at offset {offset}");
            let finding = Finding::of("output", problem, Loss::Nothing);
            self.findings.add(finding.session(id).seqs(seq, seq));
        }
    }

    /// What is there of slots before `slot` that have no segments.
    fn finish_beside(&mut self, slot: u64, beside: &mut Beside<'_>) -> Result<(), Fault> {
        while let Some(row) = take_before(&mut beside.records, slot)? {
            self.tell_stray("records", number(&row.key, 0));
        }
        while let Some(row) = take_before(&mut beside.output, slot)? {
            self.tell_stray("output", number(&row.key, 0));
        }
        self.take_bad();
        Ok(())
    }

    fn tell_stray(&mut self, table: &'static str, slot: u64) {
        let is_expected = self.slots.erasing.contains(&slot) && table == "output";
        if !is_expected && !self.is_torn("segments") && !self.is_torn("erasing") {
            let problem = "a row is of a session that has no events";
            let finding = Finding::of(table, problem, Loss::Nothing);
            self.findings.add(finding.at(format_args!("slot {slot}")));
        }
    }

    fn look_for_missing_sessions(&mut self, met: &BTreeSet<u64>) {
        let is_torn = self.is_torn("segments");
        for (number, slot) in &self.slots.known {
            if slot.deleted_at.is_none()
                && !met.contains(number)
                && !self.torn_slots.contains(number)
            {
                self.findings.lose(&slot.id);
                if !is_torn {
                    let finding = Finding::of("segments", "it has no events", Loss::Events);
                    self.findings.add(finding.session(&slot.id));
                }
            } else if let Some(at) = slot.deleted_at.filter(|_| !slot.has_deleted && !is_torn) {
                let problem = "its deletion is missing";
                let finding = Finding::of("segments", problem, Loss::Nothing);
                self.findings.add(finding.session(&slot.id).seqs(at, at));
            }
        }
    }
}

fn take_slot(rows: &mut Peekable<Rows<'_>>, slot: u64) -> Result<Option<Row>, Fault> {
    take_if(rows, |found| found == slot)
}

fn take_before(rows: &mut Peekable<Rows<'_>>, slot: u64) -> Result<Option<Row>, Fault> {
    take_if(rows, |found| found < slot)
}

fn take_if(
    rows: &mut Peekable<Rows<'_>>,
    is_wanted: impl Fn(u64) -> bool,
) -> Result<Option<Row>, Fault> {
    let row = rows.next_if(|row| match row {
        Ok(row) => is_wanted(number(&row.key, 0)),
        Err(_) => true,
    });
    row.transpose()
}
