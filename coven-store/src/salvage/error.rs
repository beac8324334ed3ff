//! Why a log was not salvaged.

use crate::error::{OpenError, StorageFault};
use crate::fault::Fault;

/// Why nothing was salvaged.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SalvageError {
    /// A log, or something else, is where the new one is to be. Choose another place.
    #[error("{} exists already", path.display())]
    Exists {
        /// The file.
        path: std::path::PathBuf,
    },
    /// One of the logs cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The new log cannot be written. What there is of it is no log, and is refused as one
    /// ([`OpenError::Unfinished`]).
    #[error("the new log cannot be written: {reason}")]
    Write {
        /// Why.
        reason: StorageFault,
    },
    /// All of the new log is in its place, and whether it outlives a power cut is not sure. Look at it with
    /// [`inspect`](crate::inspect()), and keep the damaged one.
    #[error(
        "the new log is whole and in its place, and whether it outlives a power cut is not sure: {reason}"
    )]
    Unsettled {
        /// What the disk said at the end.
        reason: StorageFault,
    },
    /// The new log is not whole: the disk failed as its files were closed, or it is a bug. What was found is in
    /// it, and it is refused as a log.
    #[error("the new log is not whole: {problem}")]
    NotWhole {
        /// The first thing that is wrong with it.
        problem: String,
    },
}

impl From<Fault> for SalvageError {
    fn from(fault: Fault) -> Self {
        Self::Write {
            reason: fault.reason(),
        }
    }
}
