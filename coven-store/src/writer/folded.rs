//! The records of busy sessions, folded and in memory, so that a flood need not decode its
//! session's record for every batch.

use std::collections::HashMap;

use coven_core::{Record, SessionId};

use crate::limits::MAX_FOLDED_SESSIONS;

/// A session's slot and its record as of the last commit.
#[derive(Clone)]
pub(crate) struct Entry {
    pub(crate) slot: u64,
    pub(crate) record: Record,
}

#[derive(Default)]
pub(crate) struct Folded {
    entries: HashMap<SessionId, Used>,
    turn: u64,
}

struct Used {
    entry: Entry,
    turn: u64,
}

impl Folded {
    pub(crate) fn get(&self, session: &SessionId) -> Option<&Entry> {
        self.entries.get(session).map(|used| &used.entry)
    }

    pub(crate) fn put(&mut self, session: SessionId, entry: Entry) {
        self.turn += 1;
        let turn = self.turn;
        self.entries.insert(session, Used { entry, turn });
        if self.entries.len() > MAX_FOLDED_SESSIONS {
            self.drop_older_half();
        }
    }

    pub(crate) fn remove(&mut self, session: &SessionId) {
        self.entries.remove(session);
    }

    pub(crate) fn clear(&mut self) {
        self.entries.clear();
    }

    fn drop_older_half(&mut self) {
        let mut turns: Vec<u64> = self.entries.values().map(|used| used.turn).collect();
        turns.sort_unstable();
        let middle = turns[turns.len() / 2];
        self.entries.retain(|_, used| used.turn >= middle);
    }
}
