//! Sectors that the disk does not give, while it gives all others.

mod beside;
mod long_leaf;

use std::collections::BTreeSet;
use std::os::unix::fs::FileExt;
use std::time::Instant;

use coven_core::{Envelope, SessionId};

use super::*;
use crate::layout::{RECORDS, SEGMENTS};
use crate::limits::MEND_PATIENCE;
use crate::raw::{RawFile, Row, Snapshot};
use crate::salvage::{Pace, salvage_on};
use crate::test_support::launch_in_conversation;
use crate::{Archived, Page, inspect};

const PAGE: u64 = 4096;

const SESSIONS: usize = 200;

/// Every read of the cold file reaches the disk.
const UNCACHED: Options = Options {
    cache_bytes: 0,
    segment_cache_bytes: 0,
    ..LEFT
};

fn name(number: usize) -> String {
    format!("s{number}")
}

/// A log of many sessions that run, in their order, closed.
async fn many() -> (Home, FailingDisk) {
    let home = Home::new();
    let store = home.open();
    for number in 0..SESSIONS {
        running(&store, &name(number)).await;
    }
    store.close().await;
    (home, FailingDisk::default())
}

fn snapshot(home: &Home) -> Snapshot {
    Snapshot::open(RawFile::open(&OsDisk, &home.path()).expect("nobody has it open"))
}

const fn page_of(row: &Row) -> u64 {
    row.at / PAGE * PAGE
}

/// Where the records are that come first, and the names of those sessions.
fn first_records(home: &Home) -> (u64, BTreeSet<String>) {
    let snapshot = snapshot(home);
    let rows: Vec<Row> = snapshot
        .rows("records", inspect::widths(&RECORDS))
        .collect();
    let at = page_of(&rows[0]);
    let there = rows.iter().take_while(|row| page_of(row) == at).count();
    assert!(there < SESSIONS / 2, "{there}");
    (at, (0..there).map(name).collect())
}

/// From now on the page at a place of the cold file is dead.
fn kill(home: &Home, disk: &FailingDisk, at: u64) {
    let inode = std::fs::metadata(home.path()).expect("a file").ino();
    disk.plan(|plan| plan.dead = vec![(inode, at..at + PAGE)]);
}

/// The disk gives everything.
fn revive(disk: &FailingDisk) {
    disk.plan(|plan| plan.dead.clear());
}

fn everything() -> Page {
    Page {
        before: None,
        limit: 2 * SESSIONS,
        archived: Archived::Included,
    }
}

/// The names of those who are listed, how many more are told to be damaged, and the names of those that live.
fn listed(store: &Store) -> (BTreeSet<String>, usize, BTreeSet<String>) {
    let names = |id: &SessionId| id.to_string();
    let listing = store.list(&everything()).expect("a read");
    let live = store.live().expect("a read");
    (
        listing
            .records
            .iter()
            .map(|it| names(&it.session.id))
            .collect(),
        listing.damaged,
        live.iter().map(|it| names(&it.session.id)).collect(),
    )
}

