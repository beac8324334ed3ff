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
    /// The engine, in a terminal.
    Here,
}

impl Way {
    pub(crate) const ALL: [Self; 3] = [Self::Shim, Self::ShimByPipes, Self::Here];

    pub(crate) fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|way| way.name() == text)
    }

    pub(crate) fn name(self) -> String {
        format!("{self:?}")
    }

    pub(crate) const fn mode(self) -> LaunchMode {
        match self {
            Self::Shim | Self::Here => LaunchMode::Interactive,
            Self::ShimByPipes => LaunchMode::Stream,
        }
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
    /// One of these, and which is by chance.
    OnOrLost(OrphanReason),
    /// It has ended, as it did.
    Ended,
    /// It has, or soon will have.
    Ends,
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
            Self::Nowhere | Self::Lost(_, MayHaveRun::Never) => 0..=0,
            Self::Lost(_, MayHaveRun::Perhaps) | Self::OnOrLost(_) => 0..=1,
            Self::On | Self::Ended | Self::Ends => 1..=1,
        }
    }
}

/// Every point that a session comes by on this way, and what a death there leads to.
pub(crate) fn of(way: Way) -> Vec<(&'static str, Leads)> {
    const UNSTARTED: Leads = Leads::Lost(OrphanReason::LaunchInterrupted, MayHaveRun::Never);
    let launch = [
        ("PlaceChecked", Leads::Nowhere),
        ("LaunchRecorded", UNSTARTED),
        ("BeforeSpawn", UNSTARTED),
    ];
    let by_shim = [
        ("FolderMade", UNSTARTED),
        ("ShimStarted", UNSTARTED),
        (
            "ShimGreeted",
            Leads::OnOrLost(OrphanReason::LaunchInterrupted),
        ),
        ("ProcessMade", Leads::On),
        ("StartRecorded", Leads::On),
        ("ExitHeard", Leads::Ended),
        ("OutputEndHeard", Leads::Ends),
        ("EndRecorded", Leads::Ended),
        ("EndAcknowledged", Leads::Ended),
        ("Dismissed", Leads::Ended),
    ];
    let lost = |reason| Leads::Lost(reason, MayHaveRun::Perhaps);
    let here = [
        ("ProcessMade", lost(OrphanReason::LaunchInterrupted)),
        ("StartRecorded", lost(OrphanReason::EngineDied)),
        ("ExitHeard", lost(OrphanReason::EngineDied)),
        ("OutputEndHeard", lost(OrphanReason::EngineDied)),
        ("EndRecorded", Leads::Ended),
        ("Dismissed", Leads::Ended),
    ];
    let mut table = launch.to_vec();
    match way {
        Way::Shim => table.extend(by_shim),
        Way::ShimByPipes => {
            table.extend(by_shim);
            table.push(("FirstMessageGiven", Leads::On));
        }
        Way::Here => table.extend(here),
    }
    table
}
