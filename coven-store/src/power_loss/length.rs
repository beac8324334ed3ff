//! How long a story is, and what of it is tried: up to the end of the longest life there is.

use super::disk::{Mishap, ModelDisk};
use super::lot::{every_operation, lot};
use super::{live, story};
use crate::power_loss::story::Story;
use crate::test_support::Home;

/// How often a story is lived to know how long it is.
pub(super) const LIVES: u32 = 3;

/// Of the operations that only a long life comes to, one in so many is tried.
const SOME_OF_LONG_LIVES: usize = 5;

/// Later and later operations are tried until so many in a row come to no life, whose lives all ended whole.
const LAST_IN_VAIN: u32 = 3;

/// How often a story is lived for a mishap that does not befall it, since it was over sooner.
const TRIES: u32 = 50;

/// The same where the shortest life is over before it; and where every operation is to be tried.
const TRIES_FOR_LONG_LIVES: [u32; 2] = [1, 8];

/// What is asked of a disk.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    pub(super) operations: u64,
    syncs: u64,
    reads: u64,
}

impl Asked {
    pub(super) fn of(disk: &ModelDisk) -> Self {
        Self {
            operations: disk.operations(),
            syncs: disk.syncs(),
            reads: disk.reads(),
        }
    }

    /// What `choose` chooses of each.
    fn or(self, other: Self, choose: fn(u64, u64) -> u64) -> Self {
        Self {
            operations: choose(self.operations, other.operations),
            syncs: choose(self.syncs, other.syncs),
            reads: choose(self.reads, other.reads),
        }
    }

    /// Whether all this is over before the mishap.
    pub(super) const fn is_over_before(self, mishap: Mishap) -> bool {
        match mishap {
            Mishap::Cut { at, .. } | Mishap::Fault { at, .. } | Mishap::Failing { at, .. } => {
                self.operations <= at
            }
            Mishap::FaultThenCut { sync, .. } => self.syncs <= sync,
            Mishap::Unreadable { read } => self.reads <= read,
        }
    }
}

/// What a story takes of the disk in a few lives. Chores in the background make it more or less.
#[derive(Clone, Copy, Debug)]
pub(super) struct Length {
    pub(super) least: Asked,
    /// The longest life that was seen; there may be a longer one.
    pub(super) most: Asked,
}

impl Length {
    /// Of no life.
    pub(super) const UNKNOWN: Self = Self {
        least: Asked {
            operations: u64::MAX,
            syncs: u64::MAX,
            reads: u64::MAX,
        },
        most: Asked {
            operations: 0,
            syncs: 0,
            reads: 0,
        },
    };

    pub(super) async fn of(story: &Story) -> Self {
        let mut length = Self::UNKNOWN;
        for _ in 0..LIVES {
            let home = Home::new();
            let (disk, told) = live(&home, story, None).await;
            story::check(&home, &told, "without a mishap").await;
            length = length.and_of(&disk);
        }
        length
    }

    /// With one more life.
    pub(super) fn and_of(self, disk: &ModelDisk) -> Self {
        let asked = Asked::of(disk);
        Self {
            least: self.least.or(asked, u64::min),
            most: self.most.or(asked, u64::max),
        }
    }

    /// Its operations.
    pub(super) fn operations(self) -> Numbers {
        Numbers::of(self.least.operations, self.most.operations)
    }

    pub(super) fn syncs(self) -> Numbers {
        Numbers::of(self.least.syncs, self.most.syncs)
    }

    pub(super) fn reads(self) -> Numbers {
        Numbers::of(self.least.reads, self.most.reads)
    }

    /// How often to live on until `mishap` befalls.
    pub(super) fn tries(self, mishap: Mishap) -> u32 {
        match self.least.is_over_before(mishap) {
            true => TRIES_FOR_LONG_LIVES[usize::from(every_operation())],
            false => TRIES,
        }
    }
}

/// The numbers that are tried, one after the other: all that each life comes to, some of those that only a long one
/// comes to, and later ones for as long as there is a life that comes to them.
#[derive(Debug)]
pub(super) struct Numbers {
    next: u64,
    step: usize,
    least: u64,
    most: u64,
    in_vain: u32,
}

impl Numbers {
    const fn of(least: u64, most: u64) -> Self {
        Self {
            next: 0,
            step: 1,
            least,
            most,
            in_vain: 0,
        }
    }

    /// From this one on.
    pub(super) const fn from(self, next: u64) -> Self {
        Self { next, ..self }
    }

    /// One in so many of them, from one of the first on that the seed says; or each.
    pub(super) fn one_in(self, many: usize) -> Self {
        self.one_in_turns(0, many)
    }

    /// The same, where it is done again and again: of so many turns that follow one another, each begins with
    /// another one.
    pub(super) fn one_in_turns(mut self, turn: u64, many: usize) -> Self {
        if !every_operation() {
            self.next += lot(turn) % many as u64;
            self.step = many;
        }
        self
    }

    /// The next one to try, unless the story is over.
    pub(super) fn pick(&mut self) -> Option<u64> {
        if self.next >= self.most && self.in_vain >= LAST_IN_VAIN {
            return None;
        }
        let number = self.next;
        let is_of_each = number < self.least || every_operation();
        let step = match is_of_each {
            true => self.step,
            false => self.step.max(SOME_OF_LONG_LIVES),
        };
        self.next += step as u64;
        Some(number)
    }

    /// What was tried at the last one befell so many lives.
    pub(super) const fn befell(&mut self, lives: usize) {
        self.in_vain = if lives > 0 { 0 } else { self.in_vain + 1 };
    }
}
