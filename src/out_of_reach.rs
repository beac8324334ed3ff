//! Why a session that runs is out of reach, and what the connections to the shims of live sessions met:
//! noted by who connects, and told to whoever asks.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use coven_core::SessionId;

/// A session that runs is out of reach, or will be for the next engine: its output may not be on record
/// meanwhile, and what is typed not arrive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutOfReach {
    /// What is amiss.
    pub what: Amiss,
    /// How that shows and what to do, in a clause for people.
    pub why: String,
}

/// What keeps a session from being reached. [`Amiss::as_str`] is stable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Amiss {
    /// Its shim is stopped.
    ShimStopped,
    /// Its shim speaks other versions of the protocol.
    ShimVersion,
    /// Its shim cannot be talked to for another reason.
    ShimUnreachable,
    /// Its shim's folder is not where it was.
    FolderGone,
    /// Something that is no directory is in the place of the folder.
    FolderReplaced,
    /// The folder cannot be looked into.
    FolderUnreadable,
    /// Its shim's socket is not where it was.
    SocketGone,
    /// Something that is no socket, or that of another session's shim, is in the place of the socket.
    SocketReplaced,
    /// Nobody listens at the socket.
    SocketRefused,
    /// There is no file left of its shim's spool.
    SpoolGone,
    /// Something that is no file is in the place of one of the spool.
    SpoolReplaced,
    /// A file of the spool cannot be read.
    SpoolUnreadable,
    /// What is read back of the spool is not what its shim wrote: a file of it was emptied, cut short or
    /// overwritten.
    SpoolDamaged,
}

impl Amiss {
    /// Every one.
    pub const ALL: [Self; 13] = [
        Self::ShimStopped,
        Self::ShimVersion,
        Self::ShimUnreachable,
        Self::FolderGone,
        Self::FolderReplaced,
        Self::FolderUnreadable,
        Self::SocketGone,
        Self::SocketReplaced,
        Self::SocketRefused,
        Self::SpoolGone,
        Self::SpoolReplaced,
        Self::SpoolUnreadable,
        Self::SpoolDamaged,
    ];

    /// The reason as clients see it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ShimStopped => "shim_stopped",
            Self::ShimVersion => "shim_version",
            Self::ShimUnreachable => "shim_unreachable",
            Self::FolderGone => "folder_gone",
            Self::FolderReplaced => "folder_replaced",
            Self::FolderUnreadable => "folder_unreadable",
            Self::SocketGone => "socket_gone",
            Self::SocketReplaced => "socket_replaced",
            Self::SocketRefused => "socket_refused",
            Self::SpoolGone => "spool_gone",
            Self::SpoolReplaced => "spool_replaced",
            Self::SpoolUnreadable => "spool_unreadable",
            Self::SpoolDamaged => "spool_damaged",
        }
    }

    pub(crate) fn because(self, why: impl Into<String>) -> OutOfReach {
        let why = why.into();
        OutOfReach { what: self, why }
    }
}

/// How often in a row a connection fails before that is told: one fails, and the next attempt with it,
/// whenever a shim dies or ends.
const TOLD_FROM: u32 = 3;

/// What the connections to shims met, of all live sessions.
#[derive(Clone, Debug, Default)]
pub(crate) struct Encounters {
    by_session: Arc<Mutex<HashMap<SessionId, Met>>>,
}

/// Since it last served.
#[derive(Debug)]
struct Met {
    times: u32,
    last: OutOfReach,
}

/// What the connections to one session's shim met; nothing once it is dropped.
#[derive(Debug)]
pub(crate) struct Encounter {
    all: Encounters,
    session: SessionId,
}

impl Encounters {
    /// What keeps the session's shim from being connected to; `None` where it is, or was not tried for
    /// long.
    pub(crate) fn with(&self, session: &SessionId) -> Option<OutOfReach> {
        let all = self.lock();
        let met = all.get(session).filter(|met| met.times >= TOLD_FROM)?;
        Some(met.last.clone())
    }

    /// Those of one session, from now on.
    pub(crate) fn of(&self, session: SessionId) -> Encounter {
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
        let mut all = self.all.lock();
        let before = all.get(&self.session).map_or(0, |met| met.times);
        let times = before.saturating_add(1);
        all.insert(self.session.clone(), Met { times, last: what });
    }

    /// The connection serves, or none is needed any more.
    pub(crate) fn is_over(&self) {
        self.all.lock().remove(&self.session);
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

    #[test]
    fn what_a_connection_met_is_told_once_it_failed_in_a_row_until_it_serves() {
        let all = Encounters::default();
        let session = SessionId::parse("one").unwrap();
        let encounter = all.of(session.clone());
        let damaged = || Amiss::SpoolDamaged.because("it is empty");
        for _ in 1..TOLD_FROM {
            encounter.met(damaged());
            assert_eq!(all.with(&session), None);
        }
        encounter.met(damaged());
        assert_eq!(all.with(&session), Some(damaged()));
        encounter.is_over();
        assert_eq!(all.with(&session), None);
        for _ in 0..TOLD_FROM {
            encounter.met(damaged());
        }
        drop(encounter);
        assert_eq!(all.with(&session), None);
    }
}
