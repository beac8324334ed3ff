//! Going over what is on record of a session that is taken over, for what only that tells: the
//! terminal's modes, the conversation's id where the harness had just written that, and what was to
//! be typed when the engine before died. What came before its [`Bookmark`] is in that.

mod last_inputs;

use std::collections::{HashSet, VecDeque};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use coven_core::limits::MAX_UNDELIVERED_INPUTS;
use coven_core::{ConversationId, Envelope, Event, InputData, InputId, Seq};
use coven_harness::{Harness, IdentitySource};
use coven_store::{ReadError, ReadLimit, Store};
use tokio::time::sleep;

use super::bookmark::{Bookmark, Bookmarks};
use super::deliveries::{Batch, Undelivered};
use super::first_message::{self, MAX_INPUTS_SINCE};
use super::identity::{Again, IdentityWatch};
use super::live::{Goes, Live};
use super::owed::Kept;
use super::writer::Input;
use crate::attach::Screenless;
use crate::shared::{Shared, blocking};
use crate::{Error, Record};

use last_inputs::LastInputs;
pub(super) use last_inputs::Recorded;

/// How long a log that cannot be read for now is left alone.
const LOG_RETRY: Duration = Duration::from_secs(1);

/// An input that waits, and its place.
type Waiting = (Seq, InputId, InputData);

/// What was found.
pub(super) struct HeardAgain {
    /// The last event that was heard.
    upto: Seq,
    /// Bytes of output that were heard again.
    heard_bytes: u64,
    bookmarks: Bookmarks,
    screen: Screenless,
    identity: IdentityWatch,
    found: Option<ConversationId>,
    /// The first message, where it may not have reached the shim.
    first_input: Option<Input>,
    inputs: LastInputs,
    /// Those of them that are on record as undelivered.
    undelivered: VecDeque<Undelivered>,
    /// They say that nobody reads any more.
    is_unread: bool,
}

/// Goes over a session's events. What cannot be read is as if it had not been written.
pub(super) async fn hear_again(
    shared: Arc<Shared>,
    harness: Option<Arc<dyn Harness>>,
    record: Record,
    identity: IdentitySource,
) -> HeardAgain {
    let session = &record.session.id;
    let mut heard: Option<HeardAgain> = None;
    let is_all = loop {
        // Hearing takes longer than reading: who is served waits for neither.
        let (store, of) = (shared.store.clone(), record.clone());
        let (folder, so_far) = (shared.spools.folder(session), heard.take());
        let page = blocking(move || {
            let mut heard = match so_far {
                Some(heard) => heard,
                None => HeardAgain::begin(&folder, &of, &store, identity)?,
            };
            let goes_on = heard.page(&store, &of);
            Ok::<_, ReadError>((heard, goes_on))
        });
        let goes_on = match page.await {
            Ok(Ok((so_far, goes_on))) => {
                heard = Some(so_far);
                goes_on.map_err(Error::from)
            }
            Ok(Err(error)) => Err(error.into()),
            Err(error) => Err(error),
        };
        match goes_on {
            Ok(true) => {}
            Ok(false) => break true,
            // Nothing of it is driven meanwhile: what it was typed is not known.
            Err(Error::Unavailable { .. }) => sleep(LOG_RETRY).await,
            Err(error) => {
                tracing::error!(%session, %error,
                    "its log cannot be read: what was to be typed is not, and its terminal's modes may be wrong");
                break false;
            }
        }
    };
    let mut heard = heard.unwrap_or_else(|| HeardAgain::nothing(&record, identity));
    if !is_all {
        heard.bookmarks.bar();
    }
    let heard_bytes = heard.heard_bytes;
    tracing::debug!(%session, heard_bytes, "its log was heard again");
    if heard.inputs.len() < MAX_INPUTS_SINCE {
        heard.first_input = first_message::of_launched(&shared, harness.as_ref(), &record).await;
    }
    heard
}

impl HeardAgain {
    /// As its bookmark says, or nothing yet. Blocks.
    fn begin(
        folder: &Path,
        record: &Record,
        store: &Store,
        identity: IdentitySource,
    ) -> Result<Self, ReadError> {
        let bookmark = match Bookmark::of(folder, record, store, identity) {
            // It cannot be told whether it fits.
            Err(ReadError::Damaged(_)) => None,
            bookmark => bookmark?,
        };
        let Some(bookmark) = bookmark else {
            return Ok(Self::nothing(record, identity));
        };
        let (waiting, are_all) = waiting(store, &bookmark)?;
        let mut begun = Self::upto(bookmark, waiting, identity);
        if !are_all {
            begun.bookmarks.bar();
        }
        Ok(begun)
    }

    fn nothing(record: &Record, identity: IdentitySource) -> Self {
        Self {
            upto: Seq::ZERO,
            heard_bytes: 0,
            bookmarks: Bookmarks::default(),
            screen: Screenless::starting_at(record.session.trimmed_bytes),
            identity: IdentityWatch::new(identity),
            found: None,
            first_input: None,
            inputs: LastInputs::default(),
            undelivered: VecDeque::new(),
            is_unread: false,
        }
    }

