//! What all logs here have in common.

use std::path::Path;

use bytes::Bytes;

use crate::{SESSIONS, coven, fjall, raw, sqlite};

/// A log that acknowledges a batch once it is on disk.
pub(crate) trait Log {
    fn name(&self) -> &'static str;
    /// Appends all events to one session and returns when they are durable.
    fn append(&mut self, session: usize, events: &[Bytes]);
    /// Ends whatever goes on in the background.
    fn close(self: Box<Self>);
}

/// A log that many append to at once.
pub(crate) trait SharedLog {
    /// Appends an event and resolves when it is durable.
    async fn append_one(&self, session: usize, event: Bytes);
}

/// Those that are measured beside the raw file.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Raw,
    RawWithSpace,
    Coven,
    Sqlite,
    Fjall,
}

impl Kind {
    /// An empty one.
    pub(crate) fn open(self, folder: &Path) -> Box<dyn Log> {
        match self {
            Self::Raw => Box::new(raw::Raw::open(&folder.join("raw.log"))),
            Self::RawWithSpace => Box::new(raw::Raw::with_space(&folder.join("space.log"))),
            Self::Coven => Box::new(coven::Coven::open(&folder.join("coven.redb"), SESSIONS)),
            Self::Sqlite => Box::new(sqlite::Sqlite::open(&folder.join("rows.sqlite3"))),
            Self::Fjall => Box::new(fjall::Fjall::open(&folder.join("fjall"))),
        }
    }
}
