//! `Bookmark`: how far a session's log was heard, and what that told. Whoever takes the session over hears only what
//! came after it.
//!
//! It is kept in the session's folder, and goes with it. Where there is none, or one that does not fit the log, all is
//! heard. One is set where no commit but of output is under way, and not once nobody reads what is typed: then what
//! came before tells no more than is in it, and in the inputs that wait to be typed, which are read where they are on
//! record.

use std::collections::HashSet;
use std::io;
use std::path::Path;

use coven_core::limits::MAX_UNDELIVERED_INPUTS;
use coven_core::{InputId, Record, Seq, SessionId, Timestamp};
use coven_harness::shim::{read_bookmark, remove_bookmark, write_bookmark};
use coven_harness::{IdentitySource, Scanned};
use coven_store::limits::MAX_BATCH_EVENTS;
use coven_store::{ReadError, ReadLimit, Store};
use serde::{Deserialize, Serialize};

use super::deliveries::{Batch, Undelivered};
use super::live::{Live, Slot};
use super::observe::Heard;
use crate::attach::Screenless;
use crate::shared::blocking;

/// Bytes of output from one to the next, but for what one commit carries. Writing one takes some tens of
/// microseconds.
const EVERY_BYTES: u64 = 512 << 10;

/// Of another format none is read. It is counted up with every change of what is encoded.
const FORMAT: u8 = 2;

/// What is known of a session at a place in its log.
#[derive(Clone, Debug)]
pub(super) struct Bookmark {
    pub(super) session: SessionId,
    /// The last event that was heard.
    pub(super) seq: Seq,
    /// When that happened.
    pub(super) at: Timestamp,
    /// The output up to there.
    pub(super) output_bytes: u64,
    /// What was heard of it.
    pub(super) screen: Screenless,
    /// How much of it was listened to for the conversation's id, where it is to tell that.
    pub(super) scanned: Option<Scanned>,
    /// The names of the last inputs that are written, or on record as undelivered.
    pub(super) names: Vec<InputId>,
    /// Those of them that are.
    pub(super) undelivered: Vec<Undelivered>,
    /// The others, which wait, and where they are on record, oldest first.
    pub(super) waiting: Vec<(InputId, Batch)>,
}

/// How it is encoded, after its format.
#[derive(Serialize, Deserialize)]
struct Encoded {
    session: String,
    seq: u64,
    at: i64,
    output_bytes: u64,
    screen: Screenless,
    scanned: Option<Scanned>,
    names: Vec<[u8; 16]>,
    undelivered: Vec<([u8; 16], u64, Option<u64>)>,
    waiting: Vec<([u8; 16], u64, u64)>,
}

/// When a session's next bookmark is due.
#[derive(Default)]
pub(super) struct Bookmarks {
    /// The output before the last one.
    last_bytes: u64,
    /// Not all that is on record was heard.
    are_barred: bool,
    /// The next is due whatever was written since the last.
    is_wanted: bool,
    pub(super) writing: Slot<()>,
}

impl Bookmarks {
    /// Those of a session that has one behind so much output.
    pub(super) fn after(last_bytes: u64) -> Self {
        Self {
            last_bytes,
            ..Self::default()
        }
    }

    /// None is set any more: what came before would not be in it.
    pub(super) const fn bar(&mut self) {
        self.are_barred = true;
    }

    /// Waits until nothing is being written.
    pub(super) async fn settle(&mut self) {
        if let Some(writing) = self.writing.take() {
            writing.await;
        }
    }
}

