//! The limit: frames appended to one file, `fdatasync` after each batch. The file grows with each, as one does
//! that is appended to; or it is as long as it gets, and written from the beginning again where it is full.

mod shared;

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use bytes::Bytes;

use crate::log::Log;

pub(crate) use shared::SharedRaw;

/// How long a file is that does not grow: as long as the log's journal gets.
const FULL_BYTES: u64 = 48 << 20;

pub(crate) struct Raw {
    file: File,
    buffer: Vec<u8>,
    next: u64,
    full: Option<u64>,
}

impl Raw {
    pub(crate) fn open(path: &Path) -> Self {
        Self {
            file: File::create_new(path).expect("a new file"),
            buffer: Vec::new(),
            next: 0,
            full: None,
        }
    }

    /// One that has all the space it will take.
    pub(crate) fn with_space(path: &Path) -> Self {
        let raw = Self::open(path);
        let piece = vec![0x5a; 1 << 20];
        for at in (0..FULL_BYTES).step_by(piece.len()) {
            raw.file.write_all_at(&piece, at).expect("written");
        }
        raw.file.sync_all().expect("synced");
        Self {
            full: Some(FULL_BYTES),
            ..raw
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
        let len = self.buffer.len() as u64;
        if self.full.is_some_and(|full| self.next + len > full) {
            self.next = 0;
        }
        let written = self.file.write_all_at(&self.buffer, self.next);
        written.expect("written");
        self.file.sync_data().expect("synced");
        self.next += len;
    }
}

impl Log for Raw {
    fn name(&self) -> &'static str {
        match self.full {
            None => "raw file + fdatasync",
            Some(_) => "raw file that has its space + fdatasync",
        }
    }

    fn append(&mut self, session: usize, events: &[Bytes]) {
        self.append_group(events.iter().map(|event| (session, event)));
    }

    fn close(self: Box<Self>) {}
}
