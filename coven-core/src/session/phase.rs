//! `Phase`: where a session is in its life.

use crate::{Exit, OrphanReason, OutputEnd, ProcessFacts};

/// Where a session is in its life. A phase carries only what is true in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The launch is on record; nothing runs yet.
    Created,
    /// A kill was accepted before anything ran: the launch is being called off.
    Cancelled,
    /// The harness's process runs.
    Running {
        /// Which.
        process: ProcessFacts,
        /// Whether more output may come.
        output: OutputState,
    },
    /// A kill was accepted; the death is not proved yet.
    Dying {
        /// Which.
        process: ProcessFacts,
        /// Whether more output may come.
        output: OutputState,
    },
    /// It is over, and how is known.
    Ended {
        /// How.
        ending: Ending,
    },
    /// It is over, and how is not known.
    Orphaned {
        /// How it was lost.
        reason: OrphanReason,
    },
    /// It runs elsewhere, as far as its owner has said.
    Elsewhere,
    /// It is no more.
    Deleted,
}

/// Whether more output may come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputState {
    /// It may.
    Open,
    /// It will not.
    Closed {
        /// Whether that was all.
        end: OutputEnd,
    },
}

/// How a session ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The process ended by itself.
    Exited {
        /// How.
        exit: Exit,
    },
    /// The process ended after a kill was accepted.
    Killed {
        /// How; it may have been faster than the signal. `None`: it is gone, and nobody saw how.
        exit: Option<Exit>,
    },
    /// The process provably never ran.
    NeverStarted {
        /// Why, for people.
        reason: String,
    },
    /// A kill called the launch off before the process ran.
    CalledOff,
    /// The owner of an external session said so.
    Reported {
        /// The exit code it gave, if any; absent and 0 mean success.
        exit_code: Option<i32>,
    },
}

/// A phase's name, without what it carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // each is the variant of `Phase` with the same name
pub enum PhaseName {
    /// Before the first event.
    Absent,
    Created,
    Cancelled,
    Running,
    /// Running, its output closed.
    RunningSilent,
    Dying,
    /// Dying, its output closed.
    DyingSilent,
    Ended,
    Orphaned,
    Elsewhere,
    Deleted,
}

impl PhaseName {
    /// Every phase.
    pub const ALL: [Self; 11] = [
        Self::Absent,
        Self::Created,
        Self::Cancelled,
        Self::Running,
        Self::RunningSilent,
        Self::Dying,
        Self::DyingSilent,
        Self::Ended,
        Self::Orphaned,
        Self::Elsewhere,
        Self::Deleted,
    ];
}

impl Phase {
    /// Its name.
    pub const fn name(&self) -> PhaseName {
        match self {
            Self::Created => PhaseName::Created,
            Self::Cancelled => PhaseName::Cancelled,
            Self::Running {
                output: OutputState::Open,
                ..
            } => PhaseName::Running,
            Self::Running {
                output: OutputState::Closed { .. },
                ..
            } => PhaseName::RunningSilent,
            Self::Dying {
                output: OutputState::Open,
                ..
            } => PhaseName::Dying,
            Self::Dying {
                output: OutputState::Closed { .. },
                ..
            } => PhaseName::DyingSilent,
            Self::Ended { .. } => PhaseName::Ended,
            Self::Orphaned { .. } => PhaseName::Orphaned,
            Self::Elsewhere => PhaseName::Elsewhere,
            Self::Deleted => PhaseName::Deleted,
        }
    }

    /// Whether it is over for good: no process of it can be alive under our eyes.
    pub const fn has_ended(&self) -> bool {
        match self {
            Self::Ended { .. } | Self::Orphaned { .. } | Self::Deleted => true,
            Self::Created
            | Self::Cancelled
            | Self::Running { .. }
            | Self::Dying { .. }
            | Self::Elsewhere => false,
        }
    }

    /// The exit code that records show: of a process that ended by itself, or as reported for an
    /// external session. `None` after a signal and after a kill.
    pub const fn exit_code(&self) -> Option<i32> {
        match self {
            Self::Ended {
                ending:
                    Ending::Exited {
                        exit: Exit::Code { code },
                    },
            } => Some(*code),
            Self::Ended {
                ending: Ending::Reported { exit_code },
            } => *exit_code,
            Self::Ended {
                ending:
                    Ending::Exited {
                        exit: Exit::Signal { .. },
                    }
                    | Ending::Killed { .. }
                    | Ending::NeverStarted { .. }
                    | Ending::CalledOff,
            }
            | Self::Created
            | Self::Cancelled
            | Self::Running { .. }
            | Self::Dying { .. }
            | Self::Orphaned { .. }
            | Self::Elsewhere
            | Self::Deleted => None,
        }
    }

    /// The number of the signal that ended the process, whoever sent it.
    pub const fn exit_signal(&self) -> Option<i32> {
        match self {
            Self::Ended {
                ending:
                    Ending::Exited {
                        exit: Exit::Signal { signal },
                    }
                    | Ending::Killed {
                        exit: Some(Exit::Signal { signal }),
                    },
            } => Some(*signal),
            Self::Ended {
                ending:
                    Ending::Exited {
                        exit: Exit::Code { .. },
                    }
                    | Ending::Killed {
                        exit: Some(Exit::Code { .. }) | None,
                    }
                    | Ending::NeverStarted { .. }
                    | Ending::CalledOff
                    | Ending::Reported { .. },
            }
            | Self::Created
            | Self::Cancelled
            | Self::Running { .. }
            | Self::Dying { .. }
            | Self::Orphaned { .. }
            | Self::Elsewhere
            | Self::Deleted => None,
        }
    }

    /// The harness's process, while it runs.
    pub const fn process(&self) -> Option<&ProcessFacts> {
        match self {
            Self::Running { process, .. } | Self::Dying { process, .. } => Some(process),
            Self::Created
            | Self::Cancelled
            | Self::Ended { .. }
            | Self::Orphaned { .. }
            | Self::Elsewhere
            | Self::Deleted => None,
        }
    }
}
