//! Operations that fail: once, or until it was seen what the log does then; and reads.

use super::disk::Mishap;
use super::{FAULTS, Length, Seen, faults, faults_of, story, survive};

/// Of the operations of a story, one in so many fails until it was seen what the log does then: for that,
/// somebody has to wait for a refusal.
const SOME_THAT_FAIL_ON: usize = 5;

/// Of the operations of a story whose journal gives back what it does not use, one in so many fails.
const SOME_BESIDE_HOLES: usize = 5;

/// Of the reads of a story, one in so many fails.
const SOME_READS: usize = 3;

#[tokio::test]
async fn whatever_operation_fails_nothing_is_lost_and_it_goes_on_by_itself() {
    let story = story::everything();
    let length = Length::of(&story).await;
    let mut operations = length.operations();
    while let Some(at) = operations.pick() {
        for with in FAULTS {
            let seen = survive(&story, length, Mishap::Fault { at, with }).await;
            operations.befell(seen.lives);
        }
    }
}

#[tokio::test]
async fn whatever_operation_fails_beside_holes_in_the_journal_nothing_is_lost() {
    let story = story::short_of_room();
    let length = Length::of(&story).await;
    faults(
        &story,
        length,
        length.operations().one_in(SOME_BESIDE_HOLES),
    )
    .await;
}

#[tokio::test]
async fn whenever_a_disk_begins_to_fail_nothing_is_taken_it_is_said_why_and_all_else_is_read() {
    let story = story::everything();
    let mut seen = Seen::default();
    let length = Length::of(&story).await;
    let mut operations = length.operations().one_in(SOME_THAT_FAIL_ON);
    while let Some(at) = operations.pick() {
        for with in faults_of(at) {
            let befell = survive(&story, length, Mishap::Failing { at, with }).await;
            operations.befell(befell.lives);
            seen.add(befell);
        }
    }
    // All others began while the log was opened or closed.
    assert!(seen.refused > seen.lives / 2, "{seen:?}");
}

#[tokio::test]
async fn whatever_read_of_a_story_fails_nothing_is_lost_and_it_goes_on_by_itself() {
    let story = story::everything();
    let length = Length::of(&story).await;
    let mut reads = length.reads().one_in(SOME_READS);
    while let Some(read) = reads.pick() {
        let seen = survive(&story, length, Mishap::Unreadable { read }).await;
        reads.befell(seen.lives);
    }
}