/// Removes that of a session which is over: its shim removes the folder only if it is empty but for what it made.
pub(super) async fn remove(folder: &Path) {
    let of = folder.to_owned();
    let removed = blocking(move || remove_bookmark(&of)).await;
    if let Err(error) = removed.map_err(io::Error::other).flatten() {
        tracing::warn!(?folder, %error, "a bookmark cannot be removed");
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
        identity: IdentitySource,
    ) -> Result<Option<Self>, ReadError> {
        let Some(found) = Self::read(folder).ok().flatten() else {
            return Ok(None);
        };
        let is_to_listen = matches!(identity, IdentitySource::Output(_));
        let tells_all = found.scanned.is_some() || !is_to_listen;
        Ok((tells_all && found.fits(record, store)?).then_some(found))
    }

    fn read(folder: &Path) -> io::Result<Option<Self>> {
        Ok(Self::decode(&read_bookmark(folder)?))
    }

    /// Whether the log goes on where it is: it may be another one, or an older state of it that somebody put back.
    fn fits(&self, record: &Record, store: &Store) -> Result<bool, ReadError> {
        let session = &record.session;
        let is_of_it = self.session == session.id
            && self.output_bytes <= session.output_bytes
            && self.screen.is_within(session.output_bytes)
            && self.waits_within();
        let Some(before) = self.seq.get().checked_sub(1).filter(|_| is_of_it) else {
            return Ok(false);
        };
        // The event itself may be gone with what was trimmed.
        let is_trimmed = self.output_bytes <= session.trimmed_bytes;
        let one = ReadLimit {
            events: 1,
            ..ReadLimit::default()
        };
        let here = store.read(&session.id, Seq::new(before), one)?;
        Ok(here.first().is_some_and(|here| {
            (here.seq, here.at) == (self.seq, self.at) || is_trimmed && here.seq > self.seq
        }))
    }

    /// Whether what waits is so much, and where it can be.
    fn waits_within(&self) -> bool {
        let batches = self.waiting.iter().map(|(_, batch)| *batch);
        let is_one = |(first, last): Batch| {
            let events = last.get().checked_sub(first.get());
            events.is_some_and(|more| more < MAX_BATCH_EVENTS as u64) && last <= self.seq
        };
        self.waiting.len() <= MAX_UNDELIVERED_INPUTS
            && batches.clone().all(is_one)
            && batches
                .clone()
                .zip(batches.skip(1))
                .all(|(one, next)| one == next || one.1 < next.0)
    }

    pub(super) fn encode(self) -> postcard::Result<Vec<u8>> {
        let encoded = Encoded {
            session: self.session.to_string(),
            seq: self.seq.get(),
            at: self.at.as_nanos(),
            output_bytes: self.output_bytes,
            screen: self.screen,
            scanned: self.scanned,
            names: self.names.into_iter().map(|name| name.0).collect(),
            undelivered: self
                .undelivered
                .into_iter()
                .map(|it| (it.id.0, it.len_bytes, it.written_bytes))
                .collect(),
            waiting: self
                .waiting
                .into_iter()
                .map(|(id, (first, last))| (id.0, first.get(), last.get()))
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
            session: SessionId::parse(&encoded.session).ok()?,
            seq: Seq::new(encoded.seq),
            at: Timestamp::from_nanos(encoded.at),
            output_bytes: encoded.output_bytes,
            screen: encoded.screen,
            scanned: encoded.scanned,
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
            waiting: encoded
                .waiting
                .into_iter()
                .map(|(id, first, last)| (InputId(id), (Seq::new(first), Seq::new(last))))
                .collect(),
        })
    }
}

/// Which inputs wait by the bookmark in `folder`, and where they are on record.
#[cfg(test)]
pub(crate) fn waits_in(folder: &Path) -> Vec<(InputId, Batch)> {
    Bookmark::read(folder).unwrap().unwrap().waiting
}

impl Live {
    /// Output was trimmed, and nobody will hear it again: what it said of the terminal is kept as soon as that can be.
    pub(super) fn want_bookmark(&mut self) {
        self.bookmarks.is_wanted = true;
        self.set_wanted_bookmark();
    }

    /// Sets one that is wanted, unless there is output to come on record: then it is set with that.
    pub(super) fn set_wanted_bookmark(&mut self) {
        if self.bookmarks.is_wanted && self.observations.due().is_none() {
            let heard = Heard {
                listener: self.screen.state(),
                scanned: self.identity.so_far(),
            };
            self.set_bookmark(heard);
        }
    }

    /// Output is on record, up to where `heard` has heard it: sets a bookmark there, where one is due and this is the
    /// moment for it.
    pub(super) fn set_bookmark(&mut self, heard: Heard) {
        let output_bytes = self.record.session.output_bytes;
        let is_due =
            self.bookmarks.is_wanted || output_bytes >= self.bookmarks.last_bytes + EVERY_BYTES;
        // Of what a process writes without a terminal, nothing is heard.
        let is_heard = heard.listener.offset() == output_bytes || !self.process.has_terminal();
        if !is_due || !is_heard || !self.tells_no_more() {
            return;
        }
        let Some(folder) = self.process.folder().map(Path::to_owned) else {
            return;
        };
        let waiting: Vec<_> = self.deliveries.waiting().collect();
        let waits: HashSet<_> = waiting.iter().map(|(id, _)| *id).collect();
        let names = self.control.names.in_order();
        let bookmark = Bookmark {
            session: self.record.session.id.clone(),
            seq: self.record.last_seq,
            at: self.record.updated_at,
            output_bytes,
            screen: self.screen.as_of(heard.listener),
            scanned: heard.scanned,
            names: names.filter(|name| !waits.contains(name)).collect(),
            undelivered: self.deliveries.told().collect(),
            waiting,
        };
        self.bookmarks.last_bytes = output_bytes;
        self.bookmarks.is_wanted = false;
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
        !self.bookmarks.are_barred
            && self.bookmarks.writing.is_none()
            && self.hearing_again.is_none()
            && self.control.in_flight.is_none()
            && !self.deliveries.is_unread()
            && !self.deliveries.has_passed_over()
            && !self.observations.has_facts()
    }
}

#[cfg(test)]
mod tests;
