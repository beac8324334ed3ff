//! Errors of the engine: refusals (nothing was done) and faults.

use std::path::PathBuf;

use coven_core::{Code, HarnessId, IllegalTransition, Refusal, SessionId};
use coven_store::{AppendError, ReadError, StorageFault};

use crate::OutOfReach;

/// Why the engine did not do what was asked.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// It may not be done. Nothing was written.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// No harness has this id.
    #[error("no harness {harness}")]
    HarnessNotFound {
        /// The id asked for.
        harness: String,
    },
    /// The launch is on record as failed: its process never ran. Or the session is on record as
    /// created, and its shim does not say what became of it: it may run, and is looked for; look at its
    /// record, or kill it.
    #[error("{message}")]
    LaunchFailed {
        /// The session that failed.
        session: SessionId,
        /// Why, and what to do, for people.
        message: String,
    },
    /// The input is on record, but the process could not be given it, or it is not known whether it was.
    #[error("the input may not have reached the session: {message}")]
    SendInputFailed {
        /// The session.
        session: SessionId,
        /// Why.
        message: String,
    },
    /// Processes of a killed session are still there, or it cannot be told who is left; or all of it was ended, and
    /// the log takes nothing more of it, or its shim, which lives, does not tell how it ended.
    #[error("the kill failed: {message}")]
    KillFailed {
        /// The session.
        session: SessionId,
        /// Why.
        message: String,
    },
    /// Not now. Nothing was written; try again.
    #[error("{reason}")]
    Unavailable {
        /// Why not now.
        reason: Unavailable,
    },
    /// A bug of ours, or a damaged log; the log of the program says more.
    #[error("{message}")]
    Internal {
        /// What went wrong.
        message: String,
    },
}

/// Why nothing can be done just now. `Display` is for people; [`Unavailable::as_str`] is stable.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unavailable {
    /// The engine is shutting down.
    ShuttingDown,
    /// The disk is full.
    DiskFull,
    /// The home cannot be written to.
    ReadOnly,
    /// The log met an error and is being reopened.
    Reopening {
        /// What went wrong.
        why: String,
    },
    /// A file of the log was removed, or another is in its place; the log goes on once it is back.
    LogDisplaced {
        /// Which, and what to do.
        message: String,
    },
    /// As much input has not been taken by the process yet as may wait: 1 MiB, or 4,096 inputs.
    InputQueueFull,
    /// Too many requests wait for the disk.
    Busy,
    /// The shim, which holds the session's terminal, does not answer: it is stopped, or cannot be
    /// reached.
    ShimSilent {
        /// Why not, where that is seen.
        why: Option<OutOfReach>,
    },
}

impl Unavailable {
    /// The reason as clients see it.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::ShuttingDown => "shutting_down",
            Self::DiskFull => "disk_full",
            Self::ReadOnly => "read_only",
            Self::Reopening { .. } => "store_reopening",
            Self::LogDisplaced { .. } => "log_displaced",
            Self::InputQueueFull => "input_queue_full",
            Self::Busy => "busy",
            Self::ShimSilent { .. } => "shim_silent",
        }
    }
}

impl std::fmt::Display for Unavailable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::ShimSilent { why: Some(OutOfReach { why, .. }) } => {
                return write!(
                    f,
                    "the process that holds the session's terminal, `coven shim`, does not answer: {why}"
                );
            }
            Self::LogDisplaced { message } => message,
            Self::ShuttingDown => "the engine is shutting down",
            Self::DiskFull => "the disk is full; free some space and try again",
            Self::ReadOnly => "the home cannot be written to",
            Self::Reopening { why } => {
                return write!(f, "the log is being reopened ({why}); try again");
            }
            Self::InputQueueFull => "the process has not taken its input yet; try again",
            Self::Busy => "too many requests wait for the disk; try again",
            Self::ShimSilent { why: None } => {
                "the process that holds the session's terminal, `coven shim`, does not answer: it is \
                 stopped, or cannot be reached; try again, or end the session"
            }
        })
    }
}

impl Error {
    /// A bug of ours, or a damaged log: worth waking someone.
    pub(crate) fn internal(error: &dyn std::fmt::Display) -> Self {
        tracing::error!(%error, "internal error");
        Self::Internal {
            message: error.to_string(),
        }
    }

    /// The stable code.
    pub const fn code(&self) -> Code {
        match self {
            Self::Refused(refusal) => refusal.code(),
            Self::HarnessNotFound { .. } => Code::HarnessNotFound,
            Self::LaunchFailed { .. } => Code::LaunchFailed,
            Self::SendInputFailed { .. } => Code::SendInputFailed,
            Self::KillFailed { .. } => Code::KillFailed,
            Self::Unavailable { .. } => Code::RuntimeUnavailable,
            Self::Internal { .. } => Code::InternalError,
        }
    }

    /// The session it is about, if it is about one.
    pub const fn session(&self) -> Option<&SessionId> {
        match self {
            Self::Refused(refusal) => refusal.session(),
            Self::LaunchFailed { session, .. }
            | Self::SendInputFailed { session, .. }
            | Self::KillFailed { session, .. } => Some(session),
            Self::HarnessNotFound { .. } | Self::Unavailable { .. } | Self::Internal { .. } => None,
        }
    }
}

