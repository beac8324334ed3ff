//! A log that an older version left, on a disk that something befalls as this one takes it over.
//!
//! There is no upgrade that is a step of its own: such a log is opened as any other is. What is in its journal is
//! folded as it was written, what is written from then on is written as it is now, beside it, and the journal comes to
//! say which opening wrote that.

use redb::{Database, ReadableDatabase};

use super::disk::{Mishap, ModelDisk};
use super::length::{LIVES, Length};
use super::story::{self, Story, Told};
use super::{faults_of, go_on, survivals};
use crate::golden::homes;
use crate::layout::{META, meta};
use crate::test_support::Home;

/// Of the operations, one in so many is where the power is cut.
const SOME_CUTS: usize = 5;

/// One in so many fails, once.
const SOME_THAT_FAIL: usize = 5;

/// One in so many fails, and so does all that follows until it was seen what the log does then.
const SOME_THAT_FAIL_ON: usize = 11;

/// A log as it was left, what it has, and how it is taken over.
struct Older {
    home: Home,
    told: Told,
    story: Story,
}

impl Older {
    async fn all() -> Vec<Self> {
        let mut all = Vec::new();
        for (_, home) in homes() {
            let read = home.copy();
            let store = read.open();
            let told = Told::by(&store);
            store.close().await;
            let story = story::taken_over();
            let its_end = story.clone().counted_from_its_last_step();
            for story in [story, its_end] {
                let (home, told) = (home.copy(), told.clone());
                all.push(Self { home, told, story });
            }
        }
        let is_older = |older: &Self| !says_who_wrote(&older.home);
        assert!(all.iter().any(is_older), "none has groups as they were");
        all
    }

    /// Takes over a copy of it on a disk that something befalls, and looks whether it has what it must then.
    async fn live(&self, mishap: Option<Mishap>) -> ModelDisk {
        let home = self.home.copy();
        let told = self.told.clone();
        let (disk, told) = go_on(&home, &self.story, mishap, told).await;
        story::check(&home, &told, &format!("{mishap:?}, taken over")).await;
        assert!(!super::is_unsaid(&disk, &told), "{mishap:?} is not said");
        // With this, it was taken over: by the story, or by who looked at what that left.
        assert!(says_who_wrote(&home));
        disk
    }

    async fn length(&self) -> Length {
        let mut length = Length::UNKNOWN;
        for _ in 0..LIVES {
            length = length.and_of(&self.live(None).await);
        }
        length
    }

    /// Takes it over until `mishap` befalls that, unless it is over sooner: how many lives it befell.
    async fn survive(&self, length: Length, mishap: Mishap) -> usize {
        for _ in 0..length.tries(mishap) {
            if self.live(Some(mishap)).await.was_struck() {
                return 1;
            }
        }
        let is_sure = !length.least.is_over_before(mishap);
        assert!(
            !is_sure || self.length().await.least.is_over_before(mishap),
            "{mishap:?} does not befall it"
        );
        0
    }
}

/// Whether the journal says which opening wrote it: the first version did not.
fn says_who_wrote(home: &Home) -> bool {
    let copy = home.copy();
    let db = Database::open(copy.journal()).expect("nobody has it open");
    let txn = db.begin_read().expect("a read");
    let table = txn.open_table(META).expect("it is there");
    table.get(meta::OPENED).expect("a read").is_some()
}

#[tokio::test]
async fn wherever_the_power_is_cut_as_a_log_of_an_older_version_is_taken_over_all_it_had_is_there()
{
    for older in Older::all().await {
        let length = older.length().await;
        let mut operations = length.operations().one_in(SOME_CUTS);
        while let Some(at) = operations.pick() {
            for survival in survivals(at) {
                operations.befell(older.survive(length, Mishap::Cut { at, survival }).await);
            }
        }
    }
}

#[tokio::test]
async fn whatever_fails_as_a_log_of_an_older_version_is_taken_over_all_it_had_is_there() {
    for older in Older::all().await {
        let length = older.length().await;
        let mut operations = length.operations().one_in(SOME_THAT_FAIL);
        while let Some(at) = operations.pick() {
            for with in faults_of(at) {
                operations.befell(older.survive(length, Mishap::Fault { at, with }).await);
            }
        }
        let mut operations = length.operations().one_in(SOME_THAT_FAIL_ON);
        while let Some(at) = operations.pick() {
            for with in faults_of(at) {
                operations.befell(older.survive(length, Mishap::Failing { at, with }).await);
            }
        }
    }
}
