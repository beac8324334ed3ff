//! `Status`: the one word that records show of a phase.

use super::{Ending, Phase, Snapshot};
use crate::Exit;
use crate::session::Origin;

/// The status vocabulary. Clients throw on a word that is not in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    /// Accepted; nothing runs yet.
    Created,
    /// The process runs, here or elsewhere.
    Running,
    /// It exited with 0 and its conversation can go on.
    Idle,
    /// It exited with 0.
    Completed,
    /// It exited with another status, died of a signal nobody asked for, or never ran.
    Failed,
    /// A kill was accepted.
    Killed,
    /// Its process was lost: the outcome is unknown.
    Orphaned,
}

impl Status {
    /// Every status.
    pub const ALL: [Self; 7] = [
        Self::Created,
        Self::Running,
        Self::Idle,
        Self::Completed,
        Self::Failed,
        Self::Killed,
        Self::Orphaned,
    ];

    /// The word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Running => "running",
            Self::Idle => "idle",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Killed => "killed",
            Self::Orphaned => "orphaned",
        }
    }

    /// The status with this word.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text)
    }

    pub(super) fn of(session: &Snapshot) -> Self {
        match &session.phase {
            Phase::Created => Self::Created,
            Phase::Running { .. } | Phase::Elsewhere => Self::Running,
            Phase::Cancelled | Phase::Dying { .. } => Self::Killed,
            Phase::Orphaned { .. } => Self::Orphaned,
            Phase::Ended { ending } => Self::of_ending(ending, &session.origin),
            // Nothing shows a deleted session; what it last was is gone with it.
            Phase::Deleted => Self::Orphaned,
        }
    }

    const fn of_ending(ending: &Ending, origin: &Origin) -> Self {
        match ending {
            Ending::Exited {
                exit: Exit::Code { code: 0 },
            } => match origin {
                Origin::Launched {
                    conversation_id: Some(_),
                    ..
                } => Self::Idle,
                Origin::Launched {
                    conversation_id: None,
                    ..
                }
                | Origin::External { .. } => Self::Completed,
            },
            Ending::Reported {
                exit_code: None | Some(0),
            } => Self::Completed,
            Ending::Exited { .. } | Ending::NeverStarted { .. } | Ending::Reported { .. } => {
                Self::Failed
            }
            Ending::Killed { .. } | Ending::CalledOff => Self::Killed,
        }
    }
}

impl std::fmt::Display for Status {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
