//! An event, as stored. Its session and its place are its key.

use bytes::Bytes;
use coven_core::{
    Channel, Envelope, Event, FailureCause, InputData, InputId, Seq, SessionId, Timestamp,
};
use serde::{Deserialize, Serialize};

use super::Malformed;
use super::actor::ActorRow;
use super::launch::{self, ExternalRow, LaunchRow, SizeRow};
use super::process::{DeathRow, OrphanReasonRow, OutputEndRow, ProcessRow};

/// An event without its place. What a session wrote, or was typed, is `D`: the event's bytes where
/// it is written, and where it is read those of the row.
#[derive(Serialize, Deserialize)]
pub(crate) struct EventRow<D> {
    at: i64,
    actor: Option<ActorRow>,
    body: Body<D>,
}

#[derive(Serialize, Deserialize)]
enum Body<D> {
    Created {
        launch: Box<LaunchRow>,
    },
    Registered {
        external: Box<ExternalRow>,
    },
    Started {
        process: ProcessRow,
        executable: String,
        argv: Vec<String>,
    },
    LaunchFailed {
        reason: String,
    },
    Identified {
        conversation: String,
    },
    Output {
        offset: u64,
        channel: ChannelRow,
        data: D,
    },
    Input {
        data: InputRow<D>,
    },
    Resized {
        size: SizeRow,
    },
    Titled {
        title: String,
    },
    Labelled {
        labels: Vec<String>,
    },
    KillRequested,
    OutputClosed {
        end: OutputEndRow,
    },
    Exited {
        exit: DeathRow,
        output: OutputEndRow,
    },
    Completed {
        exit_code: Option<i32>,
    },
    Orphaned {
        reason: OrphanReasonRow,
    },
    Archived,
    Summoned,
    Deleted,
    Trimmed {
        offset: u64,
        len_bytes: u64,
        sha256: [u8; 32],
    },
    NamedInput {
        id: [u8; 16],
        data: InputRow<D>,
    },
    Undelivered {
        id: [u8; 16],
        len_bytes: u64,
        written_bytes: Option<u64>,
    },
    CreatedInBoot {
        launch: Box<LaunchRow>,
        boot_id: String,
    },
    LaunchInterrupted {
        reason: String,
    },
}

#[derive(Serialize, Deserialize)]
enum ChannelRow {
    Tty,
    Stdout,
    Stderr,
}

impl ChannelRow {
    const fn channel(&self) -> Channel {
        match self {
            Self::Tty => Channel::Tty,
            Self::Stdout => Channel::Stdout,
            Self::Stderr => Channel::Stderr,
        }
    }
}

#[derive(Serialize, Deserialize)]
enum InputRow<D> {
    Plain { data: D },
    Redacted { len_bytes: u64 },
}

impl<'a> From<&'a Envelope> for EventRow<&'a Bytes> {
    fn from(envelope: &'a Envelope) -> Self {
        Self {
            at: envelope.at.as_nanos(),
            actor: envelope.actor.as_ref().map(ActorRow::from),
            body: (&envelope.event).into(),
        }
    }
}

/// All there is to an output event but its bytes, which are the last of its row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OutputHead {
    /// When, in nanoseconds since 1970.
    pub(crate) at: i64,
    pub(crate) offset: u64,
    pub(crate) len_bytes: u32,
    pub(crate) channel: Channel,
}

impl EventRow<&[u8]> {
    /// What it is beside its bytes, where it is output that nobody asked for.
    pub(crate) fn output_head(&self) -> Option<OutputHead> {
        match (&self.body, &self.actor) {
            (
                Body::Output {
                    offset,
                    channel,
                    data,
                },
                None,
            ) => Some(OutputHead {
                at: self.at,
                offset: *offset,
                len_bytes: u32::try_from(data.len()).ok()?,
                channel: channel.channel(),
            }),
            _ => None,
        }
    }

    /// Where its output begins and how many bytes it is, where it is output.
    pub(crate) const fn output(&self) -> Option<(u64, usize)> {
        match &self.body {
            Body::Output { offset, data, .. } => Some((*offset, data.len())),
            _ => None,
        }
    }

    /// The event in its place. `own` makes bytes of those in the row.
    pub(crate) fn into_envelope(
        self,
        session: SessionId,
        seq: Seq,
        own: impl Fn(&[u8]) -> Bytes,
    ) -> Result<Envelope, Malformed> {
        Ok(Envelope {
            seq,
            session,
            at: Timestamp::from_nanos(self.at),
            actor: self.actor.map(Into::into),
            event: self.body.into_event(own)?,
        })
    }
}

