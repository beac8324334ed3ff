//! The steps of a session's life between which a program may die, for tests that do something there.
//!
//! What each leads to when the program ends there is in docs/reliability.md, and tried by
//! `tests/crash_points/main.rs`. Nothing but the program that opens an engine can set what is done at
//! them: no variable, no file.

use std::fmt;
use std::sync::Arc;

use coven_core::SessionId;
use coven_harness::shim::LaunchStep;

/// A place on the way of a session, from its launch to its end.
#[doc(hidden)]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Waypoint {
    /// An engine is opening its home: what is live on record was read, and nothing was done to it.
    Recovering,
    /// A session is being taken over.
    TakenOver,
    /// What became of a session that could not be is on record.
    LossRecorded,
    /// The paths were checked; the working directory is not open yet, and nothing is on record.
    PlaceChecked,
    /// There is a folder for its shim, and nothing is on record.
    FolderMade,
    /// The launch is on record, and nothing else was done.
    LaunchRecorded,
    /// The directory is held; the process does not run yet.
    BeforeSpawn {
        /// Whose process.
        session: SessionId,
    },
    /// Its shim is started, and not told what to run.
    ShimStarted,
    /// Its shim has greeted us, and has been told, or is just being told, what to run.
    ShimGreeted,
    /// The process runs, which is not on record yet.
    ProcessMade,
    /// Its shim has its first message.
    FirstMessageGiven,
    /// The start is on record, and nobody was told yet.
    StartRecorded,
    /// It was asked to be killed: that is not on record, and nobody was signalled.
    KillAsked,
    /// Its processes are about to be signalled; the kill is on record, or on its way there.
    Signalling,
    /// The kill is on record, and who asked was not told; its processes are being signalled.
    KillRecorded,
    /// Nobody is left that was to be killed, and its end is not on record.
    KillDone,
    /// Its exit was heard, and is not on record.
    ExitHeard,
    /// The end of its output was, and is not.
    OutputEndHeard,
    /// The session's last event is on record, which its shim does not know.
    EndRecorded,
    /// That is being said to the shim.
    EndAcknowledged,
    /// Nothing is left of its shim.
    Dismissed,
}

impl From<LaunchStep> for Waypoint {
    fn from(step: LaunchStep) -> Self {
        match step {
            LaunchStep::ShimStarted => Self::ShimStarted,
            LaunchStep::ShimGreeted => Self::ShimGreeted,
        }
    }
}

/// What a test does at a [`Waypoint`]. It may block at the first, and right before the spawn.
#[doc(hidden)]
#[derive(Clone, Default)]
pub struct OnTheWay(Option<Arc<Action>>);

type Action = dyn Fn(&Waypoint) + Send + Sync;

impl OnTheWay {
    /// Calls `action` at every waypoint.
    pub fn call(action: impl Fn(&Waypoint) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(action)))
    }

    pub(crate) fn reached(&self, waypoint: &Waypoint) {
        if let Some(action) = &self.0 {
            action(waypoint);
        }
    }
}

impl fmt::Debug for OnTheWay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "set" } else { "unset" })
    }
}
