//! Power that is cut, or a disk that fails, at every single operation of a story, or one soon after
//! the other; and what the log has then.
//!
//! The disk is a model: what was written and not synced yet may be there after a cut or not, and a
//! write may be torn; a file that was renamed or removed may have the name it had. That one was made is
//! never lost.

mod by_lot;
mod disk;
mod ending;
mod failing;
mod import;
mod length;
mod lot;
mod older;
mod recovery;
mod salvage;
mod story;

use rustix::io::Errno;

use crate::file::journal_path;
use crate::test_support::Home;
use disk::{Failed, Mishap, ModelDisk, Survival};
use length::{LIVES, Length, Numbers};
use lot::{every_operation, lot};
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
    if story.is_counted_from_its_last_step() {
        disk.wait();
    }
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
    let mut told = log.told();
    told.was_cut |= disk.is_cut();
    disk.settle();
    (disk, told)
}

/// What a story's cold file has at most and does not use once everything is given back: the story frees
/// several times as much.
const MAX_UNUSED_BYTES: u64 = 32 << 10;

/// Of the operations of a story whose disk is full, which has some megabytes, one in so many is tried where
/// all would take minutes. They take turns with what is left after a cut, and with which fault.
const SOME_WHEN_FULL: usize = 11;

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
    let mut operations = length.operations();
    while let Some(at) = operations.pick() {
        for survival in every_survival(at) {
            let seen = survive(&story, length, Mishap::Cut { at, survival }).await;
            operations.befell(seen.lives);
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
    cuts(&story, length, length.operations()).await;
}

/// All of what was not synced, or a choice by lot, in turns: of operations a multiple of three apart, it is the
/// same of all.
fn all_or_some(at: u64) -> Survival {
    match at % 3 {
        0 => Survival::All,
        _ => Survival::Some { seed: lot(at) },
    }
}

/// Whatever there may be left of what was not synced.
fn every_survival(at: u64) -> [Survival; 3] {
    let some = Survival::Some { seed: lot(at) };
    [Survival::Nothing, Survival::All, some]
}

/// Either fault, in turns. Of operations an odd number apart, each is met by both.
fn either_fault(at: u64) -> Errno {
    FAULTS[usize::from(at.is_multiple_of(2))]
}

const FAULTS: [Errno; 2] = [Errno::IO, Errno::NOSPC];

/// Cuts the power at each of the operations: what is left takes turns, or is each there may be.
async fn cuts(story: &Story, length: Length, mut operations: Numbers) {
    while let Some(at) = operations.pick() {
        for survival in survivals(at) {
            let seen = survive(story, length, Mishap::Cut { at, survival }).await;
            operations.befell(seen.lives);
        }
    }
}

/// Fails each of the operations: with either fault in turns, or with both.
async fn faults(story: &Story, length: Length, mut operations: Numbers) {
    while let Some(at) = operations.pick() {
        for with in faults_of(at) {
            let seen = survive(story, length, Mishap::Fault { at, with }).await;
            operations.befell(seen.lives);
        }
    }
}

/// What is tried of what a cut leaves.
fn survivals(at: u64) -> Vec<Survival> {
    match every_operation() {
        true => every_survival(at).to_vec(),
        false => vec![all_or_some(at)],
    }
}

/// What is tried of the faults.
fn faults_of(at: u64) -> Vec<Errno> {
    match every_operation() {
        true => FAULTS.to_vec(),
        false => vec![either_fault(at)],
    }
}

/// Those of the operations of a story that come when its disk is full which are tried, and how long it is.
async fn operations_when_full(story: &Story) -> (Numbers, Length) {
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
    let operations = length.operations().from(full_since);
    (operations.one_in(SOME_WHEN_FULL), length)
}

#[tokio::test]
async fn wherever_a_fold_in_parts_is_cut_short_what_was_acked_is_there() {
    let story = story::folded_in_parts();
    let (when_full, length) = operations_when_full(&story).await;
    cuts(&story, length, when_full).await;
}

#[tokio::test]
async fn wherever_a_fold_in_parts_fails_nothing_is_lost_and_it_goes_on_by_itself() {
    let story = story::folded_in_parts();
    let (when_full, length) = operations_when_full(&story).await;
    faults(&story, length, when_full).await;
}

/// Fails every sync of a story in turn, and cuts the power so many operations later.
#[tokio::test]
async fn a_sync_that_failed_is_not_taken_for_done_when_the_power_is_cut_soon_after() {
    let story = story::everything();
    let length = Length::of(&story).await;
    let mut syncs = length.syncs();
    while let Some(sync) = syncs.pick() {
        let some = [1 + sync % 3, 4 + sync % 5, 9 + sync % 7, 16 + sync % 24];
        let distances: Vec<u64> = match every_operation() {
            true => (1..60).collect(),
            false => some.to_vec(),
        };
        for operations in distances {
            let mishap = Mishap::FaultThenCut { sync, operations };
            syncs.befell(survive(&story, length, mishap).await.lives);
        }
    }
}

/// The same where whoever met it closed the log, and another opens it, who knows nothing of it.
#[tokio::test]
async fn a_sync_that_failed_as_a_log_was_closed_is_not_taken_for_done_by_who_opens_it() {
    let story = story::reopened();
    let length = Length::of(&story).await;
    let mut syncs = length.syncs();
    while let Some(sync) = syncs.pick() {
        let distances: Vec<u64> = match every_operation() {
            true => (1..30).collect(),
            false => [3, 5, 7, 9].map(|some| some + sync % 2).to_vec(),
        };
        for operations in distances {
            let mishap = Mishap::FaultThenCut { sync, operations };
            syncs.befell(survive(&story, length, mishap).await.lives);
        }
    }
}