impl<'a> From<&'a Event> for Body<&'a Bytes> {
    fn from(event: &'a Event) -> Self {
        match event {
            Event::Created { launch, boot_id } => {
                let launch = Box::new(launch.as_ref().into());
                match boot_id.clone() {
                    Some(boot_id) => Self::CreatedInBoot { launch, boot_id },
                    None => Self::Created { launch },
                }
            }
            Event::Registered { external } => Self::Registered {
                external: Box::new(external.as_ref().into()),
            },
            Event::Started {
                process,
                executable,
                argv,
            } => Self::Started {
                process: process.into(),
                executable: executable.clone(),
                argv: argv.clone(),
            },
            Event::LaunchFailed { reason, cause } => {
                let reason = reason.clone();
                match cause {
                    FailureCause::Launch => Self::LaunchFailed { reason },
                    FailureCause::EngineDied => Self::LaunchInterrupted { reason },
                }
            }
            Event::Identified { conversation } => Self::Identified {
                conversation: launch::text_of(conversation),
            },
            Event::Output {
                offset,
                channel,
                data,
            } => Self::Output {
                offset: *offset,
                channel: match channel {
                    Channel::Tty => ChannelRow::Tty,
                    Channel::Stdout => ChannelRow::Stdout,
                    Channel::Stderr => ChannelRow::Stderr,
                },
                data,
            },
            Event::Input { data, id } => {
                let data = match data {
                    InputData::Plain { data } => InputRow::Plain { data },
                    InputData::Redacted { len_bytes } => InputRow::Redacted {
                        len_bytes: *len_bytes,
                    },
                };
                match id {
                    Some(InputId(id)) => Self::NamedInput { id: *id, data },
                    None => Self::Input { data },
                }
            }
            Event::Resized { size } => Self::Resized {
                size: (*size).into(),
            },
            Event::Titled { title } => Self::Titled {
                title: title.as_str().to_owned(),
            },
            Event::Labelled { labels } => Self::Labelled {
                labels: launch::labels_of(labels),
            },
            Event::KillRequested => Self::KillRequested,
            Event::OutputClosed { end } => Self::OutputClosed { end: (*end).into() },
            Event::Exited { exit, output } => Self::Exited {
                exit: (*exit).into(),
                output: (*output).into(),
            },
            Event::Completed { exit_code } => Self::Completed {
                exit_code: *exit_code,
            },
            Event::Orphaned { reason } => Self::Orphaned {
                reason: (*reason).into(),
            },
            Event::Archived => Self::Archived,
            Event::Summoned => Self::Summoned,
            Event::Deleted => Self::Deleted,
            Event::Trimmed {
                offset,
                len_bytes,
                sha256,
            } => Self::Trimmed {
                offset: *offset,
                len_bytes: *len_bytes,
                sha256: *sha256,
            },
            Event::Undelivered {
                id: InputId(id),
                len_bytes,
                written_bytes,
            } => Self::Undelivered {
                id: *id,
                len_bytes: *len_bytes,
                written_bytes: *written_bytes,
            },
        }
    }
}

fn input(row: &InputRow<&[u8]>, own: impl Fn(&[u8]) -> Bytes) -> InputData {
    match *row {
        InputRow::Plain { data } => InputData::Plain { data: own(data) },
        InputRow::Redacted { len_bytes } => InputData::Redacted { len_bytes },
    }
}

impl Body<&[u8]> {
    fn into_event(self, own: impl Fn(&[u8]) -> Bytes) -> Result<Event, Malformed> {
        Ok(match self {
            Self::Created { launch } => Event::Created {
                launch: Box::new((*launch).try_into()?),
                boot_id: None,
            },
            Self::CreatedInBoot { launch, boot_id } => Event::Created {
                launch: Box::new((*launch).try_into()?),
                boot_id: Some(boot_id),
            },
            Self::Registered { external } => Event::Registered {
                external: Box::new((*external).try_into()?),
            },
            Self::Started {
                process,
                executable,
                argv,
            } => Event::Started {
                process: process.into(),
                executable,
                argv,
            },
            Self::LaunchFailed { reason } => Event::LaunchFailed {
                reason,
                cause: FailureCause::Launch,
            },
            Self::LaunchInterrupted { reason } => Event::LaunchFailed {
                reason,
                cause: FailureCause::EngineDied,
            },
            Self::Identified { conversation } => Event::Identified {
                conversation: launch::conversation_id(&conversation)?,
            },
            Self::Output {
                offset,
                channel,
                data,
            } => Event::Output {
                offset,
                channel: channel.channel(),
                data: own(data),
            },
            Self::Input { data } => Event::Input {
                data: input(&data, &own),
                id: None,
            },
            Self::NamedInput { id, data } => Event::Input {
                data: input(&data, &own),
                id: Some(InputId(id)),
            },
            Self::Resized { size } => Event::Resized {
                size: size.try_into()?,
            },
            Self::Titled { title } => Event::Titled {
                title: launch::title(&title)?,
            },
            Self::Labelled { labels } => Event::Labelled {
                labels: launch::labels(&labels)?,
            },
            Self::KillRequested => Event::KillRequested,
            Self::OutputClosed { end } => Event::OutputClosed { end: end.into() },
            Self::Exited { exit, output } => Event::Exited {
                exit: exit.into(),
                output: output.into(),
            },
            Self::Completed { exit_code } => Event::Completed { exit_code },
            Self::Orphaned { reason } => Event::Orphaned {
                reason: reason.into(),
            },
            Self::Archived => Event::Archived,
            Self::Summoned => Event::Summoned,
            Self::Deleted => Event::Deleted,
            Self::Trimmed {
                offset,
                len_bytes,
                sha256,
            } => Event::Trimmed {
                offset,
                len_bytes,
                sha256,
            },
            Self::Undelivered {
                id,
                len_bytes,
                written_bytes,
            } => Event::Undelivered {
                id: InputId(id),
                len_bytes,
                written_bytes,
            },
        })
    }
}
