//! Records: what happened, in the order in which it did. They are kept in the spool until they are
//! acknowledged, and numbered from 1.

use bytes::Bytes;
use coven_core::{Channel, Exit, OutputEnd, ProcessFacts, TermSize, Timestamp};
use serde::{Deserialize, Serialize};

use super::{BadPayload, append, parse};
use crate::shim::frame::{self, Frame};

/// The head of a part of the spool; it is no record, and has no number.
const PART: u16 = 0x01;
const STARTED: u16 = 0x02;
const LAUNCH_FAILED: u16 = 0x03;
const OUTPUT: u16 = 0x04;
const INPUT_TAKEN: u16 = 0x05;
const INPUT_DONE: u16 = 0x06;
const ANSWERED: u16 = 0x07;
const RESIZED: u16 = 0x08;
const OUTPUT_CLOSED: u16 = 0x09;
const EXITED: u16 = 0x0a;

/// Whether a frame of this kind, known or not, is counted as a record.
pub(in crate::shim) const fn is_record(kind: u16) -> bool {
    kind > PART && kind <= 0xff
}

/// The name of an input, chosen by whoever types it. Two of one id are one input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct InputId(pub [u8; 16]);

/// What stands at the start of each part of a spool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartHead {
    /// The version that its records are of.
    pub version: u16,
    /// The session.
    pub session: String,
    /// The boot of the machine that it was written in.
    pub boot_id: String,
    /// The shim's process id.
    pub shim_pid: u32,
    /// When the shim started, in clock ticks since boot.
    pub shim_start_time: u64,
    /// The number of the first record in it.
    pub first: u64,
    /// The offset in the session's output of the first byte in it.
    pub offset: u64,
}

/// A record in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// One more than that of the record before; the first has 1.
    pub number: u64,
    /// When it was written down.
    pub at: Timestamp,
    /// What happened.
    pub record: Record,
}

/// Something that happened to a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// The process runs. It is the first record, or [`Record::LaunchFailed`] is.
    Started {
        /// Which process; its shim included.
        process: ProcessFacts,
        /// What was run.
        executable: String,
        /// With which arguments, as far as they may be recorded.
        argv: Vec<String>,
    },
    /// There is no process and never was.
    LaunchFailed {
        /// Why.
        reason: LaunchFailure,
    },
    /// The process wrote.
    Output {
        /// Where its bytes begin in all that was written on all channels.
        offset: u64,
        /// Where to.
        channel: Channel,
        /// What.
        bytes: Bytes,
    },
    /// An input will be typed once, unless the session ends before. Its bytes are not recorded.
    InputTaken {
        /// Which.
        id: InputId,
        /// How many bytes it has.
        len_bytes: u64,
    },
    /// No more of an input will be typed.
    InputDone {
        /// Which.
        id: InputId,
        /// How many of its bytes were. Less than all of them only because nobody reads any more.
        delivered_bytes: u64,
    },
    /// A query of the process to its terminal is answered.
    Answered {
        /// Where the query begins in the output.
        query: u64,
    },
    /// The terminal has another size.
    Resized {
        /// Which.
        size: TermSize,
    },
    /// No more output will come.
    OutputClosed {
        /// Whether it was read to its end.
        end: OutputEnd,
    },
    /// The process has ended.
    Exited {
        /// How.
        exit: Exit,
    },
    /// Something of a newer shim.
    Unknown {
        /// What it is.
        kind: u16,
    },
}

/// Why a process does not run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LaunchFailure {
    /// There is no such file.
    MissingExecutable,
    /// The program in its first line (`#!`) does not exist.
    MissingInterpreter,
    /// It cannot be executed.
    NotExecutable {
        /// The system's number for why.
        errno: i32,
    },
    /// Arguments and environment are too long.
    TooLong,
    /// An argument or a variable holds a NUL byte.
    Nul,
    /// Its directory cannot be entered.
    Directory {
        /// The system's number for why.
        errno: i32,
    },
    /// No terminal can be opened.
    Terminal {
        /// The system's number for why.
        errno: i32,
    },
    /// The system refuses for another reason.
    System {
        /// The system's number for why.
        errno: i32,
    },
}

#[derive(Serialize, Deserialize)]
struct Started {
    pid: u32,
    start_time: u64,
    boot_id: String,
    shim_pid: Option<u32>,
    executable: String,
    argv: Vec<String>,
}

#[derive(Serialize, Deserialize)]
struct Output<'a> {
    offset: u64,
    channel: WireChannel,
    #[serde(borrow, with = "serde_bytes")]
    bytes: &'a [u8],
}

#[derive(Serialize, Deserialize)]
enum WireChannel {
    Tty,
    Stdout,
    Stderr,
}

#[derive(Serialize, Deserialize)]
enum WireEnd {
    Complete,
    Cut,
}

#[derive(Serialize, Deserialize)]
enum WireExit {
    Code(i32),
    Signal(i32),
}