    fn upto(bookmark: Bookmark, waiting: Vec<Waiting>, identity: IdentitySource) -> Self {
        let mut inputs = LastInputs::done_with(bookmark.names);
        for (seq, id, data) in waiting {
            inputs.add(id, seq, data);
        }
        Self {
            upto: bookmark.seq,
            heard_bytes: 0,
            bookmarks: Bookmarks::after(bookmark.output_bytes),
            screen: bookmark.screen,
            identity: IdentityWatch::resumed(identity, bookmark.scanned),
            found: None,
            first_input: None,
            inputs,
            undelivered: bookmark.undelivered.into(),
            is_unread: false,
        }
    }

    /// Hears some of what is on record. Whether there is more. Blocks.
    fn page(&mut self, store: &Store, record: &Record) -> Result<bool, ReadError> {
        if self.upto >= record.last_seq {
            return Ok(false);
        }
        let events = store.read(&record.session.id, self.upto, ReadLimit::default())?;
        let is_last = events.is_empty();
        for Envelope { seq, event, .. } in events {
            self.hear(seq, event);
            self.upto = seq;
        }
        Ok(!is_last)
    }

    fn hear(&mut self, seq: Seq, event: Event) {
        match event {
            Event::Output { offset, data, .. } => {
                self.heard_bytes += data.len() as u64;
                self.screen.pass_over_to(offset);
                self.screen.hear(&data);
                let end = offset + data.len() as u64;
                self.screen.recorded(end, self.screen.state());
                self.found = self.identity.hear_again(&data).or(self.found.take());
            }
            Event::Input { data, id } => {
                // Without a name nobody can ask for it again.
                if let Some(id) = id {
                    self.inputs.add(id, seq, data);
                }
            }
            Event::Undelivered {
                id,
                len_bytes,
                written_bytes,
            } => {
                self.is_unread |= self.inputs.tells_that_nobody_reads(id, written_bytes);
                // More concern none of the last inputs.
                if self.undelivered.len() == MAX_UNDELIVERED_INPUTS {
                    self.undelivered.pop_front();
                }
                self.undelivered.push_back(Undelivered {
                    id,
                    len_bytes,
                    written_bytes,
                });
            }
            // What they tell is in the session's record.
            Event::Created { .. }
            | Event::Registered { .. }
            | Event::Started { .. }
            | Event::LaunchFailed { .. }
            | Event::Identified { .. }
            | Event::Resized { .. }
            | Event::Titled { .. }
            | Event::Labelled { .. }
            | Event::KillRequested
            | Event::OutputClosed { .. }
            | Event::Exited { .. }
            | Event::Completed { .. }
            | Event::Orphaned { .. }
            | Event::Archived
            | Event::Summoned
            | Event::Deleted
            | Event::Trimmed { .. } => {}
        }
    }
}

/// The inputs that wait, as they are on record, and whether none of them is damaged. Blocks.
fn waiting(store: &Store, bookmark: &Bookmark) -> Result<(Vec<Waiting>, bool), ReadError> {
    let names: HashSet<InputId> = bookmark.waiting.iter().map(|(id, _)| *id).collect();
    let mut batches: Vec<Batch> = bookmark.waiting.iter().map(|(_, batch)| *batch).collect();
    batches.dedup();
    let (mut waiting, mut are_all) = (Vec::new(), true);
    for (first, last) in batches {
        let mut after = Seq::new(first.get().saturating_sub(1));
        while after < last {
            let limit = ReadLimit {
                events: 1,
                ..ReadLimit::default()
            };
            let session = &bookmark.session;
            let next = match store.read(session, after, limit) {
                Err(ReadError::Damaged(damage)) => {
                    tracing::error!(%session, %damage, "what was to be typed cannot be read, and is not");
                    are_all = false;
                    break;
                }
                next => next?.pop(),
            };
            let Some(next) = next else {
                break;
            };
            after = next.seq;
            match next.event {
                Event::Input { data, id: Some(id) } if after <= last && names.contains(&id) => {
                    waiting.push((after, id, data));
                }
                _ => {}
            }
        }
    }
    Ok((waiting, are_all))
}

impl Live {
    /// What is on record was heard; what comes now comes after that.
    pub(super) fn heard_again(&mut self, heard: HeardAgain) -> Goes {
        self.hearing_again = None;
        self.bookmarks = heard.bookmarks;
        self.screen = heard.screen;
        // What was to be heard last may be trimmed.
        self.screen.pass_over_to(self.record.session.output_bytes);
        self.identity = heard.identity;
        self.identified(heard.found);
        // It may have opened its file when nobody looked.
        self.look_for_identity(Again::APauseLater);
        if let (Some(writer), Some(first)) = (&mut self.writer, heard.first_input) {
            // Where nobody reads any more, nothing is missed.
            let _ = writer.input(first);
        }
        if heard.is_unread {
            // An engine before knew.
            self.deliveries.nobody_reads();
        }
        let undelivered: HashSet<InputId> = heard.undelivered.iter().map(|it| it.id).collect();
        for told in heard.undelivered {
            self.deliveries.is_told(told);
        }
        let LastInputs {
            may_wait, before, ..
        } = heard.inputs;
        for name in before {
            // It was written, or told to be undelivered.
            self.control.names.add(name, Kept::Whole);
        }
        let may_wait = may_wait.into_iter();
        self.type_again(may_wait.filter(|input| !undelivered.contains(&input.id)));
        for reply in std::mem::take(&mut self.views) {
            // Whoever asked may have left.
            let _ = reply.send(self.screen.view(&self.record));
        }
        Goes::On
    }
}

#[cfg(test)]
mod tests;
