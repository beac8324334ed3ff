//! `Bookmark`: how far a session's log was heard, and what that told, for whoever takes the session over: he
//! hears only what came after it.
//!
//! It is kept in the session's folder, and goes with it. Where there is none, or one that does not fit the log, all is
//! heard. One is set where nothing is under way but output, and nothing waits to be typed or cannot be: then what came
//! before tells no more than is in it.

use std::io;
use std::path::Path;

use coven_core::{InputId, Record, Seq};
use coven_harness::shim::{read_bookmark, write_bookmark};
use coven_harness::terminal::Listener;
use coven_store::{ReadError, Store};
use serde::{Deserialize, Serialize};

use super::deliveries::Undelivered;
use super::live::{Live, Slot};
use crate::attach::Screenless;
use crate::shared::blocking;

/// Bytes of output from one to the next: what is heard again at most, where the moment to set one comes soon.
const EVERY_BYTES: u64 = 2 << 20;

/// Of another format none is read. It is counted up with every change of what is encoded.
const FORMAT: u8 = 1;

/// What is known of a session at a place in its log.
#[derive(Clone, Debug)]
pub(super) struct Bookmark {
    /// The last event that was heard.
    pub(super) seq: Seq,
    /// What was heard of the output up to there.
    pub(super) screen: Screenless,
    /// The names of the last inputs, all of which are written, or on record as undelivered.
    pub(super) names: Vec<InputId>,
    /// Those that are.
    pub(super) undelivered: Vec<Undelivered>,
}

/// How it is encoded, after its format.
#[derive(Serialize, Deserialize)]
struct Encoded {
    seq: u64,
    screen: Screenless,
    names: Vec<[u8; 16]>,
    undelivered: Vec<([u8; 16], u64, Option<u64>)>,
}

/// When a session's next bookmark is due.
#[derive(Default)]
pub(super) struct Bookmarks {
    /// The output before the last one.
    last_bytes: u64,
    pub(super) writing: Slot<()>,
}

impl Bookmarks {
    /// Those of a session that has one behind so much output.
    pub(super) const fn after(last_bytes: u64) -> Self {
        Self {
            last_bytes,
            writing: None,
        }
    }

    /// Waits until nothing is being written.
    pub(super) async fn settle(&mut self) {
        if let Some(writing) = self.writing.take() {
            writing.await;
        }
    }
}

impl Bookmark {
    /// That of the session in `folder`, where there is one and it fits what is on record. Blocks.
    ///
    /// # Errors
    /// Those of reading the log.
    pub(super) fn of(
        folder: &Path,
        record: &Record,
        store: &Store,
    ) -> Result<Option<Self>, ReadError> {
        let Some(found) = Self::read(folder).ok().flatten() else {
            return Ok(None);
        };
        Ok(found.fits(record, store)?.then_some(found))
    }

    fn read(folder: &Path) -> io::Result<Option<Self>> {
        Ok(Self::decode(&read_bookmark(folder)?))
    }

    /// Whether the log goes on where it is: it may be another one, or an older state of it that somebody put back.
    fn fits(&self, record: &Record, store: &Store) -> Result<bool, ReadError> {
        let (session, offset) = (&record.session, self.screen.offset());
        let is_within = (session.trimmed_bytes..=session.output_bytes).contains(&offset);
        if self.seq > record.last_seq || !is_within {
            return Ok(false);
        }
        let next = store.output_event(&session.id, offset)?;
        Ok(next.is_none_or(|next| next.offset == offset && next.seq > self.seq))
    }

    fn encode(self) -> postcard::Result<Vec<u8>> {
        let encoded = Encoded {
            seq: self.seq.get(),
            screen: self.screen,
            names: self.names.into_iter().map(|name| name.0).collect(),
            undelivered: self
                .undelivered
                .into_iter()
                .map(|it| (it.id.0, it.len_bytes, it.written_bytes))
                .collect(),
        };
        postcard::to_extend(&encoded, vec![FORMAT])
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (&FORMAT, bytes) = bytes.split_first()? else {
            return None;
        };
        let encoded: Encoded = postcard::from_bytes(bytes).ok()?;
        Some(Self {
            seq: Seq::new(encoded.seq),
            screen: encoded.screen,
            names: encoded.names.into_iter().map(InputId).collect(),
            undelivered: encoded
                .undelivered
                .into_iter()
                .map(|(id, len_bytes, written_bytes)| Undelivered {
                    id: InputId(id),
                    len_bytes,
                    written_bytes,
                })
                .collect(),
        })
    }
}

impl Live {
    /// Output is on record, up to where `heard` has heard it: sets a bookmark there, where one is due and this is the
    /// moment for it.
    pub(super) fn set_bookmark(&mut self, heard: Listener) {
        let offset = self.record.session.output_bytes;
        let is_due = offset >= self.bookmarks.last_bytes + EVERY_BYTES;
        if !is_due || heard.offset() != offset || !self.tells_no_more() {
            return;
        }
        let Some(folder) = self.process.folder().map(Path::to_owned) else {
            return;
        };
        let bookmark = Bookmark {
            seq: self.record.last_seq,
            screen: self.screen.as_of(heard),
            names: self.control.names.in_order().collect(),
            undelivered: self.deliveries.told().collect(),
        };
        self.bookmarks.last_bytes = offset;
        let session = self.record.session.id.clone();
        self.bookmarks.writing = Some(Box::pin(async move {
            let written = blocking(move || {
                let bytes = bookmark.encode().map_err(io::Error::other)?;
                write_bookmark(&folder, &bytes)
            });
            // The last one is as true as it was.
            if let Err(error) = written.await.map_err(io::Error::other).flatten() {
                tracing::debug!(%session, %error, "how far its log was heard is not kept");
            }
        }));
    }

    /// Whether what is on record tells nothing but what a bookmark keeps.
    fn tells_no_more(&self) -> bool {
        self.bookmarks.writing.is_none()
            && self.hearing_again.is_none()
            && self.control.in_flight.is_none()
            && self.deliveries.is_empty()
            && !self.deliveries.is_unread()
            && !self.observations.has_facts()
            && !self.identity.is_listening()
    }
}

#[cfg(test)]
mod tests;
