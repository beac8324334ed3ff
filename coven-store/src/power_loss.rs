//! Power that is cut, or a disk that fails, at every single operation of a story, or one soon after
//! the other; and what the log has then.
//!
//! The disk is a model: what was written and not synced yet may be there after a cut or not, and a
//! write may be torn; a file that was renamed or removed may have the name it had. That one was made is
//! never lost.

mod by_lot;
mod disk;
mod failing;
mod import;
mod lot;
mod recovery;
mod salvage;
mod story;

use std::ops::Range;

use rustix::io::Errno;

use crate::file::journal_path;
use crate::test_support::Home;
use disk::{Failed, Mishap, ModelDisk, Survival};
use lot::{lot, one_in};
use story::{Log, Story, Told};

/// Lives a story on a disk that something befalls, and says what was told meanwhile. It stops where
/// the power is cut.
async fn live(home: &Home, story: &Story, mishap: Option<Mishap>) -> (ModelDisk, Told) {
    go_on(home, story, mishap, Told::default()).await
}

/// The same with a log of which so much was told before.
async fn go_on(
    home: &Home,
    story: &Story,
    mishap: Option<Mishap>,
    told: Told,
) -> (ModelDisk, Told) {
    let disk = ModelDisk::new(mishap);
    let log = Log::new(home, &disk, story, told);
    let witnessed = async {
        log.witness().await;
        std::future::pending::<()>().await;
    };
    tokio::select! {
        biased;
        () = disk.cut() => {}
        () = witnessed => {}
        () = log.live() => {}
    }
    let told = log.told();
    disk.settle();
    (disk, told)
}

/// What a story's cold file has at most and does not use once everything is given back: the story frees
/// several times as much.
const MAX_UNUSED_BYTES: u64 = 32 << 10;

/// Of the operations of a story whose disk is full, which has some megabytes, one in so many is tried where
/// all would take minutes. They take turns with what is left after a cut, and with which fault.
const SOME_WHEN_FULL: usize = 7;

/// What is asked of a disk.
#[derive(Clone, Copy, Debug)]
struct Asked {
    operations: u64,
    syncs: u64,
    reads: u64,
}

