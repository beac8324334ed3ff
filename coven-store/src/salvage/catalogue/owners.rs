//! Who the slots belong to, where their own rows do not say it.

use std::collections::{HashMap, HashSet};

use coven_core::{Event, SessionId};
use redb::Value;

use super::super::events::Events;
use super::{Catalogue, u64_of};
use crate::inspect::{Rows, Source};
use crate::layout::IDS;

impl Catalogue {
    /// Who slots belong to whose own rows are damaged.
    pub(super) fn take_names(&mut self, ids: Rows<'_>, list: Rows<'_>) {
        for row in ids.flatten() {
            self.name(u64_of(&row.value), <&str>::from_bytes(&row.key));
        }
        for row in list.flatten() {
            let (_, id) = <(i64, &str)>::from_bytes(&row.key);
            self.name(<(u64, bool)>::from_bytes(&row.value).0, id);
        }
    }

    fn name(&mut self, slot: u64, id: &str) {
        if let Ok(id) = SessionId::parse(id) {
            let owner = self.owner(slot);
            owner.id.get_or_insert(id);
            owner.is_led_to = true;
        }
    }

    /// A session that was deleted stays so, though its slot does not say it any more.
    pub(super) fn take_gone(&mut self, rows: Rows<'_>) {
        let gone: HashMap<String, u64> = rows
            .flatten()
            .map(|row| (<&str>::from_bytes(&row.key).to_owned(), u64_of(&row.value)))
            .collect();
        let last = gone.values().copied().max().unwrap_or(0);
        self.mark.last_seq = self.mark.last_seq.max(last);
        let mut begins = HashMap::new();
        for piece in &self.pieces {
            let first = begins.entry(piece.slot).or_insert(piece.first);
            *first = piece.first.min(*first);
        }
        let deletions: HashMap<u64, &String> = gone.iter().map(|(id, at)| (*at, id)).collect();
        for (slot, owner) in &mut self.owners {
            // Its name is lost, and its deletion is where that session's is said to be.
            let at = begins.get(slot).filter(|_| owner.id.is_none());
            if let Some((at, id)) = at.and_then(|at| Some((at, deletions.get(at)?))) {
                owner.id = SessionId::parse(id).ok();
                owner.deleted_at = Some(*at);
            }
            let at = owner.id.as_ref().and_then(|id| gone.get(id.as_str()));
            if let (Some(&at), None) = (at, owner.deleted_at)
                && begins.get(slot).is_some_and(|first| *first <= at)
            {
                owner.deleted_at = Some(at);
            }
        }
    }

    /// Parts the slots that have one id. It is used again only after its session was deleted, so one of which no
    /// event is left was, unless it is the last of them or `ids` leads to it. Of the others one keeps the id: the one
    /// that `ids` leads to, or else the one with the newest events. The rest lose theirs.
    pub(super) fn part_namesakes(&mut self) {
        let mut living: HashMap<SessionId, Vec<u64>> = HashMap::new();
        for (&slot, owner) in &self.owners {
            if let (Some(id), None) = (&owner.id, owner.deleted_at) {
                living.entry(id.clone()).or_default().push(slot);
            }
        }
        living.retain(|_, slots| slots.len() > 1);
        let led_to = self.led_to(&living);
        for (id, slots) in living {
            let (last, led_to) = (slots.last().copied(), led_to.get(&id).copied());
            let mut left = Vec::new();
            for slot in slots {
                match Events::of(self, slot, id.clone()).last() {
                    Some(newest) if newest.envelope.event == Event::Deleted => {
                        self.owner(slot).deleted_at = Some(newest.envelope.seq.get());
                    }
                    Some(newest) => left.push((newest.envelope.seq.get(), slot)),
                    None if [last, led_to].contains(&Some(slot)) => left.push((0, slot)),
                    None => {
                        self.owners.remove(&slot);
                        self.forgotten.push(slot);
                    }
                }
            }
            let is_led_to = |(_, slot): &&(u64, u64)| Some(*slot) == led_to;
            let keeps = left.iter().find(is_led_to).or_else(|| left.iter().max());
            let keeps = keeps.map(|(_, slot)| *slot);
            let others = left.iter().map(|(_, slot)| *slot);
            self.namesakes
                .extend(others.filter(|slot| Some(*slot) != keeps));
        }
    }

    /// Where `ids` leads from ids that several slots have.
    fn led_to(&self, namesakes: &HashMap<SessionId, Vec<u64>>) -> HashMap<SessionId, u64> {
        let Some(cold) = self.cold.as_ref().filter(|_| !namesakes.is_empty()) else {
            return HashMap::new();
        };
        let rows = Source::Closed(cold).sound_rows(IDS);
        let rows = rows.into_iter().flatten().flatten();
        let led_to = rows.filter_map(|row| {
            let id = SessionId::parse(<&str>::from_bytes(&row.key)).ok()?;
            namesakes
                .contains_key(&id)
                .then(|| (id, u64_of(&row.value)))
        });
        led_to.collect()
    }

    /// Finds names that nobody has for the slots whose own are lost, or another's too.
    pub(super) fn name_the_nameless(&mut self) {
        let ids = self.owners.values().filter_map(|owner| owner.id.clone());
        let mut taken: HashSet<SessionId> = ids.collect();
        for (&slot, owner) in &self.owners {
            if owner.id.is_some() && !self.namesakes.contains(&slot) {
                continue;
            }
            let first = std::iter::once(format!("salvaged-slot-{slot}"));
            let others = (2..).map(|number: u64| format!("salvaged-slot-{slot}-{number}"));
            let mut names = first
                .chain(others)
                .map(|name| SessionId::parse(&name).expect("it is an id"));
            let name = names.find(|name| !taken.contains(name));
            let name = name.expect("there are more than sessions");
            taken.insert(name.clone());
            self.new_names.insert(slot, name);
        }
    }

    /// The name of a session, or one that stands for it.
    pub(in crate::salvage) fn name_of(&self, slot: u64) -> SessionId {
        let owner = self.owners.get(&slot).and_then(|owner| owner.id.as_ref());
        let name = self.new_names.get(&slot).or(owner);
        name.expect("every slot that is left has one").clone()
    }

    /// Whether a session is called as it was.
    pub(in crate::salvage) fn keeps_its_name(&self, slot: u64) -> bool {
        !self.new_names.contains_key(&slot)
    }
}
