//! SQLite as such tools use it: a row for each event, WAL, `synchronous = FULL`.

use std::path::Path;

use rusqlite::{Connection, params};

use bytes::Bytes;

use crate::log::Log;

pub(crate) struct Sqlite {
    connection: Connection,
}

impl Sqlite {
    pub(crate) fn open(path: &Path) -> Self {
        let connection = Connection::open(path).expect("a new database");
        connection
            .execute_batch(
                "PRAGMA journal_mode = WAL;
                 PRAGMA synchronous = FULL;
                 CREATE TABLE events (
                     seq INTEGER PRIMARY KEY, session INTEGER NOT NULL, kind INTEGER NOT NULL,
                     created_at INTEGER NOT NULL, payload BLOB NOT NULL);
                 CREATE INDEX by_session ON events (session, seq);",
            )
            .expect("a schema");
        Self { connection }
    }
}

impl Log for Sqlite {
    fn name(&self) -> &'static str {
        "SQLite WAL FULL, a row per event"
    }

    fn append(&mut self, session: usize, events: &[Bytes]) {
        let transaction = self.connection.transaction().expect("a transaction");
        {
            let mut insert = transaction
                .prepare_cached(
                    "INSERT INTO events (session, kind, created_at, payload) VALUES (?, ?, ?, ?)",
                )
                .expect("a statement");
            for event in events {
                insert
                    .execute(params![
                        session as i64,
                        5,
                        1_700_000_000_000_000_000_i64,
                        event.as_ref()
                    ])
                    .expect("inserted");
            }
        }
        transaction.commit().expect("committed");
    }

    fn close(self: Box<Self>) {}
}
