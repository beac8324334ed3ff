//! An import on a disk that something befalls: it is there whole, or not at all.

use std::fs;

use coven_core::Event;
use rustix::io::Errno;

use super::disk::{Failed, Mishap, ModelDisk, Survival};
use super::lot::lot;
use super::{FAULTS, LIVES, Length};
use crate::test_support::*;
use crate::{Import, ImportError, NewEvent, Options, Store, inspect};

/// Small, so that much is written before the end, and no cache has it all.
pub(super) const OPTIONS: Options = Options {
    cache_bytes: 64 << 10,
    journal_cache_bytes: 64 << 10,
    segment_cache_bytes: 1 << 20,
    fold_bytes: 8 << 20,
    fold_after: NEVER,
    reserve_bytes: 0,
    at_close: crate::AtClose::Write,
    queue_bytes: 1 << 20,
    spare_bytes: u64::MAX,
    at_rest: None,
};

/// Bytes that are put into the log at once.
const CHUNK_BYTES: usize = 32 << 10;

/// What is imported: more than fits one chunk, or the cache.
fn history() -> Vec<NewEvent> {
    let mut events = vec![created(), started()];
    events.extend((0..5).map(|n| output(n * 20_000, noise(n, 20_000))));
    events.extend([output_closed(), exited(0)]);
    let new = |event| NewEvent {
        at: at(1),
        actor: None,
        event,
    };
    events.into_iter().map(new).collect()
}

/// A log with a session in it, of which some is in the journal only.
async fn log() -> Home {
    let home = Home::new();
    let store = home.open();
    ended(&store, "folded").await;
    assert!(store.verify().expect("a look").is_whole());
    running(&store, "before").await;
    let crashed = Home::new();
    for name in ["coven.redb", "coven.redb.journal"] {
        fs::copy(home.dir().join(name), crashed.dir().join(name)).expect("a copy");
    }
    crashed
}

fn import(home: &Home, disk: &ModelDisk) -> Result<(), ImportError> {
    let mut import = Import::begin_on(&disk.shared(), &home.path(), OPTIONS, id("a"), CHUNK_BYTES)?;
    for event in history() {
        import.push(&event)?;
    }
    import.commit().map(drop)
}

/// Imports until `mishap`, and looks whether the session is there whole or not at all, and all else
/// as it was.
async fn survive(mishap: Option<Mishap>) -> ModelDisk {
    let home = log().await;
    let disk = ModelDisk::new(mishap);
    let imported = import(&home, &disk);
    disk.settle();
    let when = format!("{mishap:?}");
    if let (Some(Failed::Write), Err(error)) = (disk.failed(), &imported) {
        let error = error.to_string();
        assert!(disk.is_told_by(&error), "{when}: {error}");
    }
    let store = Store::open(&home.path(), OPTIONS).expect(&when);
    let there: Vec<Event> = events_of(&store, "a")
        .into_iter()
        .map(|envelope| envelope.event)
        .collect();
    let all: Vec<Event> = history().into_iter().map(|new| new.event).collect();
    assert!(there.is_empty() || there == all, "{when}: {}", there.len());
    assert!(
        imported.is_err() || there == all,
        "{when}: it was said to be there"
    );
    let record = store.record(&id("a")).expect(&when);
    assert_eq!(record.is_some(), !there.is_empty(), "{when}");
    for (session, events) in [("folded", 4), ("before", 2)] {
        assert_eq!(events_of(&store, session).len(), events, "{when}");
    }
    ended(&store, "after").await;
    store.close().await;
    let findings = inspect(&home.path(), &mut |_| ()).expect(&when);
    assert!(findings.is_whole(), "{when}: {:?}", findings.problems);
    disk
}

/// The same, until the mishap befalls it, unless all are shorter by now: how many lives it befell.
async fn befalls(length: Length, mishap: Mishap) -> usize {
    for _ in 0..length.tries(mishap) {
        if survive(Some(mishap)).await.was_struck() {
            return 1;
        }
    }
    let is_sure = !length.least.is_over_before(mishap);
    assert!(
        !is_sure || self::length().await.least.is_over_before(mishap),
        "{mishap:?} does not befall it"
    );
    0
}

/// What an import takes of the disk.
async fn length() -> Length {
    let mut length = Length::UNKNOWN;
    for _ in 0..LIVES {
        length = length.and_of(&survive(None).await);
    }
    assert!(length.least.operations > 20, "{length:?}");
    length
}

#[tokio::test]
async fn whatever_operation_of_an_import_the_power_is_cut_at_it_is_there_whole_or_not_at_all() {
    let length = length().await;
    let mut operations = length.operations();
    while let Some(at) = operations.pick() {
        let all_or_nothing =
            [Survival::Nothing, Survival::All][usize::try_from(at % 2).expect("0 or 1")];
        for survival in [all_or_nothing, Survival::Some { seed: lot(at) }] {
            operations.befell(befalls(length, Mishap::Cut { at, survival }).await);
        }
    }
}

#[tokio::test]
async fn whatever_operation_of_an_import_fails_it_is_there_whole_or_not_at_all() {
    let length = length().await;
    let mut operations = length.operations();
    while let Some(at) = operations.pick() {
        for with in FAULTS {
            operations.befell(befalls(length, Mishap::Fault { at, with }).await);
        }
    }
}

#[tokio::test]
async fn an_import_that_is_said_to_have_failed_is_not_there_unless_it_is_said_that_it_may_be() {
    let (mut unsettled, mut there) = (0, 0);
    let length = length().await;
    let mut operations = length.operations();
    while let Some(at) = operations.pick() {
        let home = log().await;
        let disk = ModelDisk::new(Some(Mishap::Fault {
            at,
            with: Errno::IO,
        }));
        let imported = import(&home, &disk);
        disk.settle();
        operations.befell(usize::from(disk.was_struck()));
        let Err(error) = imported else { continue };
        let store = Store::open(&home.path(), OPTIONS).expect("it opens");
        let is_there = store.record(&id("a")).expect("a read").is_some();
        store.close().await;
        let is_unsettled = matches!(error, ImportError::Unsettled { .. });
        assert!(!is_there || is_unsettled, "operation {at}: {error}");
        unsettled += u64::from(is_unsettled);
        there += u64::from(is_there);
    }
    assert!(there > 0 && there < unsettled, "{there} {unsettled}");
}
