//! A salvage on a disk that something befalls: the new log is there whole, or not at all.

use std::fs;
use std::path::Path;

use coven_core::{Envelope, Record, Seq};

use super::disk::{Failed, Mishap, ModelDisk, Survival};
use super::import::OPTIONS;
use super::length::Asked;
use super::{FAULTS, every_operation, every_survival, faults_of, survivals};
use crate::error::OpenError;
use crate::file::{Draft, journal_path};
use crate::inspect;
use crate::salvage::{Pace, Salvaged, salvage_on};
use crate::test_support::*;
use crate::{SalvageError, Store};

/// Small, so that it is written in several transactions, of which none fits the cache.
const PACE: Pace = Pace {
    chunk_bytes: 24 << 10,
    options: OPTIONS,
};

/// What a log comes to.
#[derive(Debug, PartialEq)]
struct Content {
    events: Vec<Envelope>,
    records: Vec<Option<Record>>,
    last_seq: Seq,
}

/// Its sessions.
const SESSIONS: [&str; 4] = ["ended", "long", "gone", "live"];

impl Content {
    fn of(store: &Store) -> Self {
        let record = |session| store.record(&id(session)).expect("a read");
        Self {
            events: store.read_all(Seq::ZERO, ALL).expect("a read"),
            records: SESSIONS.into_iter().map(record).collect(),
            last_seq: store.last_seq(),
        }
    }
}

/// A log with some of everything, of which some is in the journal only.
async fn log() -> Home {
    let home = Home::new();
    let store = home.open();
    ended(&store, "ended").await;
    running(&store, "long").await;
    for n in 0..3 {
        let output = output(n * 15_000, noise(n, 15_000));
        append(&store, "long", vec![output]).await.expect("it runs");
    }
    trim(&store, "long", 0, 15_000).await;
    ended(&store, "gone").await;
    let deleted = vec![coven_core::Event::Deleted];
    append(&store, "gone", deleted).await.expect("it has ended");
    assert!(store.verify().expect("a look").is_whole());
    running(&store, "live").await;
    let crashed = Home::new();
    for name in ["coven.redb", "coven.redb.journal"] {
        fs::copy(home.dir().join(name), crashed.dir().join(name)).expect("a copy");
    }
    store.close().await;
    crashed
}

fn salvage(disk: &ModelDisk, log: &Home, new: &Path) -> Result<Salvaged, SalvageError> {
    salvage_on(&disk.shared(), &log.path(), new, PACE, &mut |_| ())
}

/// A log, what a salvage of it comes to, and where it begins: at nothing, or at what another one left.
struct Tried {
    log: Home,
    whole: Content,
    begun: Home,
}

impl Tried {
    async fn at_nothing() -> Self {
        let (log, new) = (log().await, Home::new());
        salvage(&ModelDisk::new(None), &log, &new.path()).expect("it is salvaged");
        let store = new.open();
        let whole = Content::of(&store);
        store.close().await;
        assert!(whole.events.len() > 10, "{whole:?}");
        Self {
            log,
            whole,
            begun: Home::new(),
        }
    }

    /// At what one left that was cut short when its journal was in place, and its cold file was not.
    async fn at_the_end_of_another() -> Self {
        let tried = Self::at_nothing().await;
        let cold_is_moved = tried.asked().await.operations - 2;
        let survival = Survival::Nothing;
        let at = cold_is_moved;
        let disk = ModelDisk::new(Some(Mishap::Cut { at, survival }));
        salvage(&disk, &tried.log, &tried.begun.path()).expect_err("it was cut short");
        disk.settle();
        let left = [tried.begun.journal(), draft(&tried.begun)];
        assert!(left.iter().all(|path| path.exists()), "{left:?}");
        assert!(!tried.begun.path().exists() && !journal_path(&left[1]).exists());
        tried
    }

    /// What a salvage takes of the disk.
    async fn asked(&self) -> Asked {
        Asked::of(&self.survive(None).await)
    }

