//! Why a call of the client failed.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use coven::Code;
use serde_json::Value;

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Nobody serves the socket. Nothing was sent; start the daemon.
    #[error("no daemon answers at {}: {source}", socket.display())]
    Unreachable {
        /// The socket.
        socket: PathBuf,
        /// What connecting said.
        source: io::Error,
    },
    /// The daemon took too long. Whether it did what was asked is not known.
    #[error("the daemon did not answer {what} within {} s", after.as_secs_f32())]
    Timeout {
        /// The socket.
        socket: PathBuf,
        /// The request, as method and path.
        what: String,
        /// How long was waited.
        after: Duration,
    },
    /// The daemon refused or failed, and says why.
    #[error("{0}")]
    Answer(Box<Answer>),
    /// Who serves the socket is not of our user. Nothing was sent.
    #[error("the daemon at {} belongs to another user (uid {uid})", socket.display())]
    Stranger {
        /// The socket.
        socket: PathBuf,
        /// Whose it is.
        uid: u32,
    },
    /// What lies at the socket's path is no socket: a symbolic link among them, which may lead to
    /// somebody else's daemon. Nothing was sent.
    #[error("{} is {found}, not the socket of a daemon", socket.display())]
    NotASocket {
        /// The socket's path.
        socket: PathBuf,
        /// What lies there.
        found: &'static str,
    },
    /// The connection broke before the answer was whole. Whether the daemon did what was asked is
    /// not known. What only reads was asked three times by then, but for streams.
    #[error("the connection to the daemon broke: {reason}")]
    Broken {
        /// How.
        reason: String,
    },
    /// No daemon told anything for as long as was to be waited. Ask on from `cursor`: nothing is
    /// lost, and nothing comes twice.
    #[error("{departure} and none has answered for {} s: {last}{cursor}", waited.as_secs_f32())]
    Away {
        /// How the last one left.
        departure: Departure,
        /// How long was waited.
        waited: Duration,
        /// Whether one has served since the last such error, or the first call.
        served: bool,
        /// Where to go on.
        cursor: Cursor,
        /// What the last attempt came to.
        last: Box<Error>,
    },
    /// The daemon that answers now tells of another log: its home was put in place of the one before.
    /// A cursor says nothing there.
    #[error("the daemon at {} tells of another log than the one before it", socket.display())]
    OtherLog {
        /// The socket.
        socket: PathBuf,
    },
    /// The answer is not one that this client understands: the daemon is of another version, or
    /// is not a daemon.
    #[error("the daemon's answer to {what} is not understood: {reason}")]
    Garbled {
        /// The request, as method and path.
        what: String,
        /// What is wrong with the answer.
        reason: String,
    },
}

/// How a daemon that is away left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Departure {
    /// It said that it stops: somebody wanted it to.
    Stopped,
    /// Without a word, or it was not there.
    Vanished,
}

/// Up to where something was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cursor {
    /// Nothing was told yet.
    Start,
    /// Events, up to this place.
    AfterSeq {
        /// The last event's.
        seq: u64,
    },
    /// Output, up to this byte.
    AtOffset {
        /// The next byte's.
        offset: u64,
    },
}

/// An error as the daemon answered it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The stable code; `None` for one that this client does not know.
    pub code: Option<Code>,
    /// The stable code as text.
    pub code_text: String,
    /// For people.
    pub message: String,
    /// What the code's section in docs/errors.md says.
    pub details: Option<Value>,
}

impl std::fmt::Display for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::fmt::Display for Departure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Stopped => "the daemon was stopped,",
            Self::Vanished => "the daemon is away,",
        })
    }
}

impl std::fmt::Display for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Start => Ok(()),
            Self::AfterSeq { seq } => write!(f, "; all up to event {seq} was told"),
            Self::AtOffset { offset } => write!(f, "; all up to byte {offset} was told"),
        }
    }
}

impl Error {
    /// The daemon's stable code, if it answered with one that this client knows.
    pub fn code(&self) -> Option<Code> {
        self.answer().and_then(|answer| answer.code)
    }

    /// What the daemon answered, if it did.
    pub fn answer(&self) -> Option<&Answer> {
        match self {
            Self::Answer(answer) => Some(answer),
            Self::Away { last, .. } => last.answer(),
            Self::Unreachable { .. }
            | Self::Stranger { .. }
            | Self::OtherLog { .. }
            | Self::NotASocket { .. }
            | Self::Timeout { .. }
            | Self::Broken { .. }
            | Self::Garbled { .. } => None,
        }
    }

    /// Whether the daemon says that it stops. It did nothing of what was asked.
    pub fn is_stopping(&self) -> bool {
        let details = self.answer().and_then(|answer| answer.details.as_ref());
        details.is_some_and(|details| details["reason"] == "shutting_down")
    }

    /// Whether the daemon is away or busy, so that the same call may succeed later.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Unreachable { .. }
            | Self::Timeout { .. }
            | Self::Broken { .. }
            | Self::Away { .. } => true,
            Self::Answer(answer) => answer.code == Some(Code::RuntimeUnavailable),
            Self::Stranger { .. }
            | Self::NotASocket { .. }
            | Self::OtherLog { .. }
            | Self::Garbled { .. } => false,
        }
    }
}
