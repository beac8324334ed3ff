//! fjall, an LSM tree: a key for each event, the journal synced at every batch.

use std::path::Path;

use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};

use bytes::Bytes;

use crate::log::Log;

pub(crate) struct Fjall {
    database: Database,
    events: Keyspace,
    seq: u64,
}

impl Fjall {
    pub(crate) fn open(path: &Path) -> Self {
        let database = Database::builder(path).open().expect("a new database");
        let events = database
            .keyspace("events", KeyspaceCreateOptions::default)
            .expect("a keyspace");
        Self {
            database,
            events,
            seq: 0,
        }
    }
}

impl Log for Fjall {
    fn name(&self) -> &'static str {
        "fjall, a key per event"
    }

    fn append(&mut self, session: usize, events: &[Bytes]) {
        let mut batch = self
            .database
            .batch()
            .durability(Some(PersistMode::SyncData));
        for event in events {
            self.seq += 1;
            let mut key = [0; 16];
            key[..8].copy_from_slice(&(session as u64).to_be_bytes());
            key[8..].copy_from_slice(&self.seq.to_be_bytes());
            batch.insert(&self.events, key, event.as_ref());
        }
        batch.commit().expect("committed");
    }

    fn close(self: Box<Self>) {}
}
