//! Power that is cut, or a disk that fails, at every single operation of a story, or one soon after
//! the other; and what the log has then.
//!
//! The disk is a model: what was written and not synced yet may be there after a cut or not, and a
//! write may be torn. Folders are real, so that a cut never loses a rename.

mod disk;
mod import;
mod story;

use std::ops::Range;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};
use rustix::io::Errno;

use crate::file::journal_path;
use crate::test_support::Home;
use disk::{Mishap, ModelDisk, Survival};
use story::{Log, Story, Told};

/// Lives a story on a disk that something befalls, and says what was told meanwhile. It stops where
/// the power is cut.
async fn live(home: &Home, story: &Story, mishap: Option<Mishap>) -> (ModelDisk, Told) {
    let disk = ModelDisk::new(mishap);
    let mut told = Told::default();
    let lived = async {
        let mut log = Log::open(home, &disk, story).await;
        for step in &story.steps {
            log.live(step, &mut told).await;
        }
        log.close().await;
    };
    tokio::select! {
        biased;
        () = disk.cut() => {}
        () = lived => {}
    }
    disk.settle();
    (disk, told)
}

/// What a story's cold file has at most and does not use once everything is given back: the story frees
/// several times as much.
const MAX_UNUSED_BYTES: u64 = 32 << 10;

/// Of the operations of a story whose disk is full, which has some megabytes, one in so many is tried where
/// all would take minutes. They take turns with what is left after a cut, and with which fault.
const SOME_WHEN_FULL: usize = 7;

/// The operations that a story takes of the disk, give or take those of chores in the background.
async fn operations(story: &Story) -> u64 {
    let home = Home::new();
    let (disk, told) = live(&home, story, None).await;
    story::check(&home, &told, "without a mishap").await;
    assert!(disk.holes(&home.path()) > 0);
    let given_back = |unused_bytes: &u64| *unused_bytes < MAX_UNUSED_BYTES;
    assert!(
        told.unused_bytes.iter().all(given_back),
        "it gives back what it does not use, and has {:?}",
        told.unused_bytes
    );
    disk.operations()
}

/// Lives a story until `mishap`, and looks whether all that was acknowledged is there, and nothing
/// by halves.
async fn survive(story: &Story, mishap: Mishap) {
    let home = Home::new();
    let (_, told) = live(&home, story, Some(mishap)).await;
    story::check(&home, &told, &format!("{mishap:?}")).await;
}

#[tokio::test]
async fn whatever_operation_the_power_is_cut_at_what_was_acked_is_there_and_nothing_by_halves() {
    let story = story::everything();
    for at in 0..operations(&story).await {
        let survivals = [
            Survival::Nothing,
            Survival::All,
            Survival::Some { seed: at },
        ];
        for survival in survivals {
            survive(&story, Mishap::Cut { at, survival }).await;
        }
    }
}

#[tokio::test]
async fn whatever_a_cut_leaves_of_the_holes_in_the_journal_what_was_acked_is_there() {
    let story = story::short_of_room();
    let home = Home::new();
    let (disk, _) = live(&home, &story, None).await;
    let holes = disk.holes(&journal_path(&home.path()));
    assert!(holes > 2, "{holes}");
    for at in 0..operations(&story).await {
        let survival = match at % 3 {
            0 => Survival::All,
            _ => Survival::Some { seed: at },
        };
        survive(&story, Mishap::Cut { at, survival }).await;
    }
}

/// The operations of a story that come when its disk is full.
async fn operations_when_full(story: &Story) -> Range<u64> {
    let home = Home::new();
    let (disk, told) = live(&home, story, None).await;
    story::check(&home, &told, "without a mishap").await;
    disk.full_since().expect("it became full")..disk.operations()
}

/// Cuts the power at every so many operations of a fold in parts.
async fn cut_a_fold_in_parts(step: usize) {
    let story = story::folded_in_parts();
    for at in operations_when_full(&story).await.step_by(step) {
        let survival = match at % 3 {
            0 => Survival::All,
            _ => Survival::Some { seed: at },
        };
        survive(&story, Mishap::Cut { at, survival }).await;
    }
}

