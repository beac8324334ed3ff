//! `Exit`: what the process tells its caller, mapped once.

use coven::Code;

/// How `coven` ends. `docs/cli.md` has the table; a test compares the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// It did what was asked.
    Done,
    /// Something failed, and the message says what.
    Failed,
    /// The arguments, or what they hold, are wrong.
    Usage,
    /// `doctor --store`: the log is damaged.
    Damaged,
    /// `run`, `attach` or a follow left a session that goes on.
    Detached,
    /// The session was lost: how it ended is unknown.
    Orphaned,
    /// No daemon answers, or it cannot take the request now.
    Unreachable,
    /// No such session, or no such harness.
    NotFound,
    /// The session is in a state that does not allow it.
    Refused,
    /// The harness could not be started.
    LaunchFailed,
    /// `run`: the harness's own status, 0 to 255.
    Harness {
        /// The status.
        code: u8,
    },
    /// `run`: a signal ended the harness; or a signal ended `coven` itself.
    Signal {
        /// The signal's number.
        signal: u8,
    },
}

impl Exit {
    /// Nobody reads the output any more (128 + SIGPIPE): quiet, as with any other filter.
    pub(crate) const BROKEN_PIPE: Self = Self::Signal { signal: 13 };

    /// The status for the shell.
    pub(crate) const fn status(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Damaged => 119,
            Self::Detached => 120,
            Self::Orphaned => 121,
            Self::Unreachable => 122,
            Self::NotFound => 123,
            Self::Refused => 124,
            Self::LaunchFailed => 125,
            Self::Harness { code } => code,
            Self::Signal { signal } => 128 | signal,
        }
    }

    /// How a refusal or a fault with this code ends the process.
    pub(crate) const fn of_code(code: Code) -> Self {
        match code {
            Code::InvalidRequest
            | Code::PayloadTooLarge
            | Code::InputTooLarge
            | Code::EventResponseTooLarge => Self::Usage,
            Code::SessionNotFound | Code::HarnessNotFound => Self::NotFound,
            Code::SessionNotLive
            | Code::SessionLive
            | Code::SessionIdConflict
            | Code::DaemonIdentityMismatch
            | Code::OutputTrimmed
            | Code::InputUndelivered
            | Code::ExternalSessionNotKillable
            | Code::NotExternalSession => Self::Refused,
            Code::LaunchFailed => Self::LaunchFailed,
            Code::NotFound | Code::SendInputFailed | Code::KillFailed | Code::InternalError => {
                Self::Failed
            }
            Code::RuntimeUnavailable => Self::Unreachable,
        }
    }
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.status())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLI_DOC: &str = include_str!("../../docs/cli.md");

    #[test]
    fn every_status_of_our_own_is_in_the_documents_table() {
        for exit in [
            Exit::Done,
            Exit::Failed,
            Exit::Usage,
            Exit::Damaged,
            Exit::Detached,
            Exit::Orphaned,
            Exit::Unreachable,
            Exit::NotFound,
            Exit::Refused,
            Exit::LaunchFailed,
            Exit::BROKEN_PIPE,
        ] {
            let row = format!("| {} |", exit.status());
            assert!(CLI_DOC.contains(&row), "docs/cli.md has no row {row}");
        }
    }

    #[test]
    fn every_code_ends_with_a_status_that_is_not_success() {
        for code in Code::ALL {
            assert_ne!(Exit::of_code(code), Exit::Done, "{code}");
        }
    }
}
