//! What happened, as an export has it: everything that an event of the log carries.

mod launch;

use bytes::Bytes;
use coven::{Channel, ConversationId, Event, Exit, FailureCause, InputData, InputId, Labels};
use coven::{OrphanReason, OutputEnd, ProcessFacts, Refusal, TermSize, limits};
use data_encoding::{BASE64, HEXLOWER};
use serde::{Deserialize, Serialize};

use launch::{External, Launch};

/// What happened.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum What {
    #[serde(rename_all = "camelCase")]
    Created {
        launch: Box<Launch>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        boot_id: Option<String>,
    },
    Registered {
        external: External,
    },
    #[serde(rename_all = "camelCase")]
    Started {
        pid: u32,
        start_time: u64,
        boot_id: String,
        shim_pid: Option<u32>,
        executable: String,
        argv: Vec<String>,
    },
    LaunchFailed {
        reason: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cause: Option<CauseWord>,
    },
    Identified {
        conversation: String,
    },
    Output {
        offset: u64,
        channel: ChannelWord,
        data: Data,
    },
    Input {
        data: Data,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<String>,
    },
    InputRedacted {
        bytes: u64,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<String>,
    },
    Resized {
        cols: u16,
        rows: u16,
    },
    Titled {
        title: String,
    },
    Labelled {
        labels: Vec<String>,
    },
    KillRequested {},
    OutputClosed {
        output: EndWord,
    },
    Exited {
        exit: ExitWord,
        output: EndWord,
    },
    #[serde(rename_all = "camelCase")]
    Completed {
        exit_code: Option<i32>,
    },
    Orphaned {
        reason: String,
    },
    Archived {},
    Summoned {},
    Trimmed {
        offset: u64,
        bytes: u64,
        sha256: String,
    },
    Undelivered {
        id: String,
        bytes: u64,
        written: Option<u64>,
    },
}

