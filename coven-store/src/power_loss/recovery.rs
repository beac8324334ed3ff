//! A log that is opened after a cut, on a disk that something befalls again.

use super::disk::{Mishap, ModelDisk};
use super::lot::{in_part, one_in};
use super::story::{self, Story, Told};
use super::{LIVES, Length, all_or_some, either_fault, go_on, live};
use crate::error::OpenError;
use crate::opening;
use crate::test_support::Home;

/// Of the operations of a story, one in so many is where the power is cut first.
const SOME_CUTS: usize = 20;

/// Of the operations after each, the power is cut again at one in so many, another one each time.
const SOME_CUTS_AGAIN: usize = 13;

/// One in so many fails.
const SOME_THAT_FAIL: usize = 17;

/// Of what is read after each, one in so many reads fails.
const SOME_READS: usize = 19;

fn cut_at(at: u64) -> Mishap {
    let survival = all_or_some(at);
    Mishap::Cut { at, survival }
}

fn fault_at(at: u64) -> Mishap {
    let with = either_fault(at);
    Mishap::Fault { at, with }
}

/// What a cut left.
struct Left {
    home: Home,
    told: Told,
}

impl Left {
    async fn by(story: &Story, at: u64) -> Self {
        let home = Home::new();
        let (_, told) = live(&home, story, Some(cut_at(at))).await;
        Self { home, told }
    }

    /// Opens a copy of it on a disk that something befalls, and looks whether it has what it must then,
    /// with all that was read of it before.
    async fn recover(&self, mishap: Option<Mishap>) -> ModelDisk {
        let home = self.home.copy();
        let told = self.told.clone();
        let (disk, told) = go_on(&home, &story::recovered(), mishap, told).await;
        story::check(&home, &told, &format!("{mishap:?} after a cut")).await;
        disk
    }

    /// What it takes of the disk to open it and go on.
    async fn length(&self) -> Length {
        let mut length = Length::UNKNOWN;
        for _ in 0..LIVES {
            length = length.and_of(&self.recover(None).await);
        }
        length
    }
}

/// Opens a copy of what a cut left, and no more than its files.
fn open(left: &Left, mishap: Option<Mishap>) -> (ModelDisk, Result<(), OpenError>) {
    let home = left.home.copy();
    let disk = ModelDisk::new(mishap);
    let opened = opening::open(&disk.shared(), &home.path(), story::OPTIONS);
    let opened = opened.map(drop);
    (disk, opened)
}

#[tokio::test]
async fn a_log_that_is_not_opened_since_a_read_failed_says_so() {
    let story = story::everything();
    let (mut opened, mut refused) = (0, 0);
    let length = Length::of(&story).await;
    for at in one_in(SOME_CUTS, 0..length.most.operations) {
        let left = Left::by(&story, at).await;
        let (disk, whole) = open(&left, None);
        whole.expect("it opens");
        for read in 0..disk.reads() {
            let (disk, answer) = open(&left, Some(Mishap::Unreadable { read }));
            assert!(disk.was_struck(), "read {read} after a cut at {at}");
            match answer {
                // What the database keeps for itself is made anew where it cannot be read.
                Ok(()) => opened += 1,
                Err(error @ OpenError::Io { .. }) if disk.is_told_by(&error.to_string()) => {
                    refused += 1;
                }
                Err(error) => panic!("read {read} after a cut at {at}: {error:?}"),
            }
        }
    }
    assert!(refused > opened, "{refused} of {opened}");
}

/// Opens what a cut left on a disk that something befalls, unless all is over sooner than it was:
/// how many lives it befell.
async fn survive(left: &Left, length: Length, mishap: Mishap) -> usize {
    for _ in 0..length.tries(mishap) {
        if left.recover(Some(mishap)).await.was_struck() {
            return 1;
        }
    }
    let is_sure = !length.least.is_over_before(mishap);
    assert!(
        !is_sure || left.length().await.least.is_over_before(mishap),
        "{mishap:?} after a cut does not befall it"
    );
    0
}

#[tokio::test]
async fn whatever_befalls_a_log_that_is_opened_after_a_cut_what_was_acked_or_read_is_there() {
    let story = story::everything();
    let length = Length::of(&story).await;
    for at in in_part(one_in(SOME_CUTS, 0..length.most.operations)) {
        let left = Left::by(&story, at).await;
        let length = left.length().await;
        let mut operations = length.operations().one_in_turns(at, SOME_CUTS_AGAIN);
        while let Some(again) = operations.pick() {
            operations.befell(survive(&left, length, cut_at(again)).await);
        }
        let mut operations = length.operations().one_in_turns(at, SOME_THAT_FAIL);
        while let Some(again) = operations.pick() {
            operations.befell(survive(&left, length, fault_at(again)).await);
        }
        let mut reads = length.reads().one_in_turns(at, SOME_READS);
        while let Some(read) = reads.pick() {
            reads.befell(survive(&left, length, Mishap::Unreadable { read }).await);
        }
    }
}
