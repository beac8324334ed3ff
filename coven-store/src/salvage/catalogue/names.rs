//! Names of slots that no row which can be followed says.

use std::collections::{BTreeSet, HashMap, HashSet};

use coven_core::SessionId;

use super::super::carve::{self, Trace};
use super::Catalogue;
use crate::raw::Snapshot;
use crate::read::record_of_row;

impl Catalogue {
    /// Finds the names of the slots that have none beside a cold file's trees. What leads from an id to a slot has no
    /// checksum there, so it is believed as far as a record proves it: that is sealed with both, whenever it was written.
    pub(super) fn find_names(&mut self, cold: &Snapshot) {
        let nameless = self.owners.iter().filter(|(_, owner)| owner.id.is_none());
        let nameless: HashSet<u64> = nameless.map(|(&slot, _)| slot).collect();
        if nameless.is_empty() {
            return;
        }
        let mut ids: HashMap<u64, BTreeSet<SessionId>> = HashMap::new();
        let mut records: HashMap<u64, Vec<(u64, usize)>> = HashMap::new();
        carve::traces(&cold.file, |trace| match trace {
            Trace::Name(slot, id) if nameless.contains(&slot) => {
                ids.entry(slot).or_default().extend(SessionId::parse(&id));
            }
            Trace::Record(row) if nameless.contains(&row.key.0) => {
                let places = records.entry(row.key.0).or_default();
                places.push((row.at, row.value.len()));
            }
            Trace::Name(..) | Trace::Record(_) => {}
        });
        for (slot, ids) in ids {
            let records = records.get(&slot).into_iter().flatten();
            let records = records.filter_map(|&(at, len)| cold.file.read(at, len).ok());
            let records: Vec<_> = records.collect();
            let is_proved = |id: &SessionId| {
                let mut records = records.iter();
                records.any(|row| record_of_row(slot, id, row).is_ok())
            };
            self.owner(slot).id = ids.into_iter().find(is_proved);
        }
    }
}
