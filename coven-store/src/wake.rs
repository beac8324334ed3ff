//! Wake-ups: telling followers that there is more to read.
//!
//! A wake-up carries no data that matters: who is woken reads the log from its own Seq. So
//! nobody can miss anything, and a slow reader slows only itself.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use coven_core::{Seq, SessionId};
use tokio::sync::watch;

/// Sessions that have a channel before those nobody listens to are dropped.
const SWEEP_AT: usize = 64;

pub(crate) struct Wakes(Mutex<State>);

enum State {
    Open(Channels),
    /// The log is closed. Followers see a closed channel.
    Closed {
        last: Seq,
    },
}

struct Channels {
    all: watch::Sender<Seq>,
    sessions: HashMap<SessionId, watch::Sender<Seq>>,
    sweep_at: usize,
}

impl Wakes {
    pub(crate) fn new(last: Seq) -> Self {
        Self(Mutex::new(State::Open(Channels {
            all: watch::Sender::new(last),
            sessions: HashMap::new(),
            sweep_at: SWEEP_AT,
        })))
    }

    /// Woken by every commit.
    pub(crate) fn all(&self) -> watch::Receiver<Seq> {
        match &*self.lock() {
            State::Open(channels) => channels.all.subscribe(),
            State::Closed { last } => watch::channel(*last).1,
        }
    }

    /// Woken by commits that hold events of `session`.
    pub(crate) fn session(&self, session: &SessionId) -> watch::Receiver<Seq> {
        match &mut *self.lock() {
            State::Open(channels) => channels.session(session),
            State::Closed { last } => watch::channel(*last).1,
        }
    }

    /// Wakes those who follow `sessions`, and those who follow all.
    pub(crate) fn wake<'a>(&self, last: Seq, sessions: impl Iterator<Item = &'a SessionId>) {
        if let State::Open(channels) = &mut *self.lock() {
            for session in sessions {
                if let Some(channel) = channels.sessions.get(session) {
                    channel.send_replace(last);
                }
            }
            channels.all.send_replace(last);
        }
    }

    /// Ends every follower's wait.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        if let State::Open(channels) = &*state {
            let last = *channels.all.borrow();
            *state = State::Closed { last };
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Channels {
    fn session(&mut self, session: &SessionId) -> watch::Receiver<Seq> {
        if self.sessions.len() >= self.sweep_at {
            self.sessions
                .retain(|_, channel| channel.receiver_count() > 0);
            self.sweep_at = (2 * self.sessions.len()).max(SWEEP_AT);
        }
        let last = *self.all.borrow();
        self.sessions
            .entry(session.clone())
            .or_insert_with(|| watch::Sender::new(last))
            .subscribe()
    }
}
