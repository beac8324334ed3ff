//! The limit: frames appended to one file, `fdatasync` after each batch.

mod shared;

use std::fs::File;
use std::io::Write;
use std::path::Path;

use bytes::Bytes;

use crate::log::Log;

pub(crate) use shared::SharedRaw;

pub(crate) struct Raw {
    file: File,
    buffer: Vec<u8>,
}

impl Raw {
    pub(crate) fn open(path: &Path) -> Self {
        Self {
            file: File::create_new(path).expect("a new file"),
            buffer: Vec::new(),
        }
    }

    fn append_group<'a>(&mut self, events: impl Iterator<Item = (usize, &'a Bytes)>) {
        self.buffer.clear();
        for (session, event) in events {
            self.buffer
                .extend_from_slice(&(event.len() as u32).to_le_bytes());
            self.buffer
                .extend_from_slice(&(session as u64).to_le_bytes());
            self.buffer.extend_from_slice(event);
        }
        self.file.write_all(&self.buffer).expect("written");
        self.file.sync_data().expect("synced");
    }
}

impl Log for Raw {
    fn name(&self) -> &'static str {
        "raw file + fdatasync"
    }

    fn append(&mut self, session: usize, events: &[Bytes]) {
        self.append_group(events.iter().map(|event| (session, event)));
    }

    fn close(self: Box<Self>) {}
}
