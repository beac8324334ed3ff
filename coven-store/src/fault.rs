//! `Fault`: what the database reports, sorted by what to do about it.

use std::io;

use rustix::io::Errno;

use crate::error::{Damage, StorageFault};
use crate::stored::Malformed;

/// A failure inside one transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The disk failed. The database must be reopened: what it holds is unknown.
    Disk(StorageFault),
    /// This handle of the database is of no use any more: another failure, elsewhere, made it so.
    Stale,
    /// What is stored cannot be read back.
    Damage(Damage),
}

impl Fault {
    /// What to tell of it as a reason.
    pub(crate) fn reason(&self) -> StorageFault {
        match self {
            Self::Disk(fault) => fault.clone(),
            Self::Stale => reopening(),
            Self::Damage(damage) => StorageFault::Damaged {
                message: damage.problem.clone(),
            },
        }
    }
}

const REOPENING: &str = "the log is being reopened";
const READ_FAILED: &str = "a read failed";

/// What to tell where another fault is being seen to.
pub(crate) fn reopening() -> StorageFault {
    StorageFault::Io {
        message: REOPENING.to_owned(),
    }
}

/// What to tell where no more is known than that who read met a fault.
pub(crate) fn read_failed() -> StorageFault {
    StorageFault::Io {
        message: READ_FAILED.to_owned(),
    }
}

/// Whether it says no more than that there is another one.
pub(crate) fn is_hearsay(reason: &StorageFault) -> bool {
    match reason {
        StorageFault::Io { message } => [REOPENING, READ_FAILED].contains(&message.as_str()),
        StorageFault::Full
        | StorageFault::ReadOnly
        | StorageFault::Damaged { .. }
        | StorageFault::Displaced { .. } => false,
    }
}

/// Sorts a system error by what would mend it.
pub(crate) fn storage_fault(error: &io::Error) -> StorageFault {
    match Errno::from_io_error(error) {
        Some(Errno::NOSPC | Errno::DQUOT) => StorageFault::Full,
        Some(Errno::ROFS) => StorageFault::ReadOnly,
        // The file is too short for what it says it holds: no disk will give that.
        None if error.kind() == io::ErrorKind::UnexpectedEof => StorageFault::Damaged {
            message: "its file ends before what it refers to".to_owned(),
        },
        Some(_) | None => StorageFault::Io {
            message: error.to_string(),
        },
    }
}

impl From<redb::StorageError> for Fault {
    fn from(error: redb::StorageError) -> Self {
        match error {
            redb::StorageError::Io(error) => Self::Disk(storage_fault(&error)),
            redb::StorageError::PreviousIo
            | redb::StorageError::DatabaseClosed
            | redb::StorageError::LockPoisoned(_) => Self::Stale,
            other => damage(other.to_string()),
        }
    }
}

impl From<redb::TableError> for Fault {
    fn from(error: redb::TableError) -> Self {
        match error {
            redb::TableError::Storage(error) => error.into(),
            other => damage(other.to_string()),
        }
    }
}

impl From<redb::TransactionError> for Fault {
    fn from(error: redb::TransactionError) -> Self {
        match error {
            redb::TransactionError::Storage(error) => error.into(),
            other => damage(other.to_string()),
        }
    }
}

impl From<redb::CommitError> for Fault {
    fn from(error: redb::CommitError) -> Self {
        match error {
            redb::CommitError::Storage(error) => error.into(),
            other => damage(other.to_string()),
        }
    }
}

impl From<Malformed> for Fault {
    fn from(problem: Malformed) -> Self {
        damage(problem.to_string())
    }
}

/// Damage whose place is not known here.
pub(crate) fn damage(problem: impl Into<String>) -> Fault {
    Fault::Damage(Damage {
        session: None,
        seq: None,
        problem: problem.into(),
    })
}
