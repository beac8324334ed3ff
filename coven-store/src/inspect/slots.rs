//! Whose the slots are: `slots`, and `ids`, `gone`, `erasing` and `trimming`, which follow from it.

use std::collections::{BTreeMap, BTreeSet};

use coven_core::SessionId;
use redb::Value;

use super::cold::Inspection;
use super::finding::{Finding, Loss};
use super::order::Tally;
use super::source::number;
use crate::fault::Fault;
use crate::layout::{ERASING, GONE, IDS, SLOTS, TRIMMING};
use crate::raw::Row;
use crate::read::slot_of_row;

/// What is known of one slot.
pub(super) struct Slot {
    pub(super) id: SessionId,
    pub(super) deleted_at: Option<u64>,
    /// What the indexes are to have of it; `None` where its events do not tell.
    pub(super) index: Option<Index>,
    /// Its events, and how many of them the order has.
    pub(super) events: Tally,
    pub(super) ordered: Tally,
    /// Events before this one are not in either tally: some of them may be gone rightly.
    pub(super) tallied_from: u64,
    /// The `Deleted` event was met.
    pub(super) has_deleted: bool,
}

/// A session's places in the indexes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Index {
    pub(super) created_at: i64,
    pub(super) is_archived: bool,
    pub(super) is_live: bool,
    /// A hash of its harness and conversation.
    pub(super) conversation: Option<u64>,
}

impl Slot {
    fn new(id: SessionId, deleted_at: Option<u64>) -> Self {
        Self {
            id,
            deleted_at,
            index: None,
            events: Tally::default(),
            ordered: Tally::default(),
            tallied_from: 0,
            has_deleted: false,
        }
    }
}

#[derive(Default)]
pub(super) struct Slots {
    pub(super) known: BTreeMap<u64, Slot>,
    /// Those of deleted sessions that are still being erased.
    pub(super) erasing: BTreeSet<u64>,
    /// Those that trimmed output is still taken out of, and up to which offset.
    pub(super) trimming: BTreeMap<u64, u64>,
}

