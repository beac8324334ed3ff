//! A record, as stored. Its session's id is its slot's.

use std::sync::Arc;

use coven_core::{
    Ending, Origin, OutputState, Phase, Profile, Record, Seq, Session, SessionId, Snapshot,
    Timestamp,
};
use serde::{Deserialize, Serialize};

use super::Malformed;
use super::later::LaterCount;
use super::launch::{self, ModeRow, SizeRow};
use super::process::{DeathRow, ExitRow, OrphanReasonRow, OutputEndRow, ProcessRow};

/// A record without its session's id.
#[derive(Serialize, Deserialize)]
pub(crate) struct RecordRow {
    first_seq: u64,
    last_seq: u64,
    created_at: i64,
    updated_at: i64,
    ended_at: Option<i64>,
    archived_at: Option<i64>,
    harness: String,
    root: String,
    title: String,
    labels: Vec<String>,
    output_bytes: u64,
    archived: bool,
    phase: PhaseRow,
    origin: OriginRow,
    trimmed_bytes: u64,
    undelivered_inputs: LaterCount,
}

#[derive(Serialize, Deserialize)]
enum PhaseRow {
    Created,
    Cancelled,
    Running {
        process: ProcessRow,
        output: OutputStateRow,
    },
    Dying {
        process: ProcessRow,
        output: OutputStateRow,
    },
    Ended {
        ending: EndingRow,
    },
    Orphaned {
        reason: OrphanReasonRow,
    },
    Elsewhere,
    Deleted,
}

#[derive(Serialize, Deserialize)]
enum OutputStateRow {
    Open,
    Closed { end: OutputEndRow },
}

#[derive(Serialize, Deserialize)]
enum EndingRow {
    Exited { exit: ExitRow },
    Killed { exit: DeathRow },
    NeverStarted { reason: String },
    CalledOff,
    Reported { exit_code: Option<i32> },
}

#[derive(Serialize, Deserialize)]
enum OriginRow {
    Launched {
        cwd: String,
        /// Empty where there is no prompt.
        prompt_head: String,
        model: Option<String>,
        mode: ModeRow,
        conversation_id: Option<String>,
        identity: Option<String>,
        size: SizeRow,
        continues: Option<String>,
    },
    External {
        transcript_path: Option<String>,
    },
}

impl From<&Record> for RecordRow {
    fn from(record: &Record) -> Self {
        let session = &record.session;
        Self {
            first_seq: record.first_seq.get(),
            last_seq: record.last_seq.get(),
            created_at: record.created_at.as_nanos(),
            updated_at: record.updated_at.as_nanos(),
            ended_at: record.ended_at.map(Timestamp::as_nanos),
            archived_at: record.archived_at.map(Timestamp::as_nanos),
            harness: session.harness.as_str().to_owned(),
            root: session.root.clone(),
            title: session.title.as_str().to_owned(),
            labels: launch::labels_of(&session.labels),
            output_bytes: session.output_bytes,
            archived: session.archived,
            phase: (&session.phase).into(),
            origin: (&session.origin).into(),
            trimmed_bytes: session.trimmed_bytes,
            undelivered_inputs: LaterCount(session.undelivered_inputs),
        }
    }
}

impl RecordRow {
    /// The record of `session`.
    pub(crate) fn into_record(self, session: SessionId) -> Result<Record, Malformed> {
        let profile = Profile {
            id: session,
            phase: self.phase.into(),
            origin: self.origin.try_into()?,
            harness: launch::harness(&self.harness)?,
            root: self.root,
            title: launch::title(&self.title)?,
            labels: launch::labels(&self.labels)?,
            archived: self.archived,
            undelivered_inputs: self.undelivered_inputs.0,
        };
        let snapshot = Snapshot {
            output_bytes: self.output_bytes,
            trimmed_bytes: self.trimmed_bytes,
            profile: Arc::new(profile),
        };
        Ok(Record {
            session: Session::restore(snapshot),
            first_seq: Seq::new(self.first_seq),
            last_seq: Seq::new(self.last_seq),
            created_at: Timestamp::from_nanos(self.created_at),
            updated_at: Timestamp::from_nanos(self.updated_at),
            ended_at: self.ended_at.map(Timestamp::from_nanos),
            archived_at: self.archived_at.map(Timestamp::from_nanos),
        })
    }
}

