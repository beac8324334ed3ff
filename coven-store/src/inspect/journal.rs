//! The journal: its groups, one by one, and whether their events follow on what is in the cold
//! file.

use std::collections::{BTreeMap, BTreeSet};

use coven_core::{Envelope, Event, IllegalTransition, Record, SessionId};

use super::Progress;
use super::cold::Inspected;
use super::finding::{Finding, Findings, LogFile, Loss};
use super::source::widths;
use crate::fit::{Marks, Misfit};
use crate::journal::{self, JournalBatch};
use crate::layout::{JOURNAL, META, meta};
use crate::raw::{Last, Row, Snapshot};
use crate::read::event_of_row;
use crate::stored::{Aside, Malformed, Mark};

/// A group as its parts come to.
pub(crate) struct Group {
    pub(crate) position: u64,
    pub(crate) bytes: Vec<u8>,
    /// Every part of it was in a page that is what it was.
    pub(crate) is_sound: bool,
}

/// All groups of a journal, by position, put together out of their parts.
pub(crate) fn groups(journal: &Snapshot) -> impl Iterator<Item = Group> + use<'_> {
    let mut rows = journal.rows("journal", widths(&JOURNAL)).peekable();
    std::iter::from_fn(move || {
        let first = rows.next()?;
        let position = position(&first);
        let mut group = Group {
            position,
            bytes: first.value,
            is_sound: first.is_sound,
        };
        while let Some(part) = rows.next_if(|row| self::position(row) == position) {
            group.bytes.extend_from_slice(&part.value);
            group.is_sound &= part.is_sound;
        }
        Some(group)
    })
}

fn position(row: &Row) -> u64 {
    super::source::number(&row.key, 0)
}

/// How far the journal says that it was emptied.
pub(crate) fn trimmed(journal: &Snapshot) -> Option<Mark> {
    let rows = journal.rows("meta", widths(&META));
    rows.filter(|row| row.is_sound && row.key == meta::TRIMMED.as_bytes())
        .find_map(|row| Mark::unseal(&row.value, meta::TRIMMED).ok())
}

/// The slots that the journal sets aside, if it does.
pub(super) fn aside(journal: &Snapshot) -> Result<Option<Aside>, Malformed> {
    let mut rows = journal.rows("meta", widths(&META));
    let row = rows.find(|row| row.is_sound && row.key == meta::ASIDE.as_bytes());
    row.map(|row| Aside::unseal(&row.value)).transpose()
}

/// The slots that the journal has anything of.
pub(super) fn slots(snapshot: &Snapshot) -> BTreeSet<u64> {
    let read = |group: Group| journal::read(group.position, &group.bytes.into()).ok();
    let slots = groups(snapshot)
        .filter_map(read)
        .flat_map(|(_, batches)| batches)
        .map(|batch| batch.slot)
        .collect();
    snapshot.take_bad();
    slots
}

/// Looks at everything in a journal, whose cold file is as `cold` says.
pub(super) fn look(
    snapshot: &Snapshot,
    cold: Inspected,
    progress: &mut dyn FnMut(Progress),
) -> Findings {
    let mut reading = Reading {
        findings: cold.findings,
        folded: cold.mark,
        imported: cold.imported,
        newest: None,
        is_torn: snapshot.header.last == Last::Lost || snapshot.has_lost_its_last,
        last: cold.mark,
        records: cold.records,
        gone: BTreeSet::new(),
        broken: BTreeSet::new(),
        known: cold.met.keys().copied().collect(),
    };
    for (slot, lives) in cold.met {
        if lives && !reading.records.contains_key(&slot) {
            reading.broken.insert(slot);
        }
    }
    if trimmed(snapshot).is_none() {
        let problem = "how far it was emptied is missing";
        reading.findings.add(Finding {
            table: Some("meta"),
            ..told(problem, Loss::Rows)
        });
    }
    if let Err(problem) = aside(snapshot) {
        reading.findings.add(Finding {
            table: Some("meta"),
            place: Some(format!("\"{}\"", meta::ASIDE)),
            ..told(problem.to_string(), Loss::Rows)
        });
    }
    for group in groups(snapshot) {
        progress(Progress {
            read_bytes: snapshot.file.read_bytes(),
            log_bytes: snapshot.file.len(),
        });
        reading.take(group);
    }
    for page in snapshot.take_bad() {
        reading.is_torn = true;
        reading
            .findings
            .add(Finding::of_page(LogFile::Journal, page));
    }
    reading.look_at_the_end(trimmed(snapshot));
    reading.findings
}

struct Reading {
    findings: Findings,
    /// How far the cold file has everything.
    folded: Option<Mark>,
    /// From where an import went on in the cold file.
    imported: Option<Mark>,
    /// After the journal's last group, folded or not.
    newest: Option<Mark>,
    /// Groups may be missing, and that was told.
    is_torn: bool,
    /// After the last group that was met.
    last: Option<Mark>,
    records: BTreeMap<u64, Record>,
    /// Slots whose session is deleted here.
    gone: BTreeSet<u64>,
    /// Slots whose events cannot be folded for what is missing before them.
    broken: BTreeSet<u64>,
    /// Slots that were met in the cold file, or here.
    known: BTreeSet<u64>,
}