    /// Salvages until `mishap`, and looks whether the new log is there whole, or is refused and comes to be
    /// there by another salvage.
    async fn survive(&self, mishap: Option<Mishap>) -> ModelDisk {
        let when = format!("{mishap:?}");
        let new = Home::new();
        for left in fs::read_dir(self.begun.dir()).expect("a folder") {
            let left = left.expect("it is there");
            fs::copy(left.path(), new.dir().join(left.file_name())).expect("a copy");
        }
        let disk = ModelDisk::new(mishap);
        let done = salvage(&disk, &self.log, &new.path());
        disk.settle();
        if let (Some(Failed::Write), Err(error)) = (disk.failed(), &done) {
            // What befell a file as it was closed is seen by who looks at it then.
            let is_seen = matches!(error, SalvageError::NotWhole { .. });
            let is_told = is_seen || disk.is_told_by(&error.to_string());
            assert!(is_told, "{when}: {error}");
        }
        let is_there = new.path().exists();
        assert!(is_there || done.is_err(), "{when}: it was said to be there");
        if let (Some(Mishap::Fault { .. }), Err(error)) = (mishap, &done) {
            // It is no error that has somebody remove a log that is whole.
            let is_said_to_be = matches!(error, SalvageError::Unsettled { .. });
            assert_eq!(is_said_to_be, is_there, "{when}: {error}");
        }
        if !is_there {
            self.is_refused_and_done_again(&new, &when);
        }
        self.is_whole(&new, &when).await;
        disk
    }

    fn is_refused_and_done_again(&self, new: &Home, when: &str) {
        let opened = Store::open(&new.path(), PACE.options);
        let read = Store::open_to_read(&new.path(), PACE.options);
        let looked_at = [
            opened.map(drop),
            read.map(drop),
            inspect(&new.path(), &mut |_| ()).map(drop),
            crate::glance(&new.path()),
        ];
        for refused in looked_at {
            assert!(
                matches!(refused, Err(OpenError::Unfinished { .. })),
                "{when}: {refused:?}"
            );
        }
        assert!(!new.path().exists(), "{when}");
        let again = salvage(&ModelDisk::new(None), &self.log, &new.path());
        assert!(again.is_ok(), "{when}: {again:?}");
    }

    async fn is_whole(&self, new: &Home, when: &str) {
        let findings = inspect(&new.path(), &mut |_| ()).expect(when);
        assert!(findings.is_whole(), "{when}: {:?}", findings.problems);
        let store = Store::open(&new.path(), PACE.options).expect(when);
        assert!(Content::of(&store) == self.whole, "{when}");
        store.close().await;
        let mut left = fs::read_dir(new.dir()).expect("a folder");
        let is_draft = |name: &str| name.contains(".salvage");
        assert!(
            !left.any(|it| is_draft(&it.expect("a file").file_name().to_string_lossy())),
            "{when}: nothing is left of the draft"
        );
    }

    async fn befalls(&self, mishap: Mishap) {
        let disk = self.survive(Some(mishap)).await;
        assert!(disk.was_struck(), "{mishap:?} does not befall it");
    }
}

fn draft(home: &Home) -> std::path::PathBuf {
    Draft::of(&home.path()).path().to_owned()
}

#[tokio::test]
async fn whatever_operation_of_a_salvage_the_power_is_cut_at_the_new_log_is_whole_or_none() {
    let tried = Tried::at_nothing().await;
    let asked = tried.asked().await;
    assert!(asked.operations > 60, "{asked:?}");
    for at in 0..asked.operations {
        for survival in every_survival(at) {
            tried.befalls(Mishap::Cut { at, survival }).await;
        }
    }
}

#[tokio::test]
async fn whatever_operation_of_a_salvage_fails_the_new_log_is_whole_or_none() {
    let tried = Tried::at_nothing().await;
    for at in 0..tried.asked().await.operations {
        for with in FAULTS {
            tried.befalls(Mishap::Fault { at, with }).await;
        }
    }
}

#[tokio::test]
async fn whatever_befalls_a_salvage_over_what_another_left_the_new_log_is_whole_or_none() {
    let tried = Tried::at_the_end_of_another().await;
    for at in 0..tried.asked().await.operations {
        for survival in survivals(at) {
            tried.befalls(Mishap::Cut { at, survival }).await;
        }
        if !every_operation() {
            let survival = Survival::Nothing;
            tried.befalls(Mishap::Cut { at, survival }).await;
        }
        for with in faults_of(at) {
            tried.befalls(Mishap::Fault { at, with }).await;
        }
    }
}
