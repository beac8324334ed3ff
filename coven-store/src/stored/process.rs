//! A process and how it ended, as stored: events and records have it.

use coven_core::{Exit, OrphanReason, OutputEnd, ProcessFacts};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
pub(super) struct ProcessRow {
    pid: u32,
    start_time: u64,
    boot_id: String,
    shim_pid: Option<u32>,
}

#[derive(Serialize, Deserialize)]
pub(super) enum ExitRow {
    Code { code: i32 },
    Signal { signal: i32 },
}

/// How a process ended, where that may not have been seen. What was is the same bytes as in [`ExitRow`].
#[derive(Serialize, Deserialize)]
pub(super) enum DeathRow {
    Code { code: i32 },
    Signal { signal: i32 },
    Unseen,
}

#[derive(Serialize, Deserialize)]
pub(super) enum OutputEndRow {
    Complete,
    Cut,
}

#[derive(Serialize, Deserialize)]
pub(super) enum OrphanReasonRow {
    EngineDied,
    Reboot,
    Shutdown,
    LaunchInterrupted,
    Imported,
    ShimDied,
}

impl From<&ProcessFacts> for ProcessRow {
    fn from(process: &ProcessFacts) -> Self {
        Self {
            pid: process.pid,
            start_time: process.start_time,
            boot_id: process.boot_id.clone(),
            shim_pid: process.shim_pid,
        }
    }
}

impl From<ProcessRow> for ProcessFacts {
    fn from(row: ProcessRow) -> Self {
        Self {
            pid: row.pid,
            start_time: row.start_time,
            boot_id: row.boot_id,
            shim_pid: row.shim_pid,
        }
    }
}

impl From<Exit> for ExitRow {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Code { code } => Self::Code { code },
            Exit::Signal { signal } => Self::Signal { signal },
        }
    }
}

impl From<ExitRow> for Exit {
    fn from(row: ExitRow) -> Self {
        match row {
            ExitRow::Code { code } => Self::Code { code },
            ExitRow::Signal { signal } => Self::Signal { signal },
        }
    }
}

impl From<Option<Exit>> for DeathRow {
    fn from(exit: Option<Exit>) -> Self {
        match exit {
            Some(Exit::Code { code }) => Self::Code { code },
            Some(Exit::Signal { signal }) => Self::Signal { signal },
            None => Self::Unseen,
        }
    }
}

impl From<DeathRow> for Option<Exit> {
    fn from(row: DeathRow) -> Self {
        match row {
            DeathRow::Code { code } => Some(Exit::Code { code }),
            DeathRow::Signal { signal } => Some(Exit::Signal { signal }),
            DeathRow::Unseen => None,
        }
    }
}

impl From<OutputEnd> for OutputEndRow {
    fn from(end: OutputEnd) -> Self {
        match end {
            OutputEnd::Complete => Self::Complete,
            OutputEnd::Cut => Self::Cut,
        }
    }
}

impl From<OutputEndRow> for OutputEnd {
    fn from(row: OutputEndRow) -> Self {
        match row {
            OutputEndRow::Complete => Self::Complete,
            OutputEndRow::Cut => Self::Cut,
        }
    }
}

impl From<OrphanReason> for OrphanReasonRow {
    fn from(reason: OrphanReason) -> Self {
        match reason {
            OrphanReason::EngineDied => Self::EngineDied,
            OrphanReason::Reboot => Self::Reboot,
            OrphanReason::Shutdown => Self::Shutdown,
            OrphanReason::LaunchInterrupted => Self::LaunchInterrupted,
            OrphanReason::Imported => Self::Imported,
            OrphanReason::ShimDied => Self::ShimDied,
        }
    }
}

impl From<OrphanReasonRow> for OrphanReason {
    fn from(row: OrphanReasonRow) -> Self {
        match row {
            OrphanReasonRow::EngineDied => Self::EngineDied,
            OrphanReasonRow::Reboot => Self::Reboot,
            OrphanReasonRow::Shutdown => Self::Shutdown,
            OrphanReasonRow::LaunchInterrupted => Self::LaunchInterrupted,
            OrphanReasonRow::Imported => Self::Imported,
            OrphanReasonRow::ShimDied => Self::ShimDied,
        }
    }
}