impl From<StorageFault> for Error {
    fn from(fault: StorageFault) -> Self {
        match fault {
            StorageFault::Full => Unavailable::DiskFull.into(),
            StorageFault::ReadOnly => Unavailable::ReadOnly.into(),
            StorageFault::Displaced { .. } => Unavailable::LogDisplaced {
                message: fault.to_string(),
            }
            .into(),
            // To try again is of no use.
            StorageFault::Damaged { .. } => Self::internal(&fault),
            other => Unavailable::Reopening {
                why: other.to_string(),
            }
            .into(),
        }
    }
}

impl From<Unavailable> for Error {
    fn from(reason: Unavailable) -> Self {
        Self::Unavailable { reason }
    }
}

impl From<AppendError> for Error {
    fn from(error: AppendError) -> Self {
        match error {
            AppendError::Suspended { reason } => reason.into(),
            AppendError::Closed => Unavailable::ShuttingDown.into(),
            other => Self::internal(&other),
        }
    }
}

impl From<ReadError> for Error {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Unavailable { reason } => reason.into(),
            ReadError::Closed => Unavailable::ShuttingDown.into(),
            other => Self::internal(&other),
        }
    }
}

impl From<IllegalTransition> for Error {
    fn from(error: IllegalTransition) -> Self {
        Self::internal(&error)
    }
}

/// Why a home cannot be opened. Nothing in it was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Another engine has this home open.
    #[error("{} is in use by another Coven{}", home.display(), by_process(*pid))]
    InUse {
        /// The home.
        home: PathBuf,
        /// The process that has it, if it could be read.
        pid: Option<u32>,
    },
    /// The home is not a directory of ours: a symbolic link, a file, or another user's.
    #[error("{} {problem}", home.display())]
    Home {
        /// The home.
        home: PathBuf,
        /// What is wrong: completes a sentence that starts with the path.
        problem: String,
    },
    /// The home is on a read-only file system, or may not be written to.
    #[error("{} cannot be written to", home.display())]
    ReadOnly {
        /// The home.
        home: PathBuf,
    },
    /// The home was made by a newer Coven.
    #[error(
        "{0} was made by a newer version of Coven (format {found}); use that, or another home; or its file `format` \
         is damaged: `coven --home {0} doctor --store` looks at the log all the same, and says what to do",
        home.display()
    )]
    Newer {
        /// The home.
        home: PathBuf,
        /// The format it is in.
        found: String,
    },
    /// The file that says the home's format says what no Coven wrote.
    #[error(
        "{0}/format says \"{found}\", which no Coven wrote: `coven --home {0} doctor --store` looks at the log all \
         the same, and says what to do",
        home.display()
    )]
    Format {
        /// The home.
        home: PathBuf,
        /// The beginning of what is there.
        found: String,
    },
    /// The log cannot be opened.
    #[error(transparent)]
    Log(#[from] coven_store::OpenError),
    /// There was a log, and neither of its files is there any more. No other is made in its place.
    #[error(transparent)]
    LostLog(#[from] crate::home::LostLog),
    /// The log was opened, and cannot be read.
    #[error("the log cannot be read: {message}")]
    Unreadable {
        /// What the log says.
        message: String,
    },
    /// A harness given in the options has the id of another.
    #[error("there is a harness {id} already")]
    HarnessTaken {
        /// The id.
        id: HarnessId,
    },
    /// The system refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// The path it was about.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
}

fn by_process(pid: Option<u32>) -> String {
    pid.map_or_else(String::new, |pid| format!(" (process {pid})"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_that_fails_is_told_with_what_the_system_says_under_a_reason_that_stays() {
        let message = "Input/output error".to_owned();
        let told = Error::from(StorageFault::Io { message });
        assert_eq!(
            told.to_string(),
            "the log is being reopened (the disk failed: Input/output error); try again"
        );
        let Error::Unavailable { reason } = told else {
            panic!("{told:?}");
        };
        assert_eq!(reason.as_str(), "store_reopening");
    }

    #[test]
    fn a_file_that_was_removed_is_told_as_such() {
        let message = "coven.redb is not there any more".to_owned();
        let told = Error::from(StorageFault::Displaced { message });
        assert!(told.to_string().starts_with("coven.redb is not there"));
        let Error::Unavailable { reason } = told else {
            panic!("{told:?}");
        };
        assert_eq!(reason.as_str(), "log_displaced");
    }

    #[test]
    fn a_damaged_log_is_told_as_such_and_nobody_is_asked_to_try_again() {
        let message = "page 7 is none".to_owned();
        let reason = StorageFault::Damaged { message };
        for told in [
            Error::from(AppendError::Suspended {
                reason: reason.clone(),
            }),
            Error::from(ReadError::Unavailable { reason }),
        ] {
            assert_eq!(told.code(), Code::InternalError);
            assert_eq!(told.to_string(), "the log is damaged: page 7 is none");
        }
    }
}
