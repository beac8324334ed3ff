//! The plain indexes, against what the sessions' events come to.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use redb::Value;

use super::cold::Inspection;
use super::finding::{Finding, Loss};
use super::slots::Index;
use super::source::number;
use crate::fault::Fault;
use crate::layout::{BY_CONVERSATION, BY_CREATED, LIVE};

/// What stands for a conversation where many are kept.
pub(super) fn conversation_hash((harness, conversation): (&str, &str)) -> u64 {
    let mut hasher = DefaultHasher::new();
    (harness, conversation).hash(&mut hasher);
    hasher.finish()
}

impl Inspection<'_> {
    pub(super) fn look_at_indexes(&mut self) -> Result<(), Fault> {
        self.look_at_list()?;
        self.look_at_conversations()?;
        self.look_at_live()
    }

    fn look_at_list(&mut self) -> Result<(), Fault> {
        let mut seen = BTreeSet::new();
        for row in self.source.sound_rows(BY_CREATED)? {
            let row = row?;
            self.tick();
            let (created_at, id) = <(i64, &str)>::from_bytes(&row.key);
            let (slot, is_archived) = <(u64, bool)>::from_bytes(&row.value);
            let is_right =
                |index: &Index| index.created_at == created_at && index.is_archived == is_archived;
            let id_is_right = self
                .slots
                .known
                .get(&slot)
                .is_some_and(|it| it.id.as_str() == id);
            self.compare("by_created", slot, id_is_right, is_right, &mut seen);
        }
        self.look_for_missing("by_created", &seen, |_| true);
        Ok(())
    }

    fn look_at_conversations(&mut self) -> Result<(), Fault> {
        let mut seen = BTreeSet::new();
        for row in self.source.sound_rows(BY_CONVERSATION)? {
            let row = row?;
            self.tick();
            let (harness, conversation, slot) = <(&str, &str, u64)>::from_bytes(&row.key);
            let hash = conversation_hash((harness, conversation));
            let is_right = |index: &Index| index.conversation == Some(hash);
            self.compare("by_conversation", slot, true, is_right, &mut seen);
        }
        let is_there = |index: &Index| index.conversation.is_some();
        self.look_for_missing("by_conversation", &seen, is_there);
        Ok(())
    }

    fn look_at_live(&mut self) -> Result<(), Fault> {
        let mut seen = BTreeSet::new();
        for row in self.source.sound_rows(LIVE)? {
            let slot = number(&row?.key, 0);
            self.compare("live", slot, true, |index| index.is_live, &mut seen);
        }
        self.look_for_missing("live", &seen, |index| index.is_live);
        Ok(())
    }

    /// Takes in a row that leads to a slot.
    fn compare(
        &mut self,
        table: &'static str,
        slot: u64,
        id_is_right: bool,
        is_right: impl Fn(&Index) -> bool,
        seen: &mut BTreeSet<u64>,
    ) {
        if !self.window.contains(&slot) {
            return;
        }
        let known = self.slots.known.get(&slot);
        let living = known.filter(|slot| slot.deleted_at.is_none());
        let is_right = id_is_right
            && living.is_some_and(|slot| slot.index.as_ref().is_none_or(is_right))
            && seen.insert(slot);
        if !is_right {
            let problem = "a row does not follow from the events of its session";
            let finding = Finding::of(table, problem, Loss::Nothing);
            self.findings.add(finding.at(format_args!("slot {slot}")));
        }
    }

    fn look_for_missing(
        &mut self,
        table: &'static str,
        seen: &BTreeSet<u64>,
        is_there: impl Fn(&Index) -> bool,
    ) {
        self.take_bad();
        if self.is_torn(table) {
            return;
        }
        for (number, slot) in &self.slots.known {
            let is_missing = slot.index.as_ref().is_some_and(&is_there)
                && slot.deleted_at.is_none()
                && !seen.contains(number);
            if is_missing {
                let finding = Finding::of(table, "its row is missing", Loss::Nothing);
                self.findings.add(finding.session(&slot.id));
            }
        }
    }
}
