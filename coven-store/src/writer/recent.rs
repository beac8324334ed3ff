//! The records of busy sessions in memory, so that a flood need not decode its session's record
//! after every fold.

use std::collections::HashMap;
use std::sync::Arc;

use coven_core::{Record, SessionId};

use crate::limits::MAX_RECENT_SESSIONS;

/// A session's slot and its record as of the last commit.
#[derive(Clone)]
pub(crate) struct Entry {
    pub(crate) slot: u64,
    pub(crate) record: Arc<Record>,
}

#[derive(Default)]
pub(crate) struct Recent {
    entries: HashMap<SessionId, Used>,
    turn: u64,
}

struct Used {
    entry: Entry,
    turn: u64,
}

impl Recent {
    pub(crate) fn get(&self, session: &SessionId) -> Option<&Entry> {
        self.entries.get(session).map(|used| &used.entry)
    }

    pub(crate) fn put(&mut self, session: SessionId, entry: Entry) {
        self.turn += 1;
        let turn = self.turn;
        self.entries.insert(session, Used { entry, turn });
        if self.entries.len() > MAX_RECENT_SESSIONS {
            self.drop_older_half();
        }
    }

    pub(crate) fn remove(&mut self, session: &SessionId) {
        self.entries.remove(session);
    }

    fn drop_older_half(&mut self) {
        let mut turns: Vec<u64> = self.entries.values().map(|used| used.turn).collect();
        turns.sort_unstable();
        let middle = turns[turns.len() / 2];
        self.entries.retain(|_, used| used.turn >= middle);
    }
}
