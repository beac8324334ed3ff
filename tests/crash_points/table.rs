//! What each death leads to. docs/reliability.md says the same in words.

use std::ops::RangeInclusive;

use coven::{LaunchMode, OrphanReason};

/// Who holds the session's process, and how it is wired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// A shim, in a terminal.
    Shim,
    /// A shim, by pipes: it gets a first message.
    ShimByPipes,
    /// A shim, in a terminal that it reads nothing from.
    ShimForOutput,
    /// The engine, in a terminal.
    Here,
    /// A shim, in a terminal, until it is killed.
    KilledInShim,
    /// The engine, in a terminal, until it is killed.
    KilledHere,
}

impl Way {
    pub(crate) const ALL: [Self; 6] = [
        Self::Shim,
        Self::ShimByPipes,
        Self::ShimForOutput,
        Self::Here,
        Self::KilledInShim,
        Self::KilledHere,
    ];

    pub(crate) fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|way| way.name() == text)
    }

    pub(crate) fn name(self) -> String {
        format!("{self:?}")
    }

    pub(crate) const fn mode(self) -> LaunchMode {
        match self {
            Self::Shim | Self::Here | Self::KilledInShim | Self::KilledHere => {
                LaunchMode::Interactive
            }
            Self::ShimByPipes => LaunchMode::Stream,
            Self::ShimForOutput => LaunchMode::NonInteractive,
        }
    }

    /// Whether its end is a kill.
    pub(crate) const fn is_killed(self) -> bool {
        matches!(self, Self::KilledInShim | Self::KilledHere)
    }
}

/// What the next engine finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leads {
    /// There is no session.
    Nowhere,
    /// It is orphaned for this reason, and may have run.
    Lost(OrphanReason, MayHaveRun),
    /// It is taken over, and goes on.
    On,
    /// It never ran, which is on record.
    NeverRan,
    /// One of these, and which is by chance.
    OnOrNeverRan,
    /// It has ended, as it did.
    Ended,
    /// It has, or soon will have.
    Ends,
    /// It was killed, or soon will have been.
    Killed,
    /// It was killed; or, where that was not on record, it is taken over, and goes on.
    OnOrKilled,
    /// It was killed; or, where that was not on record, it is orphaned for this reason.
    KilledOrLost(OrphanReason),
    /// It was killed; or, where that was not on record, it has ended by the same signal.
    KilledOrEnded,
}

/// Whether the agent of a session that is lost ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MayHaveRun {
    Never,
    Perhaps,
}

impl Leads {
    /// How often its agent has run.
    pub(crate) const fn runs(self) -> RangeInclusive<usize> {
        match self {
            Self::Nowhere | Self::NeverRan | Self::Lost(_, MayHaveRun::Never) => 0..=0,
            Self::Lost(_, MayHaveRun::Perhaps) | Self::OnOrNeverRan => 0..=1,
            Self::On
            | Self::Ended
            | Self::Ends
            | Self::Killed
            | Self::OnOrKilled
            | Self::KilledOrLost(_)
            | Self::KilledOrEnded => 1..=1,
        }
    }
}

/// Every point that a session comes by on this way, and what a death there leads to.
pub(crate) fn of(way: Way) -> Vec<(&'static str, Leads)> {
    const UNSTARTED: Leads = Leads::Lost(OrphanReason::LaunchInterrupted, MayHaveRun::Never);
    let launch = [
        ("Recovering", Leads::Nowhere),
        ("PlaceChecked", Leads::Nowhere),
    ];
    let started_by_shim = [
        ("FolderMade", Leads::Nowhere),
        ("LaunchRecorded", Leads::NeverRan),
        ("BeforeSpawn", Leads::NeverRan),
        ("ShimStarted", Leads::NeverRan),
        ("ShimGreeted", Leads::OnOrNeverRan),
        ("ProcessMade", Leads::On),
        ("StartRecorded", Leads::On),
    ];
    let ended_by_shim = [
        ("ExitHeard", Leads::Ended),
        ("OutputEndHeard", Leads::Ends),
        ("EndRecorded", Leads::Ended),
        ("EndAcknowledged", Leads::Ended),
        ("Dismissed", Leads::Ended),
    ];
    let lost = |reason| Leads::Lost(reason, MayHaveRun::Perhaps);
    let started_here = [
        ("LaunchRecorded", UNSTARTED),
        ("BeforeSpawn", UNSTARTED),
        ("ProcessMade", lost(OrphanReason::LaunchInterrupted)),
        ("StartRecorded", lost(OrphanReason::EngineDied)),
    ];
    let ended_here = [
        ("ExitHeard", lost(OrphanReason::EngineDied)),
        ("OutputEndHeard", lost(OrphanReason::EngineDied)),
        ("EndRecorded", Leads::Ended),
        ("Dismissed", Leads::Ended),
    ];
    let mut table = launch.to_vec();
    let killed_in_shim = [
        ("KillAsked", Leads::On),
        ("Signalling", Leads::OnOrKilled),
        ("KillRecorded", Leads::Killed),
        ("KillDone", Leads::KilledOrEnded),
        ("ExitHeard", Leads::KilledOrEnded),
        ("OutputEndHeard", Leads::KilledOrEnded),
        ("EndRecorded", Leads::Killed),
        ("EndAcknowledged", Leads::Killed),
        ("Dismissed", Leads::Killed),
    ];
    let killed_or_lost = Leads::KilledOrLost(OrphanReason::EngineDied);
    let killed_here = [
        ("KillAsked", lost(OrphanReason::EngineDied)),
        ("Signalling", killed_or_lost),
        ("KillRecorded", Leads::Killed),
        ("KillDone", killed_or_lost),
        ("ExitHeard", killed_or_lost),
        ("OutputEndHeard", killed_or_lost),
        ("EndRecorded", Leads::Killed),
        ("Dismissed", Leads::Killed),
    ];
    match way {
        Way::Shim | Way::ShimForOutput => {
            table.extend(started_by_shim);
            table.extend(ended_by_shim);
        }
        Way::ShimByPipes => {
            table.extend(started_by_shim);
            table.extend(ended_by_shim);
            table.push(("FirstMessageGiven", Leads::On));
        }
        Way::Here => {
            table.extend(started_here);
            table.extend(ended_here);
        }
        Way::KilledInShim => {
            table.extend(started_by_shim);
            table.extend(killed_in_shim);
        }
        Way::KilledHere => {
            table.extend(started_here);
            table.extend(killed_here);
        }
    }
    table
}
