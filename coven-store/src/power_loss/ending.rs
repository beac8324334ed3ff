//! What befalls a story while it comes to its end: in its last step, its last folds and as its log is closed. Where
//! that begins, counted from its start, no two lives agree, so it is counted from there.

use super::disk::Mishap;
use super::story::{self, Story};
use super::{Length, cuts, faults, faults_of, survive};

/// Of the operations at the end of a story, one in so many is tried, where that is not of all there is.
const SOME: usize = 5;

/// And of the end of one that has some megabytes.
const SOME_WHEN_LONG: usize = 7;

/// One in so many fails until it was seen what the log does then.
const SOME_THAT_FAIL_ON: usize = 5;

/// The ends of stories, and one in how many of their operations is tried.
fn ends() -> [(usize, Story); 4] {
    let stories = [
        (1, story::everything()),
        (SOME, story::short_of_room()),
        (SOME, story::reopened()),
        (SOME_WHEN_LONG, story::folded_in_parts()),
    ];
    stories.map(|(some, story)| (some, story.counted_from_its_last_step()))
}

#[tokio::test]
async fn whatever_operation_of_the_end_of_a_story_the_power_is_cut_at_what_was_acked_is_there() {
    for (some, story) in ends() {
        let length = Length::of(&story).await;
        cuts(&story, length, length.operations().one_in(some)).await;
    }
}

#[tokio::test]
async fn whatever_operation_of_the_end_of_a_story_fails_nothing_is_lost() {
    for (some, story) in ends() {
        let length = Length::of(&story).await;
        faults(&story, length, length.operations().one_in(some)).await;
    }
}

/// There may be nobody left who could refuse anything.
#[tokio::test]
async fn whenever_a_disk_begins_to_fail_as_a_story_ends_nothing_is_lost() {
    for (some, story) in ends() {
        let length = Length::of(&story).await;
        let mut operations = length.operations().one_in(some.max(SOME_THAT_FAIL_ON));
        while let Some(at) = operations.pick() {
            for with in faults_of(at) {
                let seen = survive(&story, length, Mishap::Failing { at, with }).await;
                operations.befell(seen.lives);
            }
        }
    }
}
