//! `Code`: the stable word clients branch on.

/// The stable code of a refusal or a fault, the same on HTTP and the command line.
///
/// Exhaustive on purpose: a new one does not build until coven-http has its status, coven-cli
/// its exit status, and docs/errors.md its section.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Code {
    /// Something in the request is malformed; the message names the field.
    InvalidRequest,
    /// No such route.
    NotFound,
    /// No session has this id.
    SessionNotFound,
    /// No harness has this id.
    HarnessNotFound,
    /// The session is not running, so it takes no input, resize or kill.
    SessionNotLive,
    /// The session may still be alive, so it is neither archived nor deleted.
    SessionLive,
    /// The id, or the idempotency key, is taken by something else.
    SessionIdConflict,
    /// The request was meant for another daemon process.
    DaemonIdentityMismatch,
    /// The request body is too large.
    PayloadTooLarge,
    /// The input is too large.
    InputTooLarge,
    /// The input was accepted, and was not written whole to the process, which has ended or reads no
    /// more: it will not be typed.
    InputUndelivered,
    /// The events asked for do not fit one response; ask with `limit`.
    EventResponseTooLarge,
    /// The output asked for was trimmed: it is gone from the log.
    OutputTrimmed,
    /// An external session is not ours to kill.
    ExternalSessionNotKillable,
    /// Only an external session can be completed by a caller.
    NotExternalSession,
    /// The harness could not be started.
    LaunchFailed,
    /// The input could not be handed to the process.
    SendInputFailed,
    /// The process could not be signalled.
    KillFailed,
    /// A bug of ours; the log says more.
    InternalError,
    /// Not now: shutting down, disk full, store reopening, or a queue is full. Try again.
    RuntimeUnavailable,
}

impl Code {
    /// Every code.
    pub const ALL: [Self; 20] = [
        Self::InvalidRequest,
        Self::NotFound,
        Self::SessionNotFound,
        Self::HarnessNotFound,
        Self::SessionNotLive,
        Self::SessionLive,
        Self::SessionIdConflict,
        Self::DaemonIdentityMismatch,
        Self::PayloadTooLarge,
        Self::InputTooLarge,
        Self::InputUndelivered,
        Self::EventResponseTooLarge,
        Self::OutputTrimmed,
        Self::ExternalSessionNotKillable,
        Self::NotExternalSession,
        Self::LaunchFailed,
        Self::SendInputFailed,
        Self::KillFailed,
        Self::InternalError,
        Self::RuntimeUnavailable,
    ];

    /// The code as clients see it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::NotFound => "not_found",
            Self::SessionNotFound => "session_not_found",
            Self::HarnessNotFound => "harness_not_found",
            Self::SessionNotLive => "session_not_live",
            Self::SessionLive => "session_live",
            Self::SessionIdConflict => "session_id_conflict",
            Self::DaemonIdentityMismatch => "daemon_identity_mismatch",
            Self::PayloadTooLarge => "payload_too_large",
            Self::InputTooLarge => "input_too_large",
            Self::InputUndelivered => "input_undelivered",
            Self::EventResponseTooLarge => "event_response_too_large",
            Self::OutputTrimmed => "output_trimmed",
            Self::ExternalSessionNotKillable => "external_session_not_killable",
            Self::NotExternalSession => "not_external_session",
            Self::LaunchFailed => "launch_failed",
            Self::SendInputFailed => "send_input_failed",
            Self::KillFailed => "kill_failed",
            Self::InternalError => "internal_error",
            Self::RuntimeUnavailable => "runtime_unavailable",
        }
    }

    /// The code with this text.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|code| code.as_str() == text)
    }
}

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