/// Waits until all sessions are listed and live.
async fn until_all_are_listed(store: &Store) {
    in_time("the list", async {
        let all: BTreeSet<_> = (0..SESSIONS).map(name).collect();
        while listed(store) != (all.clone(), 0, all.clone()) {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn wherever_a_dead_sector_is_who_reads_is_told_so_or_it_is_mended() {
    let home = Home::new();
    let store = home.open();
    running(&store, "a").await;
    store.close().await;
    let disk = FailingDisk::default();
    let pages = std::fs::metadata(home.path()).expect("a file").len() / PAGE;
    let mut damaged = 0;
    for at in (1..pages).map(|page| page * PAGE) {
        let store = open(&home, &disk, UNCACHED);
        kill(&home, &disk, at);
        match store.record(&id("a")) {
            Ok(record) => assert!(record.is_some(), "byte {at}"),
            // Where the folder has met it before, the file may just not be open.
            Err(ReadError::Damaged(_) | ReadError::Unavailable { .. }) => damaged += 1,
            Err(other) => panic!("byte {at}: {other:?}"),
        }
        revive(&disk);
        store.close().await;
    }
    // The list of tables among them.
    assert!(damaged > 0, "{damaged}");
}

#[tokio::test]
async fn a_dead_sector_of_records_holds_up_nobody() {
    let (home, disk) = many().await;
    let (at, hit) = first_records(&home);
    let store = open(&home, &disk, UNCACHED);
    kill(&home, &disk, at);
    assert!(!hit.is_empty());
    for name in (0..SESSIONS).map(name) {
        // Who is in it is waited for until all records are made anew, if that does not take long.
        let append = async || {
            let began = Instant::now();
            let appended = append(&store, &name, vec![output(0, "x")]).await;
            match appended {
                Err(AppendError::Damaged(_)) if began.elapsed() >= MEND_PATIENCE => false,
                appended => appended.map(|_| true).expect("it runs"),
            }
        };
        in_time("an append", async { while !append().await {} }).await;
    }
    assert_eq!(store.health().state, WriterState::Healthy);
    assert!(disk.now().dead.is_empty(), "it was written whole");
}

#[tokio::test]
async fn a_dead_sector_hides_no_session_but_those_in_it_and_none_once_the_log_is_opened_again() {
    let (home, disk) = many().await;
    let (at, hit) = first_records(&home);
    let others: BTreeSet<_> = (0..SESSIONS)
        .map(name)
        .filter(|it| !hit.contains(it))
        .collect();
    let store = open(&home, &disk, UNCACHED);
    kill(&home, &disk, at);
    let expected = (others.clone(), hit.len(), others);
    assert_eq!(listed(&store), expected);
    assert_eq!(store.health().opens, 1);
    store.close().await;
    let store = open(&home, &disk, UNCACHED);
    // They are made anew.
    until_all_are_listed(&store).await;
    assert_eq!(events_of(&store, hit.first().expect("some")).len(), 2);
    assert!(disk.now().dead.is_empty(), "it was written whole");
}

/// The same log with an output of a session in its journal alone, as if who had it open had been killed, on a disk
/// that does not give the record of that one.
async fn killed() -> (Home, FailingDisk) {
    let (home, disk) = many().await;
    let store = home.open();
    let said = append(&store, "s0", vec![output(0, "x")]).await;
    said.expect("it runs");
    let left = Home::new();
    for file in ["coven.redb", "coven.redb.journal"] {
        std::fs::copy(home.dir().join(file), left.dir().join(file)).expect("a copy");
    }
    store.close().await;
    let (at, _) = first_records(&left);
    kill(&left, &disk, at);
    (left, disk)
}

#[tokio::test]
async fn a_log_that_was_killed_opens_though_the_record_of_who_wrote_last_is_in_a_dead_sector() {
    let (home, disk) = killed().await;
    let store = open(&home, &disk, UNCACHED);
    assert_eq!(events_of(&store, "s0").len(), 3);
    let said = append(&store, "s0", vec![output(1, "y")]).await;
    said.expect("it runs");
}

#[tokio::test]
async fn records_in_a_dead_sector_are_made_anew_by_the_fold_that_meets_it() {
    let (home, disk) = killed().await;
    let store = open(&home, &disk, UNCACHED);
    store.fold();
    until_all_are_listed(&store).await;
    until_state(&store, WriterState::Healthy).await;
    assert_eq!(store.verify().expect("a read").problems, []);
    assert!(disk.now().dead.is_empty(), "it was written whole");
    store.close().await;
    let findings = inspect::closed(&disk, &home.path(), &mut |_| {});
    assert_eq!(findings.expect("a look").problems, []);
}

#[tokio::test]
async fn a_disk_that_gives_nothing_is_waited_for_and_nobody_is_told_to_be_damaged() {
    let (home, disk) = many().await;
    let store = open(&home, &disk, UNCACHED);
    let inode = std::fs::metadata(home.path()).expect("a file").ino();
    disk.plan(|plan| plan.dead = vec![(inode, 0..u64::MAX)]);
    let reader = store.clone();
    let list = tokio::task::spawn_blocking(move || reader.list(&everything()));
    let list = in_time("the answer", list).await.expect("no panic");
    assert!(
        matches!(list, Err(ReadError::Unavailable { .. })),
        "{list:?}"
    );
    let waits = spawn_append(&store, "s0", vec![output(0, "x")]);
    until_state(&store, WriterState::Failed).await;
    assert!(!waits.is_finished());
    let looked = inspect::closed(&disk, &home.path(), &mut |_| {});
    assert!(
        matches!(looked, Err(OpenError::Io { .. } | OpenError::Locked { .. })),
        "{looked:?}"
    );
    revive(&disk);
    in_time("an append", waits)
        .await
        .expect("no panic")
        .expect("it runs");
    until_all_are_listed(&store).await;
}

/// A log with something of all that there is, whose sessions are these, closed.
async fn story() -> (Home, Vec<String>) {
    let home = Home::new();
    let store = home.open();
    let mut names = Vec::new();
    for number in 0..24 {
        let name = name(number);
        let created = Event::Created {
            launch: Box::new(launch_in_conversation(&format!("talk {number}"))),
            boot_id: None,
        };
        let said = vec![
            created,
            crate::test_support::started(),
            output(0, noise(number as u64, 9000)),
        ];
        append(&store, &name, said).await.expect("a new session");
        names.push(name);
    }
    append(&store, "s3", vec![output(9000, noise(99, 200_000))])
        .await
        .expect("it runs");
    for name in ["s4", "s5"] {
        append(&store, name, vec![output_closed(), exited(0)])
            .await
            .expect("it runs");
    }
    append(&store, "s4", vec![Event::Deleted])
        .await
        .expect("it has ended");
    names.retain(|name| name != "s4");
    trim(&store, "s6", 0, 9000).await;
    store.close().await;
    let store = home.open();
    store.fold();
    store.close().await;
    (home, names)
}

fn copy(home: &Home) -> Home {
    let copy = Home::new();
    for file in ["coven.redb", "coven.redb.journal"] {
        std::fs::copy(home.dir().join(file), copy.dir().join(file)).expect("a copy");
    }
    copy
}

/// Whether the log opens where a page was never written.
async fn opens_damaged(home: &Home, at: u64) -> bool {
    let damaged = copy(home);
    let file = std::fs::OpenOptions::new().write(true).open(damaged.path());
    let file = file.expect("a file");
    file.write_all_at(&[0; PAGE as usize], at).expect("a write");
    match Store::open(&damaged.path(), UNCACHED) {
        Ok(store) => {
            store.close().await;
            true
        }
        Err(_) => false,
    }
}

/// Whatever is dead, who is known goes on; and when the disk gives it again all is there, be it that the log was
/// folded, closed and opened meanwhile.
#[tokio::test]
async fn whichever_sector_is_dead_who_is_known_goes_on_and_all_is_there_once_it_is_given_again() {
    let (home, names) = story().await;
    let len = std::fs::metadata(home.path()).expect("a file").len();
    let events = |store: &Store| -> Vec<Vec<Envelope>> {
        names.iter().map(|name| events_of(store, name)).collect()
    };
    let before = {
        let store = home.open();
        let before = events(&store);
        store.close().await;
        before
    };
    let mut told = 0;
    let mut unavailable = BTreeSet::new();
    for at in (PAGE..len).step_by(PAGE as usize) {
        let home = copy(&home);
        let disk = FailingDisk::default();
        let store = open(&home, &disk, UNCACHED);
        append(&store, "s9", vec![output(9000, "a")])
            .await
            .expect("it runs");
        kill(&home, &disk, at);
        let goes_on = append(&store, "s9", vec![output(9001, "b")]);
        in_time("an append", goes_on).await.expect("it is known");
        // Whoever is asked for, he is there or told to be damaged.
        for name in &names {
            match store.read(&id(name), Seq::ZERO, crate::test_support::ALL) {
                Ok(events) => assert!(events.len() >= 3, "{name} at {at}"),
                Err(ReadError::Damaged(_)) => told += 1,
                // Where no log can be found in it nobody can be.
                Err(ReadError::Unavailable { .. }) => drop(unavailable.insert(at)),
                Err(error) => panic!("{name} at {at}: {error}"),
            }
        }
        let folding = store.clone();
        let folded = tokio::task::spawn_blocking(move || folding.fold());
        in_time("a fold", folded).await.expect("no panic");
        let goes_on = append(&store, "s9", vec![output(9002, "c")]);
        in_time("an append", goes_on).await.expect("it is known");
        in_time("closing", store.close()).await;
        match Store::open_on(&disk.shared(), &home.path(), UNCACHED) {
            Ok(store) => {
                let _ = append(&store, "s9", vec![output(9003, "d")]).await;
                in_time("closing", store.close()).await;
            }
            Err(error) => {
                unavailable.remove(&at);
                assert!(!opens_damaged(&home, at).await, "{error} at {at}");
            }
        }
        revive(&disk);
        let store = open(&home, &disk, UNCACHED);
        store.fold();
        let now = events(&store);
        for ((name, now), before) in names.iter().zip(&now).zip(&before) {
            assert_eq!(&now[..before.len()], before, "{name} at {at}");
            assert!(name != "s9" || now.len() >= before.len() + 3, "at {at}");
        }
        let listing = store.list(&everything()).expect("a read");
        assert_eq!(
            (listing.records.len(), listing.damaged),
            (names.len(), 0),
            "at {at}"
        );
        store.close().await;
        let findings = inspect::closed(&disk, &home.path(), &mut |_| {});
        assert_eq!(findings.expect("a look").problems, [], "at {at}");
    }
    assert!(told > 20, "{told}");
    assert!(unavailable.is_empty(), "{unavailable:?}");
}

#[tokio::test]
async fn a_dead_sector_is_named_and_a_salvage_brings_what_is_not_in_it() {
    let (home, disk) = many().await;
    let segments = inspect::widths(&SEGMENTS);
    let rows: Vec<Row> = snapshot(&home).rows("segments", segments).collect();
    let at = page_of(&rows[0]);
    let hit = rows.iter().filter(|row| page_of(row) == at).count();
    kill(&home, &disk, at);
    let findings = inspect::closed(&disk, &home.path(), &mut |_| {}).expect("a look");
    let found = &findings.problems[0];
    assert_eq!(found.place, Some(format!("page at byte {at}")));
    assert_eq!(found.problem, "the disk does not give all of it");
    let hit: BTreeSet<_> = (0..hit).map(|number| id(&name(number))).collect();
    assert_eq!(
        findings.unreadable.into_keys().collect::<BTreeSet<_>>(),
        hit
    );
    let new = Home::new();
    let pace = Pace::default();
    let salvaged = salvage_on(&disk.shared(), &home.path(), &new.path(), pace, &mut |_| {});
    let changed = salvaged.expect("it is salvaged").changed;
    assert!(changed.iter().all(|it| hit.contains(&it.session)));
    let store = new.open();
    for number in hit.len()..SESSIONS {
        assert_eq!(events_of(&store, &name(number)).len(), 2);
    }
    store.close().await;
    kill(&home, &disk, 0);
    let findings = inspect::closed(&disk, &home.path(), &mut |_| {}).expect("a look");
    assert_eq!(
        findings.problems[0].problem,
        "the disk does not give its first page"
    );
    let new = Home::new();
    salvage_on(&disk.shared(), &home.path(), &new.path(), pace, &mut |_| {})
        .expect("it is salvaged");
    assert_eq!(events_of(&new.open(), "s0").len(), 2);
}
