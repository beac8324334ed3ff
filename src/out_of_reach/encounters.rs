//! What the connections to the shims of live sessions meet: noted by who connects, and told to whoever asks.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use coven_core::SessionId;
use tokio::sync::Notify;
use tokio::time::timeout;

use super::{Amiss, OutOfReach};

/// How often in a row a connection fails before that is told: one fails, and the next attempt with it,
/// whenever a shim dies or ends. Sooner, where its shim is seen to live on, or it [lasts](Amiss::is_lasting).
const TOLD_FROM: u32 = 3;

/// How long whoever asks waits for a connection that is being made, or is made again: as a rule it soon
/// serves, or is known not to.
const MOMENT: Duration = Duration::from_secs(1);

/// What the connections to shims met, of all live sessions.
#[derive(Clone, Debug, Default)]
pub(crate) struct Encounters {
    /// Those that do not serve yet, or not any more.
    by_session: Arc<Mutex<HashMap<SessionId, Met>>>,
    changed: Arc<Notify>,
}

/// Since it last served.
#[derive(Debug, Default)]
struct Met {
    times: u32,
    /// Its shim lived on after that.
    is_sure: bool,
    last: Option<OutOfReach>,
}

impl Met {
    fn told(&self) -> Option<&OutOfReach> {
        let is_told = self.is_sure || self.times >= TOLD_FROM;
        let last = self.last.as_ref();
        last.filter(|last| is_told || last.what.is_lasting())
    }
}

/// What the connection to one session's shim meets; nothing once it is dropped.
#[derive(Debug)]
pub(crate) struct Encounter {
    all: Encounters,
    session: SessionId,
}

impl Encounters {
    /// What keeps the session's shim from being connected to; `None` where it is, or nothing is known in a moment.
    pub(crate) async fn with(&self, session: &SessionId) -> Option<OutOfReach> {
        let known = async {
            loop {
                let changed = self.changed.notified();
                if let Poll::Ready(known) = self.known(session) {
                    return known;
                }
                changed.await;
            }
        };
        timeout(MOMENT, known).await.ok().flatten()
    }

    /// The same, as far as it is known by now.
    pub(crate) fn known(&self, session: &SessionId) -> Poll<Option<OutOfReach>> {
        match self.lock().get(session) {
            None => Poll::Ready(None),
            Some(met) => met
                .told()
                .map_or(Poll::Pending, |told| Poll::Ready(Some(told.clone()))),
        }
    }

    /// Those of one session, from now on, which is not connected to yet.
    pub(crate) fn of(&self, session: SessionId) -> Encounter {
        self.lock().insert(session.clone(), Met::default());
        let all = self.clone();
        Encounter { all, session }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SessionId, Met>> {
        self.by_session
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Encounter {
    /// The connection failed once more.
    pub(crate) fn met(&self, what: OutOfReach) {
        self.change(|met| {
            met.times = met.times.saturating_add(1);
            met.last = Some(what);
        });
    }

    /// The shim is seen to live after the connection failed, if it did. What its spool is like it has said itself:
    /// that was not because it died.
    pub(crate) fn shim_lives(&self) {
        let is_damaged = |last: &OutOfReach| last.what == Amiss::SpoolDamaged;
        self.change(|met| met.is_sure |= met.last.as_ref().is_some_and(is_damaged));
    }

    /// The shim was reached: what was met before is mended. What it has is still to be read back.
    pub(crate) fn reached(&self) {
        self.change(|met| *met = Met::default());
    }

    /// It is dead: what was met of it before is of no concern, but for what it left and cannot be read.
    pub(crate) fn shim_died(&self) {
        let is_unreadable = |last: &OutOfReach| last.what == Amiss::SpoolUnreadable;
        let all = self.all.lock();
        let met = all.get(&self.session);
        let is_left = met.is_some_and(|met| met.last.as_ref().is_some_and(is_unreadable));
        drop(all);
        if !is_left {
            self.is_over();
        }
    }

    /// The connection serves, or none is needed any more.
    pub(crate) fn is_over(&self) {
        self.all.lock().remove(&self.session);
        self.all.changed.notify_waiters();
    }

    fn change(&self, change: impl FnOnce(&mut Met)) {
        change(self.all.lock().entry(self.session.clone()).or_default());
        self.all.changed.notify_waiters();
    }
}

impl Drop for Encounter {
    fn drop(&mut self) {
        self.is_over();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn damaged() -> OutOfReach {
        Amiss::SpoolDamaged.because("it is empty")
    }

    fn refused() -> OutOfReach {
        Amiss::SocketRefused.because("nobody listens")
    }

    fn unreadable() -> OutOfReach {
        Amiss::SpoolUnreadable.because("its disk is away")
    }

    /// The encounter of a session, and what is known of it.
    fn encounter() -> (Encounter, impl Fn() -> Poll<Option<OutOfReach>>) {
        let (all, session) = (Encounters::default(), SessionId::parse("one").unwrap());
        let encounter = all.of(session.clone());
        (encounter, move || all.known(&session))
    }

    #[test]
    fn what_a_connection_met_is_told_once_it_failed_in_a_row_until_it_serves() {
        let (encounter, known) = encounter();
        for _ in 1..TOLD_FROM {
            encounter.met(damaged());
            assert_eq!(known(), Poll::Pending);
        }
        encounter.met(damaged());
        assert_eq!(known(), Poll::Ready(Some(damaged())));
        encounter.reached();
        assert_eq!(known(), Poll::Pending);
        encounter.is_over();
        assert_eq!(known(), Poll::Ready(None));
        for _ in 0..TOLD_FROM {
            encounter.met(damaged());
        }
        drop(encounter);
        assert_eq!(known(), Poll::Ready(None));
    }

    #[test]
    fn what_a_shim_says_of_its_spool_is_told_at_once_where_it_lives_on() {
        let (encounter, known) = encounter();
        encounter.shim_lives();
        encounter.met(damaged());
        assert_eq!(known(), Poll::Pending);
        encounter.shim_lives();
        assert_eq!(known(), Poll::Ready(Some(damaged())));
        encounter.is_over();
        // It may not listen yet.
        encounter.met(refused());
        encounter.shim_lives();
        assert_eq!(known(), Poll::Pending);
    }

    #[test]
    fn of_a_shim_that_is_dead_only_what_it_left_is_told() {
        let (encounter, known) = encounter();
        encounter.met(damaged());
        encounter.shim_died();
        assert_eq!(known(), Poll::Ready(None));
        for _ in 0..TOLD_FROM {
            encounter.met(unreadable());
            encounter.shim_died();
        }
        assert_eq!(known(), Poll::Ready(Some(unreadable())));
    }

    #[tokio::test]
    async fn who_asks_while_a_connection_is_being_made_is_told_what_came_of_it() {
        for comes_to in [Some(damaged()), None] {
            let (all, session) = (Encounters::default(), SessionId::parse("one").unwrap());
            let encounter = all.of(session.clone());
            let attempt = async {
                match &comes_to {
                    Some(met) => {
                        encounter.met(met.clone());
                        tokio::task::yield_now().await;
                        encounter.shim_lives();
                    }
                    None => encounter.is_over(),
                }
            };
            // Who asks is polled first.
            let (told, ()) = tokio::join!(biased; all.with(&session), attempt);
            assert_eq!(told, comes_to);
        }
    }

    #[test]
    fn what_took_seconds_to_show_is_told_at_once() {
        let (encounter, known) = encounter();
        let silent = || Amiss::SocketSilent.because("nothing is said");
        encounter.met(silent());
        assert_eq!(known(), Poll::Ready(Some(silent())));
    }
}
