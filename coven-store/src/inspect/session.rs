//! One session out of its segments: its events, and what follows from them alone, which is its
//! record and where its output is.

use std::collections::VecDeque;
use std::iter::Peekable;

use coven_core::{Envelope, Event, Record, Replay, SessionId};

use super::cold::Inspection;
use super::finding::{Finding, Loss};
use super::indexes::conversation_hash;
use super::order::Tally;
use super::sessions::{Beside, take_if};
use super::slots::{Index, Slot};
use super::source::{Rows, number};
use crate::cold::segment::Segment;
use crate::fault::Fault;
use crate::projection::{conversation_key, created_key, is_live, record_row};
use crate::raw::Row;
use crate::read::{event_of_row, record_of_row};

/// The events of one session, as far as they were met.
pub(super) struct Folding {
    pub(super) slot: u64,
    pub(super) id: SessionId,
    pub(super) replay: Replay,
    /// Something is missing, so what comes after it cannot be folded.
    pub(super) is_broken: bool,
    pub(super) last: u64,
    /// Where the output of its segments begins, and the first seq of each.
    pub(super) output: VecDeque<(u64, u64)>,
}

impl Inspection<'_> {
    pub(super) fn take_segment(&mut self, folding: &mut Folding, first: u64, bytes: &[u8]) {
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

    pub(super) fn tell_segment(
        &mut self,
        folding: &mut Folding,
        from: u64,
        to: u64,
        problem: &str,
    ) {
        folding.is_broken = true;
        let finding = Finding::of("segments", problem, Loss::Events);
        let finding = finding.session(&folding.id).seqs(from, to.max(from));
        self.findings.add(finding);
        self.findings.lose(&folding.id);
    }

    /// A session is done: what follows from its events is compared.
    pub(super) fn finish(
        &mut self,
        mut done: Folding,
        beside: &mut Beside<'_>,
    ) -> Result<(), Fault> {
        self.finish_beside(done.slot, beside)?;
        let is_living = |known: &Slot| known.deleted_at.is_none();
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
}

fn take_slot(rows: &mut Peekable<Rows<'_>>, slot: u64) -> Result<Option<Row>, Fault> {
    take_if(rows, |found| found == slot)
}
