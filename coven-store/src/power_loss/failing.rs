//! Operations that fail: once, or until it was seen what the log does then; and reads.

use rustix::io::Errno;

use super::disk::Mishap;
use super::lot::one_in;
use super::{Length, Seen, either_fault, story, survive};

/// Of the operations of a story, one in so many fails until it was seen what the log does then: for that,
/// somebody has to wait for a refusal.
const SOME_THAT_FAIL_ON: usize = 5;

/// Of the reads of a story, one in so many fails.
const SOME_READS: usize = 3;

#[tokio::test]
async fn whatever_operation_fails_nothing_is_lost_and_it_goes_on_by_itself() {
    let story = story::everything();
    let length = Length::of(&story).await;
    for at in length.operations() {
        for with in [Errno::IO, Errno::NOSPC] {
            survive(&story, length, Mishap::Fault { at, with }).await;
        }
    }
}

#[tokio::test]
async fn whenever_a_disk_begins_to_fail_nothing_is_taken_it_is_said_why_and_all_else_is_read() {
    let story = story::everything();
    let mut seen = Seen::default();
    let length = Length::of(&story).await;
    for at in one_in(SOME_THAT_FAIL_ON, 0..length.most.operations) {
        let with = either_fault(at);
        seen.add(survive(&story, length, Mishap::Failing { at, with }).await);
    }
    // All others began while the log was opened or closed.
    assert!(seen.refused > seen.lives / 2, "{seen:?}");
}

#[tokio::test]
async fn whatever_read_of_a_story_fails_nothing_is_lost_and_it_goes_on_by_itself() {
    let story = story::everything();
    let length = Length::of(&story).await;
    for read in one_in(SOME_READS, 0..length.most.reads) {
        survive(&story, length, Mishap::Unreadable { read }).await;
    }
}
