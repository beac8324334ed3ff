//! Retention: how much output is kept, and letting the rest go.
//!
//! What each session keeps is looked at ([`look`]), what is to go of it is planned ([`plan`]), and
//! trimmed piece by piece ([`prune`], [`piece`]); a task does all that now and then ([`regularly`]).
//! Sessions lose their oldest output and nothing else. What of it cannot be read ([`unreadable`]) goes
//! with the rest.

mod age;
mod look;
mod piece;
mod plan;
mod prune;
mod regularly;
mod unreadable;
mod young;

use std::time::Duration;

use coven_core::SessionId;

use crate::Error;

pub(crate) use prune::prune;
pub(crate) use regularly::regularly;

/// How much output is kept; `None` is without a limit. What is over goes, the oldest first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retention {
    /// Bytes that one session keeps at most.
    pub session_bytes: Option<u64>,
    /// Bytes that all sessions keep together at most. The output of the sessions that ended longest
    /// ago goes first, all of it; then the oldest of those that live.
    pub total_bytes: Option<u64>,
    /// How old output may be, by the wall clock.
    pub max_age: Option<Duration>,
}

impl Retention {
    /// Whether all is kept.
    pub const fn keeps_all(&self) -> bool {
        self.session_bytes.is_none() && self.total_bytes.is_none() && self.max_age.is_none()
    }
}

/// Whether pruning is only to say what it would do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pruning {
    /// It says what would go; nothing is written.
    DryRun,
    /// It lets it go.
    Real,
}

/// What went, or would go.
#[derive(Clone, Debug)]
pub struct Pruned {
    /// The budgets that were kept to.
    pub retention: Retention,
    /// The sessions that lost output, or would.
    pub sessions: Vec<PrunedSession>,
    /// Sessions that keep more than they should, and why: the others are pruned all the same.
    pub failed: Vec<(SessionId, Error)>,
}

/// What one session lost, or would lose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrunedSession {
    /// Which.
    pub id: SessionId,
    /// What people call it.
    pub title: String,
    /// Where what went began in its output.
    pub offset: u64,
    /// How many bytes went.
    pub len_bytes: u64,
    /// What of it could not be read, and went all the same.
    pub unread: Vec<Unread>,
    /// How many it still keeps, of what it had when it was looked at.
    pub kept_bytes: u64,
}

/// Output that could not be read as it went: the log is damaged there, and its `trimmed` event has a hash
/// of zeros. Where places like that are close by, what lies between them may be of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unread {
    /// Where it began in the session's output.
    pub offset: u64,
    /// How many bytes it was.
    pub len_bytes: u64,
}
