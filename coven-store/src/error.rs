//! What can go wrong, by operation.

use std::io;
use std::path::PathBuf;

use coven_core::{IllegalTransition, Seq, SessionId};

use crate::fault::Fault;

/// Why a log could not be opened. The file is as it was, to the byte.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Another process, or another `Store` of this one, has it open. Use that one, or stop it.
    #[error("{} is in use by another process", path.display())]
    Locked {
        /// The file.
        path: PathBuf,
    },
    /// It is not a log of Coven. Choose another path, or move the file away.
    #[error("{} is not a Coven log: {problem}", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What it is instead, as far as can be told.
        problem: String,
    },
    /// A newer Coven wrote it. Use that one.
    #[error("{} has format {found}; this version of Coven reads up to {}", path.display(), crate::FORMAT)]
    Newer {
        /// The file.
        path: PathBuf,
        /// The format it has.
        found: u32,
    },
    /// It is a log of Coven and its content contradicts itself. Restore it from a copy, or
    /// [`salvage`](crate::salvage()) what is whole.
    #[error("{} is damaged: {problem}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// A salvage into this place did not come to its end, so that there is no log yet, and none is made.
    /// [`salvage`](crate::salvage()) into the same place again, or remove what it left.
    #[error(
        "{} is what a salvage left that did not come to its end, and there is no log yet: salvage into the \
         same place again, or remove what is there",
        path.display()
    )]
    Unfinished {
        /// What it left.
        path: PathBuf,
    },
    /// Its file system is mounted read-only. Remount it, or choose another path.
    #[error("{} is on a read-only file system", path.display())]
    ReadOnly {
        /// The file.
        path: PathBuf,
    },
    /// The system refused something else: permissions, a full disk, a failing one.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Why a batch was not appended. Nothing of it was written, but for [`AppendError::Unsettled`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AppendError {
    /// The session's log moved past `after`; or, with [`Seq::ZERO`], the session exists, or did
    /// and was deleted. Fold, decide and append again.
    #[error("the session's last event is {last}, not the one expected")]
    Conflict {
        /// The session's last event; [`Seq::ZERO`] when it does not exist.
        last: Seq,
    },
    /// The batch is empty or over a limit of [`Batch`](crate::Batch).
    #[error("a batch of {events} events and {len_bytes} bytes is not within the limits")]
    TooLarge {
        /// How many events it has.
        events: usize,
        /// Its bytes as stored, or at most those: it may be refused before it is known to the byte.
        len_bytes: usize,
    },
    /// The disk takes no writes now. The log resumes by itself; ask again then.
    #[error("the log is suspended: {reason}")]
    Suspended {
        /// Why.
        reason: StorageFault,
    },
    /// An event cannot follow in the session's phase: a bug of the caller. Stop that session.
    #[error(transparent)]
    Illegal(#[from] IllegalTransition),
    /// What is stored of this session cannot be read back. Stop that session. Where the damage names none: of
    /// a new session it cannot be told whether its id was another's, and it does not begin.
    #[error(transparent)]
    Damaged(#[from] Damage),
    /// The log was closed, by its owner.
    #[error("the log is closed")]
    Closed,
    /// The disk failed, and the log was closed before it was known whether the batch is on it: all of
    /// it or nothing. Or its writer died without an answer. Whoever opens the log finds out.
    #[error(
        "the log was closed, or its writer died, before it was known whether this is on record"
    )]
    Unsettled,
}

/// Why a read failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// What is stored there cannot be read back. Other sessions are not concerned.
    #[error(transparent)]
    Damaged(#[from] Damage),
    /// The disk does not answer, or the log is being reopened and it takes long. Ask again.
    #[error("the log cannot be read now: {reason}")]
    Unavailable {
        /// Why.
        reason: StorageFault,
    },
    /// The log was closed, by its owner.
    #[error("the log is closed")]
    Closed,
}

impl From<Fault> for ReadError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Damage(damage) => Self::Damaged(damage),
            fault @ (Fault::Disk(_) | Fault::Stale) => Self::Unavailable {
                reason: fault.reason(),
            },
        }
    }
}

impl ReadError {
    /// The same, met as a session was asked for: damage of a page does not say whose it is.
    pub(crate) fn met_for(mut self, id: &SessionId) -> Self {
        if let Self::Damaged(damage) = &mut self {
            damage.session.get_or_insert_with(|| id.clone());
        }
        self
    }
}

/// Stored bytes that mean nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the log is damaged{}: {problem}", place(session.as_ref(), *seq))]
pub struct Damage {
    /// The session they belong to, or that was asked for when they were met; `None` where neither is known.
    pub session: Option<SessionId>,
    /// The event, where it is one.
    pub seq: Option<Seq>,
    /// What is wrong with them.
    pub problem: String,
}

fn place(session: Option<&SessionId>, seq: Option<Seq>) -> String {
    match (session, seq) {
        (Some(session), Some(seq)) => format!(" at session {session}, event {seq}"),
        (Some(session), None) => format!(" at session {session}"),
        (None, Some(seq)) => format!(" at event {seq}"),
        (None, None) => String::new(),
    }
}

/// Why the disk takes no writes, or gives no answers. The log looks again by itself.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StorageFault {
    /// No room is left on the file system, or in the quota.
    #[error("the disk is full")]
    Full,
    /// The file system became read-only.
    #[error("the file system is read-only")]
    ReadOnly,
    /// The disk failed.
    #[error("the disk failed: {message}")]
    Io {
        /// What the system said.
        message: String,
    },
    /// A file of the log is not where it was opened: somebody removed or renamed it, or put another in its
    /// place. What is open is read on; once the file is back the log goes on. Before its process ends it can
    /// be saved, by a copy of what the process has open.
    #[error("{message}: put it back, or save it while the process that has it open lives")]
    Displaced {
        /// Which, and what is there instead.
        message: String,
    },
    /// The log's file contradicts itself.
    #[error("the log is damaged: {message}")]
    Damaged {
        /// What is wrong with it.
        message: String,
    },
}