impl From<&Phase> for PhaseRow {
    fn from(phase: &Phase) -> Self {
        match phase {
            Phase::Created => Self::Created,
            Phase::Cancelled => Self::Cancelled,
            Phase::Running { process, output } => Self::Running {
                process: process.into(),
                output: (*output).into(),
            },
            Phase::Dying { process, output } => Self::Dying {
                process: process.into(),
                output: (*output).into(),
            },
            Phase::Ended { ending } => Self::Ended {
                ending: ending.into(),
            },
            Phase::Orphaned { reason } => Self::Orphaned {
                reason: (*reason).into(),
            },
            Phase::Elsewhere => Self::Elsewhere,
            Phase::Deleted => Self::Deleted,
        }
    }
}

impl From<PhaseRow> for Phase {
    fn from(row: PhaseRow) -> Self {
        match row {
            PhaseRow::Created => Self::Created,
            PhaseRow::Cancelled => Self::Cancelled,
            PhaseRow::Running { process, output } => Self::Running {
                process: process.into(),
                output: output.into(),
            },
            PhaseRow::Dying { process, output } => Self::Dying {
                process: process.into(),
                output: output.into(),
            },
            PhaseRow::Ended { ending } => Self::Ended {
                ending: ending.into(),
            },
            PhaseRow::Orphaned { reason } => Self::Orphaned {
                reason: reason.into(),
            },
            PhaseRow::Elsewhere => Self::Elsewhere,
            PhaseRow::Deleted => Self::Deleted,
        }
    }
}

impl From<OutputState> for OutputStateRow {
    fn from(state: OutputState) -> Self {
        match state {
            OutputState::Open => Self::Open,
            OutputState::Closed { end } => Self::Closed { end: end.into() },
        }
    }
}

impl From<OutputStateRow> for OutputState {
    fn from(row: OutputStateRow) -> Self {
        match row {
            OutputStateRow::Open => Self::Open,
            OutputStateRow::Closed { end } => Self::Closed { end: end.into() },
        }
    }
}

impl From<&Ending> for EndingRow {
    fn from(ending: &Ending) -> Self {
        match ending {
            Ending::Exited { exit } => Self::Exited {
                exit: (*exit).into(),
            },
            Ending::Killed { exit } => Self::Killed {
                exit: (*exit).into(),
            },
            Ending::NeverStarted { reason } => Self::NeverStarted {
                reason: reason.clone(),
            },
            Ending::CalledOff => Self::CalledOff,
            Ending::Reported { exit_code } => Self::Reported {
                exit_code: *exit_code,
            },
        }
    }
}

impl From<EndingRow> for Ending {
    fn from(row: EndingRow) -> Self {
        match row {
            EndingRow::Exited { exit } => Self::Exited { exit: exit.into() },
            EndingRow::Killed { exit } => Self::Killed { exit: exit.into() },
            EndingRow::NeverStarted { reason } => Self::NeverStarted { reason },
            EndingRow::CalledOff => Self::CalledOff,
            EndingRow::Reported { exit_code } => Self::Reported { exit_code },
        }
    }
}

impl From<&Origin> for OriginRow {
    fn from(origin: &Origin) -> Self {
        match origin {
            Origin::Launched {
                cwd,
                prompt_head,
                model,
                mode,
                conversation_id,
                identity,
                size,
                continues,
            } => Self::Launched {
                cwd: cwd.clone(),
                prompt_head: prompt_head.clone().unwrap_or_default(),
                model: model.as_ref().map(|model| model.as_str().to_owned()),
                mode: (*mode).into(),
                conversation_id: conversation_id.as_ref().map(launch::text_of),
                identity: identity.as_ref().map(launch::text_of),
                size: (*size).into(),
                continues: continues.as_ref().map(|id| id.as_str().to_owned()),
            },
            Origin::External { transcript_path } => Self::External {
                transcript_path: transcript_path.clone(),
            },
        }
    }
}

impl TryFrom<OriginRow> for Origin {
    type Error = Malformed;

    fn try_from(row: OriginRow) -> Result<Self, Malformed> {
        Ok(match row {
            OriginRow::Launched {
                cwd,
                prompt_head,
                model,
                mode,
                conversation_id,
                identity,
                size,
                continues,
            } => Self::Launched {
                cwd,
                prompt_head: (!prompt_head.is_empty()).then_some(prompt_head),
                model: model.as_deref().map(launch::model).transpose()?,
                mode: mode.into(),
                conversation_id: conversation_id
                    .as_deref()
                    .map(launch::conversation_id)
                    .transpose()?,
                identity: identity
                    .as_deref()
                    .map(launch::conversation_id)
                    .transpose()?,
                size: size.try_into()?,
                continues: continues.as_deref().map(launch::session_id).transpose()?,
            },
            OriginRow::External { transcript_path } => Self::External { transcript_path },
        })
    }
}