fn told(problem: impl Into<String>, loss: Loss) -> Finding {
    Finding {
        table: Some("journal"),
        ..Finding::new(LogFile::Journal, problem, loss)
    }
}

impl Reading {
    fn take(&mut self, group: Group) {
        let position = group.position;
        let folded = self.folded.map_or(0, |mark| mark.position);
        let is_folded = position <= folded;
        let (mark, batches) = match journal::read(position, &group.bytes.into()) {
            Ok(group) => group,
            Err(problem) => {
                self.is_torn = true;
                let is_next = self.last.is_none_or(|last| position == last.position + 1);
                if group.is_sound || is_next {
                    let loss = if is_folded {
                        Loss::Nothing
                    } else {
                        Loss::Commit
                    };
                    let finding = told(problem.to_string(), loss);
                    self.findings
                        .add(finding.at(format_args!("group {position}")));
                }
                return;
            }
        };
        self.newest = Some(mark);
        if is_folded {
            return;
        }
        if let Some(last) = self.last {
            let first = batches.first().and_then(|batch| batch.rows.first());
            let first = first.map_or(last.last_seq + 1, |(seq, _)| seq.get());
            if (position, first) != (last.position + 1, last.last_seq + 1) {
                self.tell_gap(last, position, first);
            }
        }
        let mut next = None;
        for batch in &batches {
            self.take_batch(batch, &mut next);
        }
        if next.is_some_and(|next| next != mark.last_seq + 1) {
            let problem = "its events are not as many as it says";
            let finding = told(problem, Loss::Nothing);
            self.findings
                .add(finding.at(format_args!("group {position}")));
        }
        let first = batches.first().and_then(|batch| batch.rows.first());
        if let Some((first, _)) = first {
            self.findings.has_read(first.get(), mark.last_seq);
        }
        self.last = Some(mark);
    }

    fn tell_gap(&mut self, last: Mark, position: u64, first: u64) {
        let problem = format!(
            "what was recorded between groups {} and {position} is not there",
            last.position
        );
        let finding = told(problem, Loss::Commit);
        let (from, to) = (last.last_seq + 1, first.saturating_sub(1));
        self.findings.add(finding.seqs(from, to.max(from)));
    }

    fn take_batch(&mut self, batch: &JournalBatch, next: &mut Option<u64>) {
        self.findings.sessions += u64::from(self.known.insert(batch.slot));
        for (seq, bytes) in &batch.rows {
            if next.is_some_and(|next| next != seq.get()) {
                let problem = "its events do not follow on those of the batch before it";
                let finding = told(problem, Loss::Nothing).session(&batch.id);
                self.findings.add(finding.seqs(seq.get(), seq.get()));
            }
            *next = Some(seq.get() + 1);
            self.findings.events += 1;
            let folded = event_of_row(bytes, &batch.id, *seq)
                .map_err(|fault| fault.reason().to_string())
                .and_then(|event| self.fold(batch.slot, &event).map_err(|it| it.to_string()));
            if let Err(problem) = folded {
                self.tell_event(batch.slot, &batch.id, seq.get(), problem);
            }
        }
    }

    fn fold(&mut self, slot: u64, envelope: &Envelope) -> Result<(), IllegalTransition> {
        if self.broken.contains(&slot) || self.gone.contains(&slot) {
            return Ok(());
        }
        let record = Record::fold(self.records.remove(&slot), envelope)?;
        if envelope.event == Event::Deleted {
            self.gone.insert(slot);
            self.findings.sessions = self.findings.sessions.saturating_sub(1);
        } else {
            self.records.insert(slot, record);
        }
        Ok(())
    }

    fn tell_event(&mut self, slot: u64, id: &SessionId, seq: u64, problem: String) {
        if self.broken.insert(slot) {
            let finding = told(problem, Loss::Events).session(id);
            self.findings.add(finding.seqs(seq, seq));
            self.findings.lose(id);
        }
    }

    /// The two files are of one moment.
    fn look_at_the_end(&mut self, trimmed: Option<Mark>) {
        let (Some(trimmed), Some(folded)) = (trimmed, self.folded) else {
            return;
        };
        let marks = Marks {
            folded,
            imported: self.imported,
            trimmed,
            last: self.newest.unwrap_or(trimmed),
        };
        let Some(misfit) = marks.misfit() else {
            return;
        };
        let finding = told(misfit.to_string(), Loss::Commit);
        match misfit {
            Misfit::OldCold => self
                .findings
                .add(finding.seqs(folded.last_seq + 1, trimmed.last_seq)),
            // A group that cannot be read is told already, and may be all that is wrong.
            Misfit::OldJournal if self.is_torn => {}
            Misfit::OldJournal | Misfit::Diverged => self.findings.add(finding),
        }
    }
}