/// Fails every so many operations of one.
async fn fail_a_fold_in_parts(step: usize) {
    let story = story::folded_in_parts();
    for at in operations_when_full(&story).await.step_by(step) {
        let with = [Errno::IO, Errno::NOSPC][usize::from(at.is_multiple_of(2))];
        survive(&story, Mishap::Fault { at, with }).await;
    }
}

#[tokio::test]
async fn wherever_a_fold_in_parts_is_cut_short_what_was_acked_is_there() {
    cut_a_fold_in_parts(SOME_WHEN_FULL).await;
}

#[tokio::test]
async fn wherever_a_fold_in_parts_fails_nothing_is_lost_and_it_goes_on_by_itself() {
    fail_a_fold_in_parts(SOME_WHEN_FULL).await;
}

#[tokio::test]
#[ignore = "takes minutes: the same at every operation"]
async fn whatever_operation_of_a_fold_in_parts_the_power_is_cut_at_what_was_acked_is_there() {
    cut_a_fold_in_parts(1).await;
}

#[tokio::test]
#[ignore = "takes minutes: the same at every operation"]
async fn whatever_operation_of_a_fold_in_parts_fails_nothing_is_lost_and_it_goes_on_by_itself() {
    fail_a_fold_in_parts(1).await;
}

#[tokio::test]
async fn whatever_operation_fails_nothing_is_lost_and_it_goes_on_by_itself() {
    let story = story::everything();
    for at in 0..operations(&story).await {
        for with in [Errno::IO, Errno::NOSPC] {
            survive(&story, Mishap::Fault { at, with }).await;
        }
    }
}

/// Says how many stories by lot are gone through, operation by operation.
const STORIES: &str = "COVEN_STORE_STORIES";

/// `COVEN_STORE_STORIES=100 cargo test -p coven-store --lib by_lot` goes through as many.
#[tokio::test]
async fn whatever_operation_of_stories_by_lot_the_power_is_cut_at_nothing_acked_is_lost() {
    let stories = std::env::var(STORIES).map_or(3_u8, |text| text.parse().expect("a number"));
    for seed in 0..stories {
        let lot = TestRng::from_seed(RngAlgorithm::ChaCha, &[seed; 32]);
        let mut runner = TestRunner::new_with_rng(ProptestConfig::default(), lot);
        let story = story::any()
            .new_tree(&mut runner)
            .expect("a story")
            .current();
        let (disk, _) = live(&Home::new(), &story, None).await;
        for at in 0..disk.operations() {
            let survival = Survival::Some {
                seed: at ^ (u64::from(seed) << 32),
            };
            survive(&story, Mishap::Cut { at, survival }).await;
        }
    }
}

/// Fails every sync of a story in turn, and cuts the power so many operations later.
async fn fail_and_cut(distances: impl Fn(u64) -> Vec<u64>) {
    let story = story::everything();
    let home = Home::new();
    let (disk, _) = live(&home, &story, None).await;
    for sync in 0..disk.syncs() {
        for operations in distances(sync) {
            survive(&story, Mishap::FaultThenCut { sync, operations }).await;
        }
    }
}

#[tokio::test]
async fn a_sync_that_failed_is_not_taken_for_done_when_the_power_is_cut_soon_after() {
    fail_and_cut(|sync| vec![1 + sync % 3, 4 + sync % 5, 9 + sync % 7, 16 + sync % 24]).await;
}

#[tokio::test]
#[ignore = "takes minutes: the same with the power cut at each of many operations"]
async fn a_sync_that_failed_is_not_taken_for_done_whenever_the_power_is_cut() {
    fail_and_cut(|_| (1..60).collect()).await;
}

proptest! {
    #[test]
    fn whatever_happened_before_a_cut_loses_nothing_that_was_acked(
        story in story::any(),
        at in 0..400_u64,
        seed: u64,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let survival = Survival::Some { seed };
        runtime.expect("a runtime").block_on(survive(&story, Mishap::Cut { at, survival }));
    }
}
