//! Stories by lot, which something befalls.

use std::env;

use proptest::prelude::*;
use proptest::sample::Index;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestError;

use super::disk::{Mishap, Survival};
use super::lot::{every_operation, lot, runner};
use super::story::{self, Story};
use super::{Length, faults_of, live, survive};
use crate::test_support::Home;

/// Says how many stories by lot are gone through, operation by operation.
const STORIES: &str = "COVEN_STORE_STORIES";

/// Of the operations of a story by lot, one in so many fails: each twice, once for a moment and once
/// until it was seen what the log does then.
const SOME_THAT_FAIL: usize = 3;

/// `COVEN_STORE_STORIES=100 cargo test -p coven-store --lib by_lot` goes through as many.
fn stories() -> impl Iterator<Item = (u64, Story)> {
    let count = env::var(STORIES).map_or(3, |text| text.parse().expect("a number"));
    (0..count).map(|number| {
        let story = story::any().new_tree(&mut runner(number, 1));
        (number, story.expect("a story").current())
    })
}

#[tokio::test]
async fn whatever_operation_of_stories_by_lot_the_power_is_cut_at_nothing_acked_is_lost() {
    for (number, story) in stories() {
        let length = Length::of(&story).await;
        let mut operations = length.operations();
        while let Some(at) = operations.pick() {
            let survival = Survival::Some {
                seed: lot(at ^ (number << 32)),
            };
            let seen = survive(&story, length, Mishap::Cut { at, survival }).await;
            operations.befell(seen.lives);
        }
    }
}

#[tokio::test]
async fn whatever_operation_of_stories_by_lot_fails_nothing_acked_is_lost_and_it_is_said() {
    for (_, story) in stories() {
        let length = Length::of(&story).await;
        let mut operations = length.operations().one_in(SOME_THAT_FAIL);
        while let Some(at) = operations.pick() {
            for with in faults_of(at) {
                for mishap in [Mishap::Fault { at, with }, Mishap::Failing { at, with }] {
                    operations.befell(survive(&story, length, mishap).await.lives);
                }
            }
        }
    }
}

#[test]
fn whatever_happened_before_a_cut_loses_nothing_that_was_acked() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let cases = if every_operation() { 2000 } else { 150 };
    // Cut wherever it may be, as long as it is.
    let cuts = (story::any(), any::<Index>(), any::<u64>());
    let tried = runner(u64::MAX, cases).run(&cuts, |(story, at, seed)| {
        runtime.block_on(async {
            let (disk, _) = live(&Home::new(), &story, None).await;
            let at = at.index(usize::try_from(disk.operations()).expect("a story is short")) as u64;
            let length = Length::UNKNOWN.and_of(&disk);
            let survival = Survival::Some { seed };
            survive(&story, length, Mishap::Cut { at, survival }).await;
        });
        Ok(())
    });
    match tried {
        Ok(()) => {}
        Err(TestError::Fail(why, (story, at, seed))) => {
            panic!("{why}: {story:?} {at:?} {seed}")
        }
        Err(TestError::Abort(why)) => panic!("{why}"),
    }
}
