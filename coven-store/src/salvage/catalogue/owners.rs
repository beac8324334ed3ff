//! Who the slots belong to, where their own rows do not say it.

use std::collections::{HashMap, HashSet};

use coven_core::SessionId;
use redb::Value;

use super::{Catalogue, u64_of};
use crate::inspect::Rows;

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
            self.owner(slot).id.get_or_insert(id);
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

    /// An id is used again only after its session was deleted: of two that are not known to be, the
    /// older one was.
    pub(super) fn forget_predecessors(&mut self) {
        let mut living = HashMap::new();
        let mut gone = Vec::new();
        for (&slot, owner) in &self.owners {
            if let (Some(id), None) = (&owner.id, owner.deleted_at) {
                gone.extend(living.insert(id.clone(), slot));
            }
        }
        for slot in gone {
            self.owners.remove(&slot);
            self.forgotten.push(slot);
        }
    }

    /// Finds names that nobody has for the slots whose own are lost.
    pub(super) fn name_the_nameless(&mut self) {
        let ids = self.owners.values().filter_map(|owner| owner.id.clone());
        let mut taken: HashSet<SessionId> = ids.collect();
        for (&slot, _) in self.owners.iter().filter(|(_, owner)| owner.id.is_none()) {
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
        let name = owner.or_else(|| self.new_names.get(&slot));
        name.expect("every slot that is left has one").clone()
    }
}
