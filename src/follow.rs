//! Following: catch up from a `Seq`, then live. No gap, no repeat.
//!
//! A follower reads the log from its own place; what wakes it carries no data. So it cannot lag
//! into loss, and one that is slow slows nobody else.

use std::sync::Arc;

use coven_core::{Envelope, Refusal, Seq, SessionId};
use coven_store::{Lost, ReadLimit};
use tokio::sync::watch;

use crate::shared::Shared;
use crate::{Error, Unavailable};

/// What one page holds at most.
const PAGE: ReadLimit = ReadLimit {
    events: 512,
    bytes: 1 << 20,
};

/// The events of one session, from [`Engine::follow`](crate::Engine::follow).
#[derive(Debug)]
pub struct Follow {
    shared: Arc<Shared>,
    session: SessionId,
    after: Seq,
    committed: watch::Receiver<Seq>,
    state: State,
}

/// How far a follower has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Whether the session exists is not known yet.
    New,
    Following,
    /// The session was told whole, or is gone.
    Over,
}

/// What is on record for a follower.
enum Found {
    Events(Vec<Envelope>),
    NothingYet,
    NothingMore,
    NoSession,
}

impl Follow {
    pub(crate) fn new(shared: Arc<Shared>, session: SessionId, after: Seq) -> Self {
        Self {
            committed: shared.store.watch(&session),
            shared,
            session,
            after,
            state: State::New,
        }
    }

    /// The next events, in order, at most 512 and about 1 MiB; never an empty page. `None` once a
    /// session that has ended is told whole, or was deleted, or the engine has shut down. Waits
    /// while there are none. Cancelled, it has lost nothing.
    ///
    /// # Errors
    /// - [`Refusal::NotFound`]: there was no such session from the start.
    /// - [`Error::Unavailable`]: the log cannot be read now; ask again to go on from there.
    pub async fn next(&mut self) -> Result<Option<Vec<Envelope>>, Error> {
        while self.state != State::Over {
            // Marked before the look, so that what is committed after it wakes the wait.
            self.committed.borrow_and_update();
            match until_closed(self.look().await)?.unwrap_or(Found::NothingMore) {
                Found::Events(events) => {
                    self.state = State::Following;
                    self.after = events.last().map_or(self.after, |last| last.seq);
                    return Ok(Some(events));
                }
                Found::NothingYet => {
                    self.state = State::Following;
                    if self.committed.changed().await.is_err() {
                        // The log is closed.
                        self.state = State::Over;
                    }
                }
                Found::NoSession if self.state == State::New => {
                    let session = self.session.clone();
                    return Err(Refusal::NotFound { session }.into());
                }
                Found::NothingMore | Found::NoSession => self.state = State::Over,
            }
        }
        Ok(None)
    }

    /// The last event that was given, or where following began.
    pub const fn after(&self) -> Seq {
        self.after
    }

    async fn look(&self) -> Result<Found, Error> {
        let (session, after) = (self.session.clone(), self.after);
        let look = self.shared.read(move |store| {
            let events = store.read(&session, after, PAGE)?;
            if !events.is_empty() {
                return Ok(Found::Events(events));
            }
            Ok(match store.record(&session)? {
                None => Found::NoSession,
                // It ended between the two looks.
                Some(record) if record.last_seq > after => Found::NothingYet,
                Some(record) if record.session.phase.has_ended() => Found::NothingMore,
                Some(_) => Found::NothingYet,
            })
        });
        look.await
    }
}

/// The events of all sessions, from [`Engine::follow_all`](crate::Engine::follow_all).
#[derive(Debug)]
pub struct FollowAll {
    shared: Arc<Shared>,
    after: Seq,
    committed: watch::Receiver<Seq>,
    lost: Vec<Lost>,
}

impl FollowAll {
    pub(crate) fn new(shared: Arc<Shared>, after: Option<Seq>) -> Self {
        Self {
            lost: Vec::new(),
            after: after.unwrap_or_else(|| shared.store.last_seq()),
            committed: shared.store.committed(),
            shared,
        }
    }

    /// The next events of all sessions, in order, at most 512 and about 1 MiB; an empty page only
    /// where all there was is damaged. `None` once the engine has shut down. Waits while there are
    /// none. Cancelled, it has lost nothing.
    ///
    /// What is damaged is passed over, so that nobody's damage keeps all others from being heard:
    /// [`FollowAll::take_lost`] says what.
    ///
    /// # Errors
    /// [`Error::Unavailable`]: the log cannot be read now; ask again to go on from there.
    pub async fn next(&mut self) -> Result<Option<Vec<Envelope>>, Error> {
        loop {
            let committed = *self.committed.borrow_and_update();
            if committed > self.after {
                let after = self.after;
                let page = self
                    .shared
                    .read(move |store| store.page_of_all(after, PAGE));
                let Some(page) = until_closed(page.await)? else {
                    return Ok(None);
                };
                let is_empty = page.events.is_empty() && page.lost.is_empty();
                // All there was up to there may have been deleted.
                self.after = match page.end > after {
                    true => page.end,
                    false => committed,
                };
                self.lost.extend(page.lost);
                if !is_empty {
                    return Ok(Some(page.events));
                }
                if self.after < committed {
                    continue;
                }
            }
            if self.committed.changed().await.is_err() {
                // The log is closed.
                return Ok(None);
            }
        }
    }

    /// What was passed over since this was asked last: it belongs to the pages given since.
    pub fn take_lost(&mut self) -> Vec<Lost> {
        std::mem::take(&mut self.lost)
    }

    /// The last place that is told, or where following began.
    pub const fn after(&self) -> Seq {
        self.after
    }
}

/// What was read; `None` when the log is closed, which is the end of every follower.
fn until_closed<T>(read: Result<T, Error>) -> Result<Option<T>, Error> {
    match read {
        Err(Error::Unavailable {
            reason: Unavailable::ShuttingDown,
        }) => Ok(None),
        read => read.map(Some),
    }
}
