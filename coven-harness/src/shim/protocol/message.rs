//! Messages: what is said once and not kept.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{BadPayload, InputId, append, parse};
use crate::shim::frame::{self, Frame};

/// One table of kinds, by which messages are encoded and decoded.
macro_rules! messages {
    ($(#[$about:meta])* $name:ident { $($(#[$what:meta])* $kind:literal $variant:ident($payload:ty),)* }) => {
        $(#[$about])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum $name {
            $($(#[$what])* $variant($payload),)*
        }

        impl $name {
            /// Appends its frame.
            pub fn encode(&self, out: &mut Vec<u8>) {
                match self {
                    $(Self::$variant(payload) => frame::encode($kind, out, |out| append(payload, out)),)*
                }
            }

            /// What a frame says; `None` of a kind that is not known here.
            ///
            /// # Errors
            /// [`BadPayload`]: the peer is no Coven, or a broken one.
            pub fn decode(frame: &Frame) -> Result<Option<Self>, BadPayload> {
                Ok(match frame.kind {
                    $($kind => Some(Self::$variant(parse($kind, &frame.payload)?)),)*
                    _ => None,
                })
            }
        }
    };
}

messages! {
    /// What an engine says to a shim.
    ToShim {
        /// The first on every connection.
        0x0100 Hello(Hello),
        /// What to run; once, on the connection that the shim was started with.
        0x0101 Launch(Box<LaunchSpec>),
        /// Send the records from this number on.
        0x0102 From(u64),
        /// So many more bytes of records may be sent.
        0x0103 Credit(u64),
        /// All records up to this number are on record elsewhere and may be dropped.
        0x0104 Ack(u64),
        /// Type this.
        0x0105 Input(Input),
        /// Set the terminal's size: columns and rows.
        0x0106 Resize((u16, u16)),
        /// Is a password being typed?
        0x0107 SecretEntry(Request),
        /// How many bytes the spool may take from now on.
        0x0108 SetLimit(u64),
        /// Do not cut the output, whoever keeps it open, as long as this connection lives.
        0x0109 Hold(()),
        /// Take [`ToShim::Hold`] back.
        0x010a Release(()),
        /// All is on record elsewhere: remove everything and exit.
        0x010b Close(Request),
    }
}

messages! {
    /// What a shim says to an engine, beside records.
    FromShim {
        /// The answer to a hello: this version is spoken.
        0x0200 Welcome(Welcome),
        /// The answer to a hello, a launch or a [`ToShim::From`]: it cannot be. After the first
        /// two the connection is closed.
        0x0201 Refused(Refused),
        /// The records follow.
        0x0202 Begin(Begin),
        /// What became of an input.
        0x0203 InputAnswer(InputAnswer),
        /// Whether a password is being typed.
        0x0204 SecretAnswer(SecretAnswer),
        /// The answer to a close: the session is not over, or not all of it was acknowledged.
        0x0205 StillNeeded(Request),
    }
}

/// Which question an answer belongs to: a number that its asker chose.
pub type Request = u32;

/// Which versions a side speaks. Frozen for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// The lowest.
    pub min: u16,
    /// The highest.
    pub max: u16,
    /// What else it can do, one bit each. No bit has a meaning yet; unknown ones are ignored.
    pub features: u64,
}

/// Who a shim is. Frozen for ever.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Welcome {
    /// What is spoken from here on.
    pub version: u16,
    /// The features that both have.
    pub features: u64,
    /// The session; empty before its launch.
    pub session: String,
    /// The shim's process id.
    pub shim_pid: u32,
    /// The oldest record that is still there.
    pub first: u64,
    /// The number of the next record that will be written.
    pub next: u64,
}

/// Why there is no conversation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Refused {
    /// There is no version that both speak. This one is what the shim does.
    Version {
        /// The lowest.
        min: u16,
        /// The highest.
        max: u16,
    },
    /// The shim cannot hold a session in its folder.
    Folder {
        /// What it was about to do.
        step: String,
        /// The system's number for what went wrong.
        errno: i32,
    },
    /// These records are not there.
    NoSuchRecord {
        /// The oldest that is.
        first: u64,
        /// The next that will be.
        next: u64,
    },
}

/// What to run, and how its session is kept.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaunchSpec {
    /// The session.
    pub session: String,
    /// The executable's path.
    pub program: Bytes,
    /// Its arguments, without its own name.
    pub args: Vec<Bytes>,
    /// All of its environment.
    pub environment: Vec<(Bytes, Bytes)>,
    /// Its standard streams.
    pub wiring: WiringSpec,
    /// Its limits of open files, the soft and the hard one; none is no limit.
    pub open_files: (Option<u64>, Option<u64>),
    /// What the record of its start says of the executable.
    pub executable: String,
    /// What the record of its start says of its arguments.
    pub argv: Vec<String>,
    /// How many bytes its spool may take.
    pub limit_bytes: u64,
}

impl std::fmt::Debug for LaunchSpec {
    /// Neither arguments nor values of the environment are shown.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LaunchSpec")
            .field("session", &self.session)
            .field("argv", &self.argv)
            .finish_non_exhaustive()
    }
}

/// A process's standard streams.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum WiringSpec {
    /// A terminal of this many columns and rows.
    Terminal {
        /// Columns.
        cols: u16,
        /// Rows.
        rows: u16,
    },
    /// The same for output alone. It reads these bytes and an end; none is `/dev/null`.
    TerminalOutput {
        /// Columns.
        cols: u16,
        /// Rows.
        rows: u16,
        /// What it reads.
        stdin: Option<Bytes>,
    },
    /// Three pipes.
    Pipes,
}

/// Something to type.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Input {
    /// To tell the answer by.
    pub request: Request,
    /// Whose answer is the same however often it is asked, and which is typed once.
    pub id: InputId,
    /// How long to wait after it before anything else is typed, in milliseconds.
    pub pause_after_ms: u32,
    /// What to type.
    pub bytes: Bytes,
}

impl std::fmt::Debug for Input {
    /// What is typed may be a password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Input({:?}, {} bytes)", self.id, self.bytes.len())
    }
}

/// Where the records begin that follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Begin {
    /// The number of the first.
    pub record: u64,
}

/// What became of an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputAnswer {
    /// Of which input.
    pub request: Request,
    /// It will be typed once; or why it will not.
    pub outcome: Result<Taken, InputRefusal>,
}

/// When an input was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Taken {
    /// Now.
    Now,
    /// One of the same id was before, and this one is not typed.
    Before,
}

/// Why an input is not typed. Nothing of it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum InputRefusal {
    /// Too much waits to be typed, or too many ids wait for the engine's acknowledgement. Try
    /// again when some of it was.
    #[error("too much input is waiting already")]
    TooMuchWaiting,
    /// The spool takes nothing: it is at its bound, or the disk is full.
    #[error("the session's spool takes nothing, because it is full or its disk is")]
    SpoolFull,
    /// The process reads nothing, or nothing any more.
    #[error("the process takes no input")]
    NobodyReads,
}

/// Whether a password is being typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretAnswer {
    /// Of which question.
    pub request: Request,
    /// A line is read without echo. False where there is no terminal.
    pub secret: bool,
}