impl Inspection<'_> {
    pub(super) fn look_at_slots(&mut self) -> Result<(), Fault> {
        self.look_at_ids()?;
        self.look_at_gone()?;
        self.look_at_erasing()?;
        self.look_at_trimming()
    }

    pub(super) fn take_slot(&mut self, row: &Row) {
        let slot = number(&row.key, 0);
        match slot_of_row(slot, &row.value) {
            Ok((id, deleted_at)) => {
                if row.is_sound && self.aside.0.contains(&slot) {
                    let problem = "it sets a slot aside that a session has";
                    let finding = Finding::of("meta", problem, Loss::Nothing);
                    self.findings
                        .add(finding.at(format_args!("slot {slot}")).session(&id));
                }
                let known = Slot::new(id, deleted_at.map(coven_core::Seq::get));
                self.slots.known.insert(slot, known);
            }
            Err(problem) if row.is_sound || self.could_be(slot) => {
                let finding = Finding::of("slots", problem.to_string(), Loss::Name);
                self.findings.add(finding.at(format_args!("slot {slot}")));
            }
            Err(_) => {}
        }
    }

    /// Whether a slot was ever given.
    pub(super) fn could_be(&self, slot: u64) -> bool {
        self.mark.is_some_and(|mark| slot <= mark.last_slot)
    }

    fn look_at_ids(&mut self) -> Result<(), Fault> {
        let mut named = BTreeSet::new();
        for row in self.source.sound_rows(IDS)? {
            let row = row?;
            let text = <&str>::from_bytes(&row.key);
            let slot = number(&row.value, 0);
            if !self.window.contains(&slot) {
                continue;
            }
            let finding = |problem: String| {
                Finding::of("ids", problem, Loss::Nothing).at(format_args!("slot {slot}"))
            };
            let Ok(id) = SessionId::parse(text) else {
                self.findings
                    .add(finding("its key is no session's id".to_owned()));
                continue;
            };
            let known = self.slots.known.entry(slot);
            // Where the slot's own row is damaged, this says whose it is.
            let known = known.or_insert_with(|| Slot::new(id.clone(), None));
            if known.id != id || known.deleted_at.is_some() {
                let problem = format!("it leads from {id} to a slot that is not that session's");
                self.findings.add(finding(problem));
            } else {
                named.insert(slot);
            }
        }
        self.take_bad();
        if self.is_torn("ids") {
            return Ok(());
        }
        let known = self.slots.known.iter();
        let living = known.filter(|(_, known)| known.deleted_at.is_none());
        let unnamed = living.filter(|(slot, _)| !named.contains(slot));
        let unnamed: Vec<u64> = unnamed.map(|(slot, _)| *slot).collect();
        if !unnamed.is_empty() {
            let namesakes = self.namesakes(&unnamed)?;
            for slot in unnamed {
                self.tell_unnamed(slot, &namesakes);
            }
        }
        Ok(())
    }

    /// Tells of a session that `ids` does not lead to. Where it leads to another of that id, who asks for this one
    /// reads that.
    fn tell_unnamed(&mut self, slot: u64, namesakes: &BTreeMap<SessionId, u64>) {
        let id = &self.slots.known[&slot].id;
        let finding = match namesakes.get(id) {
            Some(other) => {
                self.findings.lose(id);
                let problem = format!("it leads to slot {other}, which has that id too");
                Finding::of("ids", problem, Loss::Name).at(format_args!("slot {slot}"))
            }
            None => Finding::of("ids", "it does not lead to this one", Loss::Nothing),
        };
        self.findings.add(finding.session(id));
    }

    /// The slots that `ids` leads to from the ids of some others, where those have them too.
    fn namesakes(&self, others: &[u64]) -> Result<BTreeMap<SessionId, u64>, Fault> {
        let ids = others.iter().map(|slot| &self.slots.known[slot].id);
        let ids: BTreeSet<&SessionId> = ids.collect();
        let mut led_to = BTreeMap::new();
        for row in self.source.sound_rows(IDS)? {
            let row = row?;
            let id = SessionId::parse(<&str>::from_bytes(&row.key)).ok();
            if let Some(id) = id.filter(|id| ids.contains(id)) {
                led_to.insert(number(&row.value, 0), id);
            }
        }
        let mut namesakes = BTreeMap::new();
        for row in self.source.rows(SLOTS)? {
            let row = row?;
            let slot = number(&row.key, 0);
            if let Some(id) = led_to.get(&slot)
                && slot_of_row(slot, &row.value).is_ok_and(|it| it == (id.clone(), None))
            {
                namesakes.insert(id.clone(), slot);
            }
        }
        Ok(namesakes)
    }

    fn look_at_gone(&mut self) -> Result<(), Fault> {
        let mut expected = BTreeMap::new();
        for slot in self.slots.known.values() {
            if let Some(at) = slot.deleted_at {
                let last = expected.entry(slot.id.as_str().to_owned()).or_insert(at);
                *last = at.max(*last);
            }
        }
        for row in self.source.sound_rows(GONE)? {
            let row = row?;
            let id = <&str>::from_bytes(&row.key);
            let at = number(&row.value, 0);
            self.gone.rows += u64::from(self.is_first_window());
            let known = expected.remove(id);
            if known.is_none_or(|known| known < at) && !self.is_only_window() {
                // Another window has a later deletion, or none has.
                continue;
            }
            self.gone.told += 1;
            if known != Some(at) {
                let problem = "it is not where that session's deletion is";
                let finding = Finding::of("gone", problem, Loss::Nothing);
                self.findings.add(finding.at(id));
            }
        }
        self.take_bad();
        if !self.is_torn("gone") {
            for id in expected.keys() {
                let problem = "a session's deletion is missing";
                let finding = Finding::of("gone", problem, Loss::Nothing);
                self.findings.add(finding.at(id));
            }
        }
        Ok(())
    }

    fn look_at_erasing(&mut self) -> Result<(), Fault> {
        for row in self.source.sound_rows(ERASING)? {
            let row = row?;
            let slot = number(&row.key, 0);
            if !self.window.contains(&slot) {
                continue;
            }
            let known = self.slots.known.get(&slot);
            if known.and_then(|slot| slot.deleted_at) == Some(number(&row.value, 0)) {
                self.slots.erasing.insert(slot);
            } else {
                let problem = "what is to be erased was not deleted there";
                let finding = Finding::of("erasing", problem, Loss::Nothing);
                self.findings.add(finding.at(format_args!("slot {slot}")));
            }
        }
        self.take_bad();
        Ok(())
    }
    fn look_at_trimming(&mut self) -> Result<(), Fault> {
        for row in self.source.sound_rows(TRIMMING)? {
            let row = row?;
            let slot = number(&row.key, 0);
            if !self.window.contains(&slot) {
                continue;
            }
            let known = self.slots.known.get(&slot);
            if known.is_some_and(|slot| slot.deleted_at.is_none()) {
                self.slots.trimming.insert(slot, number(&row.value, 0));
            } else {
                let problem = "what is to be trimmed is no session's";
                let finding = Finding::of("trimming", problem, Loss::Nothing);
                self.findings.add(finding.at(format_args!("slot {slot}")));
            }
        }
        self.take_bad();
        Ok(())
    }
}
