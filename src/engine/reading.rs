//! Reading: records, what keeps a session from being reached, events, output, and following them.

use std::sync::Arc;

use coven_core::{Envelope, Event, InputId, Launch, ProcessFacts, Record, Refusal, Seq, SessionId};
use coven_store::{Listing, OutputChunk, Page, ReadError, ReadLimit};

use super::Engine;
use crate::out_of_reach::{Amiss, OutOfReach, seen};
use crate::shared::{Shared, blocking};
use crate::{AttachView, Error, Follow, FollowAll, attach, session_task};

impl Engine {
    /// A session's record.
    ///
    /// # Errors
    /// Not found; [`Error::Unavailable`]: ask again; [`Error::Internal`]: see there.
    pub async fn get(&self, id: &SessionId) -> Result<Record, Error> {
        self.shared.record(id).await
    }

    /// What is amiss with the shim of a session that may live, with its folder, or with the connection to
    /// it, and what to do; `None` where nothing is seen to be. Its output may not be on record meanwhile,
    /// and what is typed not arrive. What the connection met is told until that serves again, some five
    /// seconds at most after the thing was mended. One that is just being made is waited for, a second at most.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub async fn out_of_reach(&self, id: &SessionId) -> Result<Option<OutOfReach>, Error> {
        let record = self.get(id).await?;
        // Who only reads may have a copy of the home, with no folder in it.
        if self.shared.is_shutting_down() || record.session.phase.has_ended() {
            return Ok(None);
        }
        let (process, folder) = (
            held_process(&record).cloned(),
            self.shared.spools.folder(id),
        );
        let is_held = process.is_some();
        let in_folder = folder.clone();
        let look = move || seen::stopped(&process?).or_else(|| seen::amiss(&in_folder));
        let found = match blocking(look).await? {
            Some(seen) => seen,
            None => match self.shared.encounters.with(id).await {
                // By now it is back.
                Some(met) if is_held && met.what == Amiss::FolderGone => return Ok(None),
                Some(met) => blocking(move || seen::closer(met, &folder)).await?,
                None => return Ok(None),
            },
        };
        // What has ended meanwhile has no folder any more.
        let may_live = !self.get(id).await?.session.phase.has_ended();
        Ok(may_live.then_some(found))
    }

    /// The whole launch of a session, its prompt included; `None` for an external one, and where the log
    /// is damaged there, as the program's log says: the record is whole all the same.
    ///
    /// # Errors
    /// Not found; [`Error::Unavailable`]: ask again; [`Error::Internal`]: see there.
    pub async fn launch_of(&self, id: &SessionId) -> Result<Option<Launch>, Error> {
        let (store, wanted) = (self.shared.store.clone(), id.clone());
        match blocking(move || store.launch(&wanted)).await? {
            Err(ReadError::Damaged(damage)) => {
                tracing::error!(%damage, "a launch cannot be read");
                Ok(None)
            }
            launch => match launch? {
                Some(launch) => Ok(Some(launch)),
                None => self.get(id).await.map(|_| None),
            },
        }
    }

    /// One page of all sessions, newest first.
    ///
    /// # Errors
    /// [`Error::Unavailable`]: ask again; [`Error::Internal`]: see there.
    pub async fn list(&self, page: Page) -> Result<Listing, Error> {
        self.shared.read(move |store| store.list(&page)).await
    }

    /// A session's events after `after`, oldest first; none at the end.
    ///
    /// # Errors
    /// Not found; [`Error::Unavailable`]: ask again; [`Error::Internal`]: see there.
    pub async fn read(
        &self,
        id: &SessionId,
        after: Seq,
        limit: ReadLimit,
    ) -> Result<Vec<Envelope>, Error> {
        let wanted = id.clone();
        let events = self
            .shared
            .read(move |store| store.read(&wanted, after, limit))
            .await?;
        if events.is_empty() {
            self.get(id).await?;
        }
        Ok(events)
    }

    /// The events of all sessions after `after`, oldest first; of a deleted session only that.
    ///
    /// # Errors
    /// [`Error::Unavailable`]: ask again; [`Error::Internal`]: see there.
    pub async fn read_all(&self, after: Seq, limit: ReadLimit) -> Result<Vec<Envelope>, Error> {
        self.shared
            .read(move |store| store.read_all(after, limit))
            .await
    }

    /// What a session wrote, byte for byte, from `offset` on and at most `max_bytes` of it; none
    /// at the end of what is on record.
    ///
    /// # Errors
    /// Not found; [`Error::Unavailable`]: ask again; [`Error::Internal`]: see there.
    pub async fn output(
        &self,
        id: &SessionId,
        offset: u64,
        max_bytes: usize,
    ) -> Result<Vec<OutputChunk>, Error> {
        let wanted = id.clone();
        let output = self
            .shared
            .read(move |store| store.output(&wanted, offset, max_bytes));
        let output = output.await?;
        if output.is_empty() {
            self.get(id).await?;
        }
        Ok(output)
    }

    /// Follows a session's events from `after`: what is on record, then what comes.
    pub fn follow(&self, id: &SessionId, after: Seq) -> Follow {
        Follow::new(Arc::clone(&self.shared), id.clone(), after)
    }

    /// Follows the events of all sessions from `after`, or from now.
    pub fn follow_all(&self, after: Option<Seq>) -> FollowAll {
        FollowAll::new(Arc::clone(&self.shared), after)
    }

    /// The place of the last event of all that followers were told of. What was committed just
    /// now may be read a moment before.
    pub fn last_seq(&self) -> Seq {
        self.shared.store.last_seq()
    }

    /// Which log the home has: the same for every engine that opens it, and no other log's.
    pub fn log_id(&self) -> [u8; 16] {
        self.shared.store.id()
    }

    /// A session's terminal as a viewer should first see it.
    ///
    /// # Errors
    /// Not found; [`Error::Unavailable`]: ask again; [`Error::Internal`]: see there.
    pub async fn attach_view(&self, id: &SessionId) -> Result<AttachView, Error> {
        attach::view(&self.shared, id).await
    }
}

/// The process of a session that runs, if a shim holds it.
fn held_process(record: &Record) -> Option<&ProcessFacts> {
    let process = record.session.phase.process()?;
    process.shim_pid.is_some().then_some(process)
}

/// Whether an input of this name is on record. Reads all of the session's events: this is asked of a
/// session that has ended, by who got no answer while it ran.
///
/// # Errors
/// [`Refusal::InputUndelivered`]: it is, and did not reach the process whole, or a part of it did not.
pub(super) async fn has_input(
    shared: &Shared,
    session: &SessionId,
    name: InputId,
) -> Result<bool, Error> {
    let (mut after, mut is_there) = (Seq::ZERO, false);
    loop {
        let id = session.clone();
        let read = shared.read(move |store| store.read(&id, after, ReadLimit::default()));
        let events = read.await?;
        let Some(last) = events.last() else {
            return Ok(is_there);
        };
        after = last.seq;
        for envelope in events {
            match envelope.event {
                Event::Input { id: Some(id), .. } => is_there |= id == name,
                Event::Undelivered {
                    id,
                    len_bytes,
                    written_bytes,
                } if session_task::is_of(name, id) => {
                    let session = session.clone();
                    return Err(Refusal::InputUndelivered {
                        session,
                        len_bytes,
                        written_bytes,
                    }
                    .into());
                }
                _ => {}
            }
        }
    }
}
