//! `Refusal`: why a command was refused.

use crate::{Code, PhaseName, SessionId, Status, json};

/// Why a command was refused. A refused command writes nothing and does nothing.
///
/// Display text is for people and may change; [`Refusal::code`] may not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// A field of the request is malformed.
    #[error("{field} {problem}")]
    Invalid {
        /// The field, as the request spells it.
        field: &'static str,
        /// The beginning of what it held: a text as it is, anything else as JSON. Empty where it
        /// held nothing, or what must not be told.
        value: String,
        /// What is wrong with it: completes a sentence that starts with the field.
        problem: String,
    },
    /// No session has this id.
    #[error("no session {session}")]
    NotFound {
        /// The id asked for.
        session: SessionId,
    },
    /// The session is not running.
    #[error("session {session} is {status}, not running")]
    NotLive {
        /// The session.
        session: SessionId,
        /// What it is instead.
        status: Status,
    },
    /// The session runs, but takes no input in its launch mode.
    #[error("session {session} takes no input: it was launched with {mode}")]
    NoInput {
        /// The session.
        session: SessionId,
        /// Its launch mode, as the request spells it.
        mode: &'static str,
    },
    /// The session runs, and nobody reads what is typed into it any more: its process has closed its
    /// stdin, or its terminal is gone.
    #[error("session {session} takes no input any more: nobody reads it")]
    NobodyReads {
        /// The session.
        session: SessionId,
    },
    /// The session has no terminal to resize.
    #[error("session {session} has no terminal")]
    NoTerminal {
        /// The session.
        session: SessionId,
    },
    /// The session may still be alive.
    #[error("session {session} may still be alive; it must end first")]
    Live {
        /// The session.
        session: SessionId,
    },
    /// The id belongs to a session of another kind.
    #[error("the id {session} is taken")]
    IdConflict {
        /// The id.
        session: SessionId,
    },
    /// The input is over [`MAX_INPUT_BYTES`](crate::limits::MAX_INPUT_BYTES).
    #[error("input of {len_bytes} bytes is over the limit of 1 MiB; send it in pieces")]
    InputTooLarge {
        /// The session.
        session: SessionId,
        /// Its length.
        len_bytes: usize,
    },
    /// The input was accepted before, and is on record as undelivered.
    #[error("this input was accepted, and session {session} did not get it: {}", got(*.len_bytes, *.written_bytes))]
    InputUndelivered {
        /// The session.
        session: SessionId,
        /// Its length.
        len_bytes: u64,
        /// How many of its bytes were written to the process; `None` where nobody knows.
        written_bytes: Option<u64>,
    },
    /// An external session runs elsewhere: Coven cannot kill it.
    #[error("session {session} is external: it runs elsewhere and cannot be killed from here")]
    ExternalNotKillable {
        /// The session.
        session: SessionId,
    },
    /// An external session runs elsewhere: there is nothing here to type into.
    #[error("session {session} is external: it runs elsewhere and takes no input from here")]
    ExternalTakesNoInput {
        /// The session.
        session: SessionId,
    },
    /// Only an external session can be completed by a caller.
    #[error("session {session} is not external: its end is observed, not reported")]
    NotExternal {
        /// The session.
        session: SessionId,
    },
    /// What was observed of a process cannot be true: a bug of the engine.
    #[error("session {session}: what was observed cannot be true in phase {phase:?}")]
    OutOfPlace {
        /// The session.
        session: SessionId,
        /// Its phase.
        phase: PhaseName,
    },
}

impl Refusal {
    /// A malformed field. The value is kept to its first 200 characters.
    pub fn invalid(
        field: &'static str,
        value: impl AsRef<str>,
        problem: impl Into<String>,
    ) -> Self {
        let value = value.as_ref().chars().take(200).collect();
        Self::Invalid {
            field,
            value,
            problem: problem.into(),
        }
    }

    /// A malformed list of texts.
    pub fn invalid_list<T: AsRef<str>>(
        field: &'static str,
        texts: &[T],
        problem: impl Into<String>,
    ) -> Self {
        Self::invalid(field, json::list(texts), problem)
    }

    /// The stable code.
    pub const fn code(&self) -> Code {
        match self {
            Self::Invalid { .. } => Code::InvalidRequest,
            Self::NotFound { .. } => Code::SessionNotFound,
            Self::NotLive { .. }
            | Self::NoInput { .. }
            | Self::NobodyReads { .. }
            | Self::NoTerminal { .. }
            | Self::ExternalTakesNoInput { .. } => Code::SessionNotLive,
            Self::Live { .. } => Code::SessionLive,
            Self::IdConflict { .. } => Code::SessionIdConflict,
            Self::InputTooLarge { .. } => Code::InputTooLarge,
            Self::InputUndelivered { .. } => Code::InputUndelivered,
            Self::ExternalNotKillable { .. } => Code::ExternalSessionNotKillable,
            Self::NotExternal { .. } => Code::NotExternalSession,
            Self::OutOfPlace { .. } => Code::InternalError,
        }
    }

    /// The session it is about, if it is about one.
    pub const fn session(&self) -> Option<&SessionId> {
        match self {
            Self::Invalid { .. } => None,
            Self::NotFound { session }
            | Self::NotLive { session, .. }
            | Self::NoInput { session, .. }
            | Self::NobodyReads { session }
            | Self::NoTerminal { session }
            | Self::Live { session }
            | Self::IdConflict { session }
            | Self::InputTooLarge { session, .. }
            | Self::InputUndelivered { session, .. }
            | Self::ExternalNotKillable { session }
            | Self::ExternalTakesNoInput { session }
            | Self::NotExternal { session }
            | Self::OutOfPlace { session, .. } => Some(session),
        }
    }
}

/// How much of an undelivered input was written to its process.
fn got(len_bytes: u64, written_bytes: Option<u64>) -> String {
    match written_bytes {
        Some(written) => format!("{written} of its {len_bytes} bytes were written to it"),
        None => format!("how many of its {len_bytes} bytes were written to it is not known"),
    }
}
