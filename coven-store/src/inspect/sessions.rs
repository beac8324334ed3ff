//! All segments, one after the other, and what is beside them; each session is gone through in
//! `session.rs`.

use std::collections::{BTreeSet, VecDeque};
use std::iter::Peekable;

use coven_core::{Event, Replay};

use super::cold::Inspection;
use super::finding::{Finding, Loss};
use super::session::Folding;
use super::source::{Rows, Source, number};
use crate::cold::segment::Segment;
use crate::fault::Fault;
use crate::layout::{OUTPUT, RECORDS, SEGMENTS};
use crate::raw::{Bounds, Row};
use crate::read::event_of_row;

/// Tables that are gone through beside the segments.
pub(super) struct Beside<'a> {
    pub(super) records: Peekable<Rows<'a>>,
    pub(super) output: Peekable<Rows<'a>>,
}

/// All sessions, as far as they were gone through.
pub(super) struct Sessions<'a> {
    segments: Peekable<Rows<'a>>,
    beside: Beside<'a>,
    leaf: Leaf,
}

impl<'a> Sessions<'a> {
    pub(super) fn begin(source: Source<'a>) -> Result<Self, Fault> {
        Ok(Self {
            segments: source.rows(SEGMENTS)?.peekable(),
            beside: Beside {
                records: source.sound_rows(RECORDS)?.peekable(),
                output: source.sound_rows(OUTPUT)?.peekable(),
            },
            leaf: Leaf::default(),
        })
    }
}

/// The page that segments are met in.
#[derive(Default)]
struct Leaf {
    bounds: Bounds,
    /// Its keys are not in order, or not all its own.
    is_astray: bool,
    /// The last key that was met, in whatever page.
    last: (u64, u64),
}

impl Inspection<'_> {
    /// Goes through the sessions of this window.
    pub(super) fn look_at_sessions(&mut self, all: &mut Sessions<'_>) -> Result<(), Fault> {
        let Sessions {
            segments,
            beside,
            leaf,
        } = all;
        let told_before = self.findings.unreadable.clone();
        let mut folding: Option<Folding> = None;
        let mut met = BTreeSet::new();
        let end = *self.window.end();
        let is_within = |row: &Result<Row, Fault>| {
            row.as_ref()
                .map_or(true, |row| is_nowhere(row) || number(&row.key, 0) <= end)
        };
        while let Some(row) = segments.next_if(is_within) {
            let row = row?;
            self.tick();
            let (slot, first) = (number(&row.key, 0), number(&row.key, 8));
            self.look_at_place(leaf, &row.bounds, (slot, first));
            if is_nowhere(&row) || (!row.is_sound && slot < *self.window.start()) {
                continue;
            }
            if !row.is_sound && Segment::head(slot, first, &row.value).is_err() {
                self.take_torn_segment(folding.as_mut(), slot, first);
                continue;
            }
            if folding.as_ref().is_none_or(|folding| folding.slot != slot) {
                if let Some(done) = folding.take() {
                    met.insert(done.slot);
                    self.finish(done, beside)?;
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
            self.finish(done, beside)?;
        }
        self.finish_beside(end.saturating_add(1), beside)?;
        self.take_bad();
        self.look_for_missing_sessions(&met);
        self.ask_readers(&told_before);
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

    /// Where a segment's key is none that its page can have, or does not come after the one before it, who looks for a
    /// key there may be led astray.
    fn look_at_place(&mut self, leaf: &mut Leaf, bounds: &Bounds, key: (u64, u64)) {
        if !leaf.bounds.is_of_one_page_with(bounds) {
            leaf.bounds = bounds.clone();
            leaf.is_astray = false;
        }
        if !is_between(bounds, key) || key <= leaf.last {
            if !leaf.is_astray {
                self.doubts.add(bounds.above(), bounds.up_to());
            }
            leaf.is_astray = true;
            self.doubts.add_slot(key.0);
        }
        leaf.last = key;
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

    /// Of a deleted session there is its `Deleted`, and what is not erased yet. What is damaged never is: it may be
    /// another's.
    fn look_at_deleted(&mut self, slot: u64, first: u64, row: &Row) {
        let is_erasing = self.slots.erasing.contains(&slot);
        let is_torn = self.is_torn("erasing") || !row.is_sound;
        let Some(known) = self.slots.known.get_mut(&slot) else {
            return;
        };
        if Some(first) != known.deleted_at {
            let problem = match Segment::head(slot, first, &row.value) {
                Err(_) if row.is_sound => {
                    Some("it is damaged, and stays where a deleted session is erased")
                }
                Ok(_) | Err(_) if is_erasing || is_torn => None,
                Ok(_) | Err(_) => Some("events of a deleted session are left"),
            };
            if let Some(problem) = problem {
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

    /// What is there of slots before `slot` that have no segments.
    pub(super) fn finish_beside(
        &mut self,
        slot: u64,
        beside: &mut Beside<'_>,
    ) -> Result<(), Fault> {
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

/// Whether a row of a damaged page has a key that this page cannot have: nobody looks for it there, and where it does
/// not prove itself nobody knows whose it is.
pub(super) fn is_nowhere(row: &Row) -> bool {
    !row.is_sound && !is_between(&row.bounds, (number(&row.key, 0), number(&row.key, 8)))
}

/// Whether a key is one that its page can have.
fn is_between(bounds: &Bounds, key: (u64, u64)) -> bool {
    let key_of = |bytes: &[u8]| (number(bytes, 0), number(bytes, 8));
    bounds.above().is_none_or(|above| key_of(above) < key)
        && bounds.up_to().is_none_or(|up_to| key <= key_of(up_to))
}

fn take_before(rows: &mut Peekable<Rows<'_>>, slot: u64) -> Result<Option<Row>, Fault> {
    take_if(rows, |found| found < slot)
}

pub(super) fn take_if(
    rows: &mut Peekable<Rows<'_>>,
    is_wanted: impl Fn(u64) -> bool,
) -> Result<Option<Row>, Fault> {
    let row = rows.next_if(|row| match row {
        Ok(row) => is_wanted(number(&row.key, 0)),
        Err(_) => true,
    });
    row.transpose()
}