impl Asked {
    fn of(disk: &ModelDisk) -> Self {
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
    const fn is_over_before(self, mishap: Mishap) -> bool {
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
struct Length {
    least: Asked,
    /// Mishaps are tried up to here: what comes last in a long life, as closing does, is no story's to leave out.
    most: Asked,
}

/// How often a story is lived to know how long it is.
const LIVES: u32 = 3;

/// Of the operations that only a long life comes to, one in so many is tried.
const SOME_OF_LONG_LIVES: usize = 4;

/// How often a story is lived for a mishap that does not befall it, since it was over sooner.
const TRIES: u32 = 50;

/// The same where the shortest life is over before it; and where every operation is to be tried.
const TRIES_FOR_LONG_LIVES: [u32; 2] = [1, 8];

impl Length {
    /// Of no life.
    const UNKNOWN: Self = Self {
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

    async fn of(story: &Story) -> Self {
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
    fn and_of(self, disk: &ModelDisk) -> Self {
        let asked = Asked::of(disk);
        Self {
            least: self.least.or(asked, u64::min),
            most: self.most.or(asked, u64::max),
        }
    }

    /// The operations that are tried: all that each life comes to, and some of what is last in long ones.
    fn operations(self) -> impl Iterator<Item = u64> {
        let (least, most) = (self.least.operations, self.most.operations);
        (0..least).chain(one_in(SOME_OF_LONG_LIVES, least..most))
    }

    /// How often to live on until `mishap` befalls.
    fn tries(self, mishap: Mishap) -> u32 {
        match self.least.is_over_before(mishap) {
            true => TRIES_FOR_LONG_LIVES[usize::from(lot::every_operation())],
            false => TRIES,
        }
    }
}

/// What was seen of a log that something befell, so many times.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    lives: usize,
    /// It took nothing while the disk took nothing.
    refused: usize,
}

impl Seen {
    fn add(&mut self, seen: Self) {
        self.lives += seen.lives;
        self.refused += seen.refused;
    }
}

/// Lives a story until `mishap`, and looks whether all that was acknowledged is there, and nothing
/// by halves, and whether what failed was said. The mishap befalls it, unless the story has become shorter
/// than it was, as the load of the machine makes it.
async fn survive(story: &Story, length: Length, mishap: Mishap) -> Seen {
    for _ in 0..length.tries(mishap) {
        let home = Home::new();
        let (disk, told) = live(&home, story, Some(mishap)).await;
        story::check(&home, &told, &format!("{mishap:?}")).await;
        assert!(!is_unsaid(&disk, &told), "{mishap:?} is not said");
        if disk.was_struck() {
            return Seen {
                lives: 1,
                refused: told.refused,
            };
        }
    }
    if !length.least.is_over_before(mishap) {
        let now = Length::of(story).await;
        assert!(
            now.least.is_over_before(mishap),
            "{mishap:?} does not befall it"
        );
    }
    Seen::default()
}

/// What the log depends on failed, and it did not say so.
fn is_unsaid(disk: &ModelDisk, told: &Told) -> bool {
    match disk.failed() {
        Some(Failed::Write) => {
            let may_be_unsaid = told.may_be_unsaid || disk.did_without();
            !(told.is_said || may_be_unsaid || disk.is_cut())
        }
        Some(Failed::Hole | Failed::Read) | None => false,
    }
}

#[tokio::test]
async fn a_story_gives_back_what_it_does_not_use() {
    let home = Home::new();
    let (disk, told) = live(&home, &story::everything(), None).await;
    assert!(disk.holes(&home.path()) > 0);
    let given_back = |unused_bytes: &u64| *unused_bytes < MAX_UNUSED_BYTES;
    assert!(
        told.unused_bytes.iter().all(given_back),
        "it gives back what it does not use, and has {:?}",
        told.unused_bytes
    );
}

#[tokio::test]
async fn whatever_operation_the_power_is_cut_at_what_was_acked_is_there_and_nothing_by_halves() {
    let story = story::everything();
    let length = Length::of(&story).await;
    for at in length.operations() {
        let survivals = [
            Survival::Nothing,
            Survival::All,
            Survival::Some { seed: lot(at) },
        ];
        for survival in survivals {
            survive(&story, length, Mishap::Cut { at, survival }).await;
        }
    }
}

#[tokio::test]
async fn whatever_a_cut_leaves_of_the_holes_in_the_journal_what_was_acked_is_there() {
    let story = story::short_of_room();
    let mut most_holes = 0;
    // Whoever asks for room is told that there is none, so many times: now and then that is all the folder.
    for _ in 0..LIVES {
        let home = Home::new();
        let (disk, _) = live(&home, &story, None).await;
        most_holes = most_holes.max(disk.holes(&journal_path(&home.path())));
    }
    assert!(most_holes > 2, "{most_holes}");
    let length = Length::of(&story).await;
    for at in length.operations() {
        let survival = all_or_some(at);
        survive(&story, length, Mishap::Cut { at, survival }).await;
    }
}

/// All of what was not synced, or a choice by lot, in turns: of operations a multiple of three apart, it is the
/// same of all.
fn all_or_some(at: u64) -> Survival {
    match at % 3 {
        0 => Survival::All,
        _ => Survival::Some { seed: lot(at) },
    }
}

/// Either fault, in turns. Of operations an odd number apart, each is met by both.
fn either_fault(at: u64) -> Errno {
    [Errno::IO, Errno::NOSPC][usize::from(at.is_multiple_of(2))]
}

/// The operations of a story that come when its disk is full, and how long it is.
async fn operations_when_full(story: &Story) -> (Range<u64>, Length) {
    let mut full_since = 0;
    let mut length = Length::UNKNOWN;
    for _ in 0..LIVES {
        let home = Home::new();
        let (disk, told) = live(&home, story, None).await;
        story::check(&home, &told, "without a mishap").await;
        let since = disk.full_since().expect("it became full");
        full_since = full_since.max(since);
        length = length.and_of(&disk);
    }
    (full_since..length.most.operations, length)
}

#[tokio::test]
async fn wherever_a_fold_in_parts_is_cut_short_what_was_acked_is_there() {
    let story = story::folded_in_parts();
    let (when_full, length) = operations_when_full(&story).await;
    for at in one_in(SOME_WHEN_FULL, when_full) {
        let survival = all_or_some(at);
        survive(&story, length, Mishap::Cut { at, survival }).await;
    }
}

#[tokio::test]
async fn wherever_a_fold_in_parts_fails_nothing_is_lost_and_it_goes_on_by_itself() {
    let story = story::folded_in_parts();
    let (when_full, length) = operations_when_full(&story).await;
    for at in one_in(SOME_WHEN_FULL, when_full) {
        let with = either_fault(at);
        survive(&story, length, Mishap::Fault { at, with }).await;
    }
}

/// Fails every sync of a story in turn, and cuts the power so many operations later.
#[tokio::test]
async fn a_sync_that_failed_is_not_taken_for_done_when_the_power_is_cut_soon_after() {
    let story = story::everything();
    let length = Length::of(&story).await;
    for sync in 0..length.most.syncs {
        let some = [1 + sync % 3, 4 + sync % 5, 9 + sync % 7, 16 + sync % 24];
        let distances: Vec<u64> = match lot::every_operation() {
            true => (1..60).collect(),
            false => some.to_vec(),
        };
        for operations in distances {
            survive(&story, length, Mishap::FaultThenCut { sync, operations }).await;
        }
    }
}

/// The same where whoever met it closed the log, and another opens it, who knows nothing of it.
#[tokio::test]
async fn a_sync_that_failed_as_a_log_was_closed_is_not_taken_for_done_by_who_opens_it() {
    let story = story::reopened();
    let length = Length::of(&story).await;
    for sync in 0..length.most.syncs {
        let distances: Vec<u64> = match lot::every_operation() {
            true => (1..30).collect(),
            false => [3, 5, 7, 9].map(|some| some + sync % 2).to_vec(),
        };
        for operations in distances {
            survive(&story, length, Mishap::FaultThenCut { sync, operations }).await;
        }
    }
}