/// Bytes: as text where they are UTF-8.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Data {
    Text(String),
    Base64(String),
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum ChannelWord {
    Tty,
    Stdout,
    Stderr,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum EndWord {
    Complete,
    Cut,
}

/// Why a process never ran, where that was not the launch's own fault.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum CauseWord {
    EngineDied,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum ExitWord {
    Code(i32),
    Signal(i32),
    /// It was killed, and nobody saw how it ended.
    Unseen,
}

impl What {
    /// What an event says; `None` of a deletion, after which there is nothing to export.
    pub(super) fn of(event: &Event) -> Option<Self> {
        Some(match event {
            Event::Created { launch, boot_id } => Self::Created {
                launch: Box::new(launch.as_ref().into()),
                boot_id: boot_id.clone(),
            },
            Event::Registered { external } => Self::Registered {
                external: external.as_ref().into(),
            },
            Event::Started {
                process,
                executable,
                argv,
            } => Self::Started {
                pid: process.pid,
                start_time: process.start_time,
                boot_id: process.boot_id.clone(),
                shim_pid: process.shim_pid,
                executable: executable.clone(),
                argv: argv.clone(),
            },
            Event::LaunchFailed { reason, cause } => Self::LaunchFailed {
                reason: reason.clone(),
                cause: match cause {
                    FailureCause::Launch => None,
                    FailureCause::EngineDied => Some(CauseWord::EngineDied),
                },
            },
            Event::Identified { conversation } => Self::Identified {
                conversation: conversation.as_str().to_owned(),
            },
            Event::Output {
                offset,
                channel,
                data,
            } => Self::Output {
                offset: *offset,
                channel: (*channel).into(),
                data: Data::of(data),
            },
            Event::Input {
                data: InputData::Plain { data },
                id,
            } => Self::Input {
                data: Data::of(data),
                id: id.as_ref().map(|InputId(id)| HEXLOWER.encode(id)),
            },
            Event::Input {
                data: InputData::Redacted { len_bytes },
                id,
            } => Self::InputRedacted {
                bytes: *len_bytes,
                id: id.as_ref().map(|InputId(id)| HEXLOWER.encode(id)),
            },
            Event::Resized { size } => Self::Resized {
                cols: size.cols(),
                rows: size.rows(),
            },
            Event::Titled { title } => Self::Titled {
                title: title.as_str().to_owned(),
            },
            Event::Labelled { labels } => Self::Labelled {
                labels: launch::texts(labels),
            },
            Event::KillRequested => Self::KillRequested {},
            Event::OutputClosed { end } => Self::OutputClosed {
                output: (*end).into(),
            },
            Event::Exited { exit, output } => Self::Exited {
                exit: match exit {
                    Some(Exit::Code { code }) => ExitWord::Code(*code),
                    Some(Exit::Signal { signal }) => ExitWord::Signal(*signal),
                    None => ExitWord::Unseen,
                },
                output: (*output).into(),
            },
            Event::Completed { exit_code } => Self::Completed {
                exit_code: *exit_code,
            },
            Event::Orphaned { reason } => Self::Orphaned {
                reason: reason.as_str().to_owned(),
            },
            Event::Archived => Self::Archived {},
            Event::Summoned => Self::Summoned {},
            Event::Trimmed {
                offset,
                len_bytes,
                sha256,
            } => Self::Trimmed {
                offset: *offset,
                bytes: *len_bytes,
                sha256: HEXLOWER.encode(sha256),
            },
            Event::Undelivered {
                id: InputId(id),
                len_bytes,
                written_bytes,
            } => Self::Undelivered {
                id: HEXLOWER.encode(id),
                bytes: *len_bytes,
                written: *written_bytes,
            },
            Event::Deleted => return None,
        })
    }

    /// The event, if every part of it is one that a log may have.
    pub(super) fn into_event(self) -> Result<Event, Refusal> {
        Ok(match self {
            Self::Created { launch, boot_id } => Event::Created {
                launch: Box::new((*launch).try_into()?),
                boot_id,
            },
            Self::Registered { external } => Event::Registered {
                external: Box::new(external.try_into()?),
            },
            Self::Started {
                pid,
                start_time,
                boot_id,
                shim_pid,
                executable,
                argv,
            } => Event::Started {
                process: ProcessFacts {
                    pid,
                    start_time,
                    boot_id,
                    shim_pid,
                },
                executable,
                argv,
            },
            Self::LaunchFailed { reason, cause } => Event::LaunchFailed {
                reason,
                cause: match cause {
                    None => FailureCause::Launch,
                    Some(CauseWord::EngineDied) => FailureCause::EngineDied,
                },
            },
            Self::Identified { conversation } => Event::Identified {
                conversation: ConversationId::parse("conversation", &conversation)?,
            },
            Self::Output {
                offset,
                channel,
                data,
            } => Event::Output {
                offset,
                channel: channel.into(),
                data: output(data.into_bytes()?)?,
            },
            Self::Input { data, id } => Event::Input {
                data: InputData::Plain {
                    data: data.into_bytes()?,
                },
                id: id.as_deref().map(input_id).transpose()?,
            },
            Self::InputRedacted { bytes, id } => Event::Input {
                data: InputData::Redacted { len_bytes: bytes },
                id: id.as_deref().map(input_id).transpose()?,
            },
            Self::Resized { cols, rows } => Event::Resized {
                size: TermSize::parse(cols.into(), rows.into())?,
            },
            Self::Titled { title } => Event::Titled {
                title: launch::title(&title)?,
            },
            Self::Labelled { labels } => Event::Labelled {
                labels: Labels::parse(&labels)?,
            },
            Self::KillRequested {} => Event::KillRequested,
            Self::OutputClosed { output } => Event::OutputClosed { end: output.into() },
            Self::Exited { exit, output } => Event::Exited {
                exit: exit.checked()?,
                output: output.into(),
            },
            Self::Completed { exit_code } => Event::Completed { exit_code },
            Self::Orphaned { reason } => Event::Orphaned {
                reason: OrphanReason::ALL
                    .into_iter()
                    .find(|known| known.as_str() == reason)
                    .ok_or_else(|| Refusal::invalid("reason", reason, "is no reason there is"))?,
            },
            Self::Archived {} => Event::Archived,
            Self::Summoned {} => Event::Summoned,
            Self::Trimmed {
                offset,
                bytes,
                sha256,
            } => Event::Trimmed {
                offset,
                len_bytes: bytes,
                sha256: hash(&sha256)?,
            },
            Self::Undelivered { id, bytes, written } => Event::Undelivered {
                id: input_id(&id)?,
                len_bytes: bytes,
                written_bytes: written,
            },
        })
    }
}

fn input_id(hex: &str) -> Result<InputId, Refusal> {
    let bytes = HEXLOWER.decode(hex.as_bytes()).ok();
    let id = bytes.and_then(|bytes| bytes.try_into().ok());
    let refused = || Refusal::invalid("id", hex, "is no 16 bytes in lower-case hexadecimal");
    id.map(InputId).ok_or_else(refused)
}

fn hash(hex: &str) -> Result<[u8; 32], Refusal> {
    let bytes = HEXLOWER.decode(hex.as_bytes()).ok();
    let bytes = bytes.and_then(|bytes| bytes.try_into().ok());
    bytes.ok_or_else(|| Refusal::invalid("sha256", hex, "is no SHA-256 in lower-case hexadecimal"))
}

/// Output that clients can be given in one piece.
fn output(data: Bytes) -> Result<Bytes, Refusal> {
    let text = String::from_utf8_lossy(&data);
    let json = serde_json::to_string(&text).expect("text has a JSON form");
    if json.len() > limits::MAX_OUTPUT_PAYLOAD_BYTES {
        let problem = "is more than one event of output may have";
        return Err(Refusal::invalid("data", "", problem));
    }
    Ok(data)
}

impl Data {
    pub(super) fn of(bytes: &[u8]) -> Self {
        match std::str::from_utf8(bytes) {
            Ok(text) => Self::Text(text.to_owned()),
            Err(_) => Self::Base64(BASE64.encode(bytes)),
        }
    }

    fn into_bytes(self) -> Result<Bytes, Refusal> {
        match self {
            Self::Text(text) => Ok(text.into_bytes().into()),
            Self::Base64(text) => match BASE64.decode(text.as_bytes()) {
                Ok(bytes) => Ok(bytes.into()),
                Err(_) => Err(Refusal::invalid("data", text, "is not base64")),
            },
        }
    }
}

impl ExitWord {
    fn checked(self) -> Result<Option<Exit>, Refusal> {
        let invalid = |number: i32, problem| Refusal::invalid("exit", number.to_string(), problem);
        match self {
            Self::Code(code) if (0..=255).contains(&code) => Ok(Some(Exit::Code { code })),
            Self::Code(code) => Err(invalid(code, "must be 0 to 255")),
            Self::Signal(signal) if signal > 0 => Ok(Some(Exit::Signal { signal })),
            Self::Signal(signal) => Err(invalid(signal, "must be a signal's number")),
            Self::Unseen => Ok(None),
        }
    }
}

impl From<Channel> for ChannelWord {
    fn from(channel: Channel) -> Self {
        match channel {
            Channel::Tty => Self::Tty,
            Channel::Stdout => Self::Stdout,
            Channel::Stderr => Self::Stderr,
        }
    }
}

impl From<ChannelWord> for Channel {
    fn from(word: ChannelWord) -> Self {
        match word {
            ChannelWord::Tty => Self::Tty,
            ChannelWord::Stdout => Self::Stdout,
            ChannelWord::Stderr => Self::Stderr,
        }
    }
}

impl From<OutputEnd> for EndWord {
    fn from(end: OutputEnd) -> Self {
        match end {
            OutputEnd::Complete => Self::Complete,
            OutputEnd::Cut => Self::Cut,
        }
    }
}

impl From<EndWord> for OutputEnd {
    fn from(word: EndWord) -> Self {
        match word {
            EndWord::Complete => Self::Complete,
            EndWord::Cut => Self::Cut,
        }
    }
}