impl Record {
    /// Appends its frame, as of `at`. An [`Record::Unknown`] has none: it is for readers.
    pub fn encode(&self, at: Timestamp, out: &mut Vec<u8>) {
        let mut write = |kind, payload: &dyn Fn(&mut Vec<u8>)| {
            frame::encode(kind, out, |out| {
                append(&at.as_nanos(), out);
                payload(out);
            });
        };
        match self {
            Self::Started {
                process,
                executable,
                argv,
            } => write(STARTED, &|out| {
                append(
                    &Started {
                        pid: process.pid,
                        start_time: process.start_time,
                        boot_id: process.boot_id.clone(),
                        shim_pid: process.shim_pid,
                        executable: executable.clone(),
                        argv: argv.clone(),
                    },
                    out,
                );
            }),
            Self::LaunchFailed { reason } => write(LAUNCH_FAILED, &|out| append(reason, out)),
            Self::Output {
                offset,
                channel,
                bytes,
            } => encode_output(at, *offset, *channel, bytes, out),
            Self::InputTaken { id, len_bytes } => {
                write(INPUT_TAKEN, &|out| append(&(id, len_bytes), out));
            }
            Self::InputDone {
                id,
                delivered_bytes,
            } => write(INPUT_DONE, &|out| append(&(id, delivered_bytes), out)),
            Self::Answered { query } => write(ANSWERED, &|out| append(query, out)),
            Self::Resized { size } => {
                write(RESIZED, &|out| append(&(size.cols(), size.rows()), out));
            }
            Self::OutputClosed { end } => write(OUTPUT_CLOSED, &|out| append(&wire_end(*end), out)),
            Self::Exited { exit } => write(EXITED, &|out| append(&wire_exit(*exit), out)),
            Self::Unknown { .. } => {}
        }
    }

    /// What a frame records, and when; `None` of what is no record.
    ///
    /// # Errors
    /// [`BadPayload`]: the frame was not written by a shim.
    pub fn decode(frame: &Frame) -> Result<Option<(Timestamp, Self)>, BadPayload> {
        let kind = frame.kind;
        if !is_record(kind) {
            return Ok(None);
        }
        let (at, rest) =
            postcard::take_from_bytes::<i64>(&frame.payload).map_err(|_| BadPayload { kind })?;
        let record = match kind {
            STARTED => started(parse(kind, rest)?),
            LAUNCH_FAILED => Self::LaunchFailed {
                reason: parse(kind, rest)?,
            },
            OUTPUT => {
                let output: Output<'_> = parse(kind, rest)?;
                Self::Output {
                    offset: output.offset,
                    channel: domain_channel(&output.channel),
                    bytes: frame.payload.slice_ref(output.bytes),
                }
            }
            INPUT_TAKEN => {
                let (id, len_bytes) = parse(kind, rest)?;
                Self::InputTaken { id, len_bytes }
            }
            INPUT_DONE => {
                let (id, delivered_bytes) = parse(kind, rest)?;
                Self::InputDone {
                    id,
                    delivered_bytes,
                }
            }
            ANSWERED => Self::Answered {
                query: parse(kind, rest)?,
            },
            RESIZED => {
                let (cols, rows): (u16, u16) = parse(kind, rest)?;
                let size = TermSize::parse(cols.into(), rows.into());
                Self::Resized {
                    size: size.map_err(|_| BadPayload { kind })?,
                }
            }
            OUTPUT_CLOSED => Self::OutputClosed {
                end: match parse(kind, rest)? {
                    WireEnd::Complete => OutputEnd::Complete,
                    WireEnd::Cut => OutputEnd::Cut,
                },
            },
            EXITED => Self::Exited {
                exit: match parse(kind, rest)? {
                    WireExit::Code(code) => Exit::Code { code },
                    WireExit::Signal(signal) => Exit::Signal { signal },
                },
            },
            kind => Self::Unknown { kind },
        };
        Ok(Some((Timestamp::from_nanos(at), record)))
    }
}

/// [`Record::encode`] of output, from where it was read to.
pub(in crate::shim) fn encode_output(
    at: Timestamp,
    offset: u64,
    channel: Channel,
    bytes: &[u8],
    out: &mut Vec<u8>,
) {
    let channel = match channel {
        Channel::Tty => WireChannel::Tty,
        Channel::Stdout => WireChannel::Stdout,
        Channel::Stderr => WireChannel::Stderr,
    };
    frame::encode(OUTPUT, out, |out| {
        append(&at.as_nanos(), out);
        append(
            &Output {
                offset,
                channel,
                bytes,
            },
            out,
        );
    });
}

impl PartHead {
    /// Appends its frame.
    pub fn encode(&self, out: &mut Vec<u8>) {
        frame::encode(PART, out, |out| append(self, out));
    }

    /// What a frame says of its part; `None` if it says something else.
    ///
    /// # Errors
    /// [`BadPayload`]: the frame was not written by a shim.
    pub fn decode(frame: &Frame) -> Result<Option<Self>, BadPayload> {
        if frame.kind != PART {
            return Ok(None);
        }
        parse(PART, &frame.payload).map(Some)
    }
}

fn started(started: Started) -> Record {
    Record::Started {
        process: ProcessFacts {
            pid: started.pid,
            start_time: started.start_time,
            boot_id: started.boot_id,
            shim_pid: started.shim_pid,
        },
        executable: started.executable,
        argv: started.argv,
    }
}

const fn domain_channel(channel: &WireChannel) -> Channel {
    match channel {
        WireChannel::Tty => Channel::Tty,
        WireChannel::Stdout => Channel::Stdout,
        WireChannel::Stderr => Channel::Stderr,
    }
}

const fn wire_end(end: OutputEnd) -> WireEnd {
    match end {
        OutputEnd::Complete => WireEnd::Complete,
        OutputEnd::Cut => WireEnd::Cut,
    }
}

const fn wire_exit(exit: Exit) -> WireExit {
    match exit {
        Exit::Code { code } => WireExit::Code(code),
        Exit::Signal { signal } => WireExit::Signal(signal),
    }
}
