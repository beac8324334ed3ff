//! A disk that fails when told to, and what the log does then.

use std::fmt::Debug;
use std::fs::File;
use std::io;
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use coven_core::{Event, Seq};
use redb::{BackendError, StorageBackend};
use rustix::io::Errno;

use crate::file::{Access, Disk, OsDisk, Room};
use crate::test_support::{
    Home, all_output, append, batch, created, events_of, exited, id, noise, output, output_closed,
    running, urgent,
};
use crate::{AppendError, Options, ReadError, StorageFault, Store, WriterState};

/// What the disk is to do.
#[derive(Clone, Debug, Default)]
struct Plan {
    left: Left,
    /// Says it is mounted read-only.
    read_only: bool,
    /// Refuses to open files for writing, with this.
    open: Option<Errno>,
    /// Fails after so many more operations of a kind.
    fail: Option<Fail>,
}

/// The room it says is left.
#[derive(Clone, Debug, Default)]
enum Left {
    #[default]
    TheTruth,
    Bytes(u64),
    /// So much, less what this file has: on a full disk, what the reserve lets go of is free.
    AllBut(u64, PathBuf),
}

#[derive(Clone, Copy, Debug)]
struct Fail {
    kind: Kind,
    after: u64,
    /// How many of them fail; the rest go through.
    times: u64,
    with: Errno,
    /// Whether the failing operation is done all the same: a sync or a write of which the
    /// system says that it failed, and the disk has it.
    done: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Write,
    Sync,
    SetLen,
    Read,
}

#[derive(Clone, Debug, Default)]
struct FailingDisk(Arc<Mutex<Plan>>);

impl FailingDisk {
    fn plan(&self, change: impl FnOnce(&mut Plan)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn now(&self) -> Plan {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The error for this operation, if it is to fail, and whether it is done all the same.
    fn fails(&self, kind: Kind) -> Option<(io::Error, bool)> {
        let mut plan = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let fail = plan.fail.as_mut().filter(|fail| fail.kind == kind)?;
        if fail.after > 0 {
            fail.after -= 1;
            return None;
        }
        if fail.times == 0 {
            return None;
        }
        fail.times -= 1;
        Some((fail.with.into(), fail.done))
    }

    fn around(&self, kind: Kind, work: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        match self.fails(kind) {
            None => work(),
            Some((error, done)) => {
                if done {
                    work()?;
                }
                Err(error)
            }
        }
    }
}

impl Disk for FailingDisk {
    fn open(&self, path: &Path, access: Access) -> io::Result<File> {
        match self.now().open {
            Some(errno) if access != Access::Read => Err(errno.into()),
            _ => OsDisk.open(path, access),
        }
    }

    fn backend(&self, file: File) -> io::Result<Box<dyn StorageBackend>> {
        Ok(Box::new(FailingFile {
            file: OsDisk.backend(file)?,
            disk: self.clone(),
        }))
    }

    fn room(&self, path: &Path) -> io::Result<Room> {
        let plan = self.now();
        let room = OsDisk.room(path)?;
        let available_bytes = match plan.left {
            Left::TheTruth => room.available_bytes,
            Left::Bytes(bytes) => bytes,
            Left::AllBut(bytes, file) => bytes - std::fs::metadata(file)?.len(),
        };
        Ok(Room {
            available_bytes,
            read_only: plan.read_only || room.read_only,
        })
    }
}

#[derive(Debug)]
struct FailingFile {
    file: Box<dyn StorageBackend>,
    disk: FailingDisk,
}

impl StorageBackend for FailingFile {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.disk.around(Kind::Read, || self.file.read(offset, out))
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.disk.around(Kind::SetLen, || self.file.set_len(len))
    }

    fn sync_data(&self) -> io::Result<()> {
        self.disk.around(Kind::Sync, || self.file.sync_data())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.disk
            .around(Kind::Write, || self.file.write(offset, data))
    }

    fn close(&self) -> io::Result<()> {
        self.file.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.file.try_lock_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.unlock_range(start, end)
    }
}

fn open(home: &Home, disk: &FailingDisk, options: Options) -> Store {
    Store::open_on(Arc::new(disk.clone()), &home.path(), options).expect("the store opens")
}

fn fail(kind: Kind, after: u64, times: u64, with: Errno) -> Fail {
    Fail {
        kind,
        after,
        times,
        with,
        done: false,
    }
}

/// Waits for what must come, and says what did not.
async fn in_time<T>(what: &str, work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(30), work)
        .await
        .unwrap_or_else(|_| panic!("{what} did not happen"))
}

/// Waits until the store says that it is suspended, or that it is not.
async fn until_state(store: &Store, state: WriterState) {
    in_time("the change of state", async {
        while store.health().state != state {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
}

const LEFT: Options = Options {
    cache_bytes: 4 << 20,
    reserve_bytes: 0,
    queue_bytes: 1 << 20,
};

fn suspended(reason: StorageFault) -> Result<crate::Appended, AppendError> {
    Err(AppendError::Suspended { reason })
}

#[tokio::test]
async fn on_a_full_disk_output_waits_control_is_refused_reads_go_on_and_all_resumes() {
    let home = Home::new();
    let disk = FailingDisk::default();
    let store = open(&home, &disk, LEFT);
    running(&store, "a").await;
    disk.plan(|plan| plan.left = Left::Bytes(4096));
    let data = noise(1, 3000);
    let (waiting_store, waiting_data) = (store.clone(), data.clone());
    let waiting =
        tokio::spawn(
            async move { append(&waiting_store, "a", vec![output(0, waiting_data)]).await },
        );
    until_state(&store, WriterState::Failed).await;
    let refused = store
        .append(urgent(batch("b", Seq::ZERO, vec![created()])))
        .await;
    assert_eq!(refused, suspended(StorageFault::Full));
    let health = store.health();
    assert_eq!(health.fault, Some(StorageFault::Full));
    assert!(
        health.queued_bytes >= 3000 && health.queued_events == 1,
        "{health:?}"
    );
    assert!(health.oldest_waiting.is_some());
    assert_eq!(events_of(&store, "a").len(), 2, "reads go on");
    assert!(!waiting.is_finished());

    disk.plan(|plan| plan.left = Left::TheTruth);
    let appended = in_time("resuming", waiting).await.expect("no panic");
    assert_eq!(appended.expect("it was only late").first, Seq::new(3));
    assert_eq!(all_output(&store, "a"), data);
    until_state(&store, WriterState::Healthy).await;
    assert_eq!(
        store.health().opens,
        1,
        "the database never met the full disk"
    );
}

#[tokio::test]
async fn on_a_full_disk_a_kill_and_its_exit_are_recorded_from_the_reserve() {
    let home = Home::new();
    let disk = FailingDisk::default();
    let store = full_but_for_the_reserve(&home, &disk).await;
    let reserve = home.dir().join("coven.redb.reserve");
    let of_a = spawn_append(&store, "a", vec![output(0, "the last words")]);
    let of_b = spawn_append(&store, "b", vec![output(0, "goes on")]);
    until_state(&store, WriterState::Failed).await;

    let kill = store.append(urgent(batch("a", None, vec![Event::KillRequested])));
    in_time("the kill", kill)
        .await
        .expect("the reserve is there for it");
    in_time("what a dying session had to say", of_a)
        .await
        .expect("no panic")
        .expect("it fits");
    let end = spawn_append(&store, "a", vec![output_closed(), exited(137)]);
    let end = in_time("the exit", end)
        .await
        .expect("no panic")
        .expect("it fits");
    assert!(end.record.ended_at.is_some());
    assert!(!of_b.is_finished(), "others wait for room");
    let launch = store
        .append(urgent(batch("c", Seq::ZERO, vec![created()])))
        .await;
    assert_eq!(launch, suspended(StorageFault::Full));
    assert!(std::fs::metadata(&reserve).expect("it is there").len() < 4 << 20);

    disk.plan(|plan| plan.left = Left::TheTruth);
    in_time("resuming", of_b)
        .await
        .expect("no panic")
        .expect("only late");
    until_filled(&reserve).await;
    assert_eq!(all_output(&store, "a"), b"the last words");
    assert_eq!(
        store.verify().expect("a read").problems,
        Vec::<String>::new()
    );
}

/// A store whose reserve is filled, on a disk that then becomes full.
async fn full_but_for_the_reserve(home: &Home, disk: &FailingDisk) -> Store {
    let options = Options {
        reserve_bytes: 4 << 20,
        queue_bytes: 16 << 20,
        ..LEFT
    };
    let store = open(home, disk, options);
    running(&store, "a").await;
    running(&store, "b").await;
    let reserve = home.dir().join("coven.redb.reserve");
    until_filled(&reserve).await;
    // As on a real disk, what the reserve lets go of is free then.
    disk.plan(|plan| plan.left = Left::AllBut(4 << 20, reserve.clone()));
    store
}

async fn until_filled(reserve: &Path) {
    in_time("filling the reserve", async {
        while std::fs::metadata(reserve).map_or(0, |file| file.len()) < 4 << 20 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
}

fn spawn_append(
    store: &Store,
    session: &'static str,
    events: Vec<Event>,
) -> tokio::task::JoinHandle<Result<crate::Appended, AppendError>> {
    let store = store.clone();
    tokio::spawn(async move { append(&store, session, events).await })
}

#[tokio::test]
async fn an_end_does_not_overtake_the_output_that_the_reserve_has_no_room_for() {
    let home = Home::new();
    let disk = FailingDisk::default();
    let store = full_but_for_the_reserve(&home, &disk).await;
    let data = noise(1, 6 << 20);
    let said = spawn_append(&store, "a", vec![output(0, data.clone())]);
    until_state(&store, WriterState::Failed).await;
    let kill = store.append(urgent(batch("a", None, vec![Event::KillRequested])));
    in_time("the kill", kill).await.expect("it is small");
    let end = spawn_append(&store, "a", vec![output_closed(), exited(137)]);
    // Answered after the writer has seen all of that.
    while store.health().queued_events < 3 {
        tokio::task::yield_now().await;
    }
    let launch = store.append(urgent(batch("c", Seq::ZERO, vec![created()])));
    assert_eq!(launch.await, suspended(StorageFault::Full));
    assert!(!said.is_finished() && !end.is_finished());

    disk.plan(|plan| plan.left = Left::TheTruth);
    in_time("the output", said)
        .await
        .expect("no panic")
        .expect("only late");
    in_time("the end", end)
        .await
        .expect("no panic")
        .expect("it came after");
    assert!(all_output(&store, "a") == data);
}

#[tokio::test]
async fn who_asked_is_told_the_truth_when_a_commit_fails() {
    for done in [true, false] {
        let home = Home::new();
        let disk = FailingDisk::default();
        let store = open(&home, &disk, LEFT);
        running(&store, "a").await;
        let lost = fail(Kind::Write, 0, u64::MAX, Errno::IO);
        let had = Fail {
            done,
            ..fail(Kind::Sync, 0, 1, Errno::IO)
        };
        disk.plan(|plan| plan.fail = Some(if done { had } else { lost }));
        let asked = store.append(urgent(batch("b", Seq::ZERO, vec![created()])));
        let answer = in_time("the answer", asked).await;
        disk.plan(|plan| plan.fail = None);
        until_state(&store, WriterState::Healthy).await;
        let there = events_of(&store, "b").len();
        match answer {
            Ok(appended) => assert_eq!((there, appended.last), (1, Seq::new(3))),
            Err(AppendError::Suspended { .. }) => assert_eq!(there, 0),
            Err(error) => panic!("{error}"),
        }
        assert_eq!(done, there == 1);
    }
}

/// Appends to a session while operation after operation of the disk fails, and looks whether all
/// of it is there once, in memory and after a restart.
async fn append_through(fail: Fail) {
    let home = Home::new();
    let disk = FailingDisk::default();
    let store = open(&home, &disk, LEFT);
    let mut last = running(&store, "a").await.last;
    disk.plan(|plan| plan.fail = Some(fail));
    let mut written = Vec::new();
    let mut acked = Vec::new();
    for turn in 0..6 {
        // Large enough that the file grows.
        let data = noise(turn, 300_000);
        let events = vec![output(written.len() as u64, data.clone())];
        let append = store.append(batch("a", last, events));
        let appended = in_time(&format!("append {turn} at {fail:?}"), append).await;
        let appended = appended.unwrap_or_else(|error| panic!("{error} at {fail:?}"));
        assert_eq!(appended.first, last.next(), "at {fail:?}");
        last = appended.last;
        written.extend(data);
        acked.push(last);
    }
    let check = |store: &Store| {
        let events = events_of(store, "a");
        let seqs: Vec<Seq> = events.iter().skip(2).map(|it| it.seq).collect();
        assert_eq!(seqs, acked, "each once, at {fail:?}");
        assert_eq!(all_output(store, "a"), written, "at {fail:?}");
        let findings = store.verify().expect("a read");
        assert_eq!(findings.problems, Vec::<String>::new(), "at {fail:?}");
    };
    check(&store);
    until_state(&store, WriterState::Healthy).await;
    store.close().await;
    check(&home.open());
}

#[tokio::test]
async fn a_write_that_fails_anywhere_loses_nothing_and_doubles_nothing() {
    let errors = [Errno::NOSPC, Errno::IO].into_iter().cycle();
    for (after, with) in [0, 1, 2, 3, 5, 8, 13, 21, 34].into_iter().zip(errors) {
        append_through(fail(Kind::Write, after, 1, with)).await;
    }
}

#[tokio::test]
async fn a_sync_that_fails_anywhere_loses_nothing_and_doubles_nothing() {
    for after in 0..6 {
        append_through(fail(Kind::Sync, after, 1, Errno::IO)).await;
    }
}

#[tokio::test]
async fn a_commit_that_the_disk_has_although_it_said_no_is_not_repeated() {
    for after in 0..6 {
        let fail = fail(Kind::Sync, after, 1, Errno::IO);
        append_through(Fail { done: true, ..fail }).await;
    }
}

#[tokio::test]
async fn a_disk_that_fails_for_a_while_is_tried_until_it_works() {
    for kind in [Kind::Write, Kind::Sync, Kind::SetLen] {
        append_through(fail(kind, 2, 5, Errno::IO)).await;
    }
}

#[tokio::test]
async fn when_the_database_itself_meets_a_full_disk_reads_go_on_and_it_resumes() {
    let home = Home::new();
    let disk = FailingDisk::default();
    let store = open(&home, &disk, LEFT);
    running(&store, "a").await;
    let full = fail(Kind::Write, 0, u64::MAX, Errno::NOSPC);
    disk.plan(|plan| plan.fail = Some(full));
    let waiting_store = store.clone();
    let waiting =
        tokio::spawn(async move { append(&waiting_store, "a", vec![output(0, "not lost")]).await });
    until_state(&store, WriterState::Failed).await;
    assert_eq!(store.health().fault, Some(StorageFault::Full));
    assert_eq!(events_of(&store, "a").len(), 2, "reads go on");
    let refused = store
        .append(urgent(batch("b", Seq::ZERO, vec![created()])))
        .await;
    assert_eq!(refused, suspended(StorageFault::Full));
    assert!(!waiting.is_finished());

    disk.plan(|plan| plan.fail = None);
    let appended = in_time("resuming", waiting).await.expect("no panic");
    assert_eq!(appended.expect("it was only late").first, Seq::new(3));
    assert_eq!(events_of(&store, "a").len(), 3);
    until_state(&store, WriterState::Healthy).await;
    assert!(store.health().opens > 1);
    assert!(
        store.health().last_error.is_some(),
        "what was wrong is still told"
    );
}

#[tokio::test]
async fn on_a_file_system_that_became_read_only_reads_go_on_and_the_reason_is_told() {
    let home = Home::new();
    let disk = FailingDisk::default();
    let store = open(&home, &disk, LEFT);
    running(&store, "a").await;
    disk.plan(|plan| {
        plan.open = Some(Errno::ROFS);
        plan.fail = Some(fail(Kind::Write, 0, u64::MAX, Errno::ROFS));
    });
    let refused = store
        .append(urgent(batch("b", Seq::ZERO, vec![created()])))
        .await;
    assert_eq!(refused, suspended(StorageFault::ReadOnly));
    assert_eq!(store.health().fault, Some(StorageFault::ReadOnly));
    assert_eq!(events_of(&store, "a").len(), 2, "reads go on");
    let reader = store.clone();
    let read = tokio::task::spawn_blocking(move || all_output(&reader, "a"));
    in_time("a read", read).await.expect("no panic");

    disk.plan(|plan| *plan = Plan::default());
    let appended = in_time("resuming", append(&store, "a", vec![output(0, "x")])).await;
    assert_eq!(appended.expect("it was only late").first, Seq::new(3));
    until_state(&store, WriterState::Healthy).await;
}

#[tokio::test]
async fn a_mount_that_says_it_is_read_only_is_not_written_to() {
    let home = Home::new();
    let disk = FailingDisk::default();
    let store = open(&home, &disk, LEFT);
    running(&store, "a").await;
    disk.plan(|plan| plan.read_only = true);
    let refused = store
        .append(urgent(batch("b", Seq::ZERO, vec![created()])))
        .await;
    assert_eq!(refused, suspended(StorageFault::ReadOnly));
    assert_eq!(store.health().opens, 1);
    disk.plan(|plan| plan.read_only = false);
    let resumed = append(&store, "a", vec![output(0, "x")]);
    in_time("resuming", resumed)
        .await
        .expect("it was only late");
}

#[tokio::test]
async fn a_read_that_fails_is_read_again_from_a_reopened_database() {
    let home = Home::new();
    let disk = FailingDisk::default();
    // Hardly a cache, so that reads reach the disk.
    let store = open(
        &home,
        &disk,
        Options {
            cache_bytes: 0,
            ..LEFT
        },
    );
    running(&store, "a").await;
    let data = noise(4, 200_000);
    append(&store, "a", vec![output(0, data.clone())])
        .await
        .expect("it follows");
    disk.plan(|plan| plan.fail = Some(fail(Kind::Read, 1, 1, Errno::IO)));
    let reader = store.clone();
    let read = tokio::task::spawn_blocking(move || all_output(&reader, "a"));
    assert_eq!(in_time("the read", read).await.expect("no panic"), data);
    assert!(store.health().opens > 1);
    let next = append(&store, "a", vec![output(200_000, "x")]);
    in_time("an append", next).await.expect("it writes again");
}

#[tokio::test]
async fn a_read_that_always_fails_says_so_and_what_can_be_read_is_read() {
    let home = Home::new();
    let disk = FailingDisk::default();
    let options = Options {
        cache_bytes: 0,
        ..LEFT
    };
    let store = open(&home, &disk, options);
    running(&store, "a").await;
    disk.plan(|plan| plan.fail = Some(fail(Kind::Read, 0, u64::MAX, Errno::IO)));
    let reader = store.clone();
    let read = tokio::task::spawn_blocking(move || reader.record(&id("a")));
    let read = in_time("the answer", read).await.expect("no panic");
    assert!(
        matches!(read, Err(ReadError::Unavailable { .. })),
        "{read:?}"
    );
    assert_eq!(store.health().state, WriterState::Failed);
    disk.plan(|plan| plan.fail = None);
    until_state(&store, WriterState::Healthy).await;
    assert!(store.record(&id("a")).expect("a read").is_some());
}

#[tokio::test]
async fn a_log_that_needs_room_to_open_on_a_full_disk_has_the_reserve() {
    let home = Home::new();
    let disk = FailingDisk::default();
    let options = Options {
        reserve_bytes: 4 << 20,
        ..LEFT
    };
    let store = open(&home, &disk, options);
    running(&store, "a").await;
    let reserve = home.dir().join("coven.redb.reserve");
    until_filled(&reserve).await;
    store.close().await;
    // Until the reserve is let go of, which comes after the first failure.
    disk.plan(|plan| {
        plan.left = Left::Bytes(0);
        plan.fail = Some(fail(Kind::Write, 0, 1, Errno::NOSPC));
    });
    let store = open(&home, &disk, options);
    assert_eq!(events_of(&store, "a").len(), 2);
    assert_eq!(std::fs::metadata(&reserve).expect("a file").len(), 0);
}

#[tokio::test]
async fn a_suspended_store_can_be_closed_and_says_so_to_those_who_wait() {
    let home = Home::new();
    let disk = FailingDisk::default();
    let store = open(&home, &disk, LEFT);
    running(&store, "a").await;
    disk.plan(|plan| plan.left = Left::Bytes(0));
    let waiting_store = store.clone();
    let waiting =
        tokio::spawn(async move { append(&waiting_store, "a", vec![output(0, "too late")]).await });
    until_state(&store, WriterState::Failed).await;
    in_time("closing", store.close()).await;
    let answer = in_time("the answer", waiting).await.expect("no panic");
    assert_eq!(answer, Err(AppendError::Closed));
    assert_eq!(events_of(&home.open(), "a").len(), 2);
}

#[tokio::test]
async fn output_over_the_queue_waits_outside_while_the_disk_is_full() {
    let home = Home::new();
    let disk = FailingDisk::default();
    let store = open(
        &home,
        &disk,
        Options {
            queue_bytes: 10_000,
            ..LEFT
        },
    );
    for n in 0..8 {
        running(&store, &format!("s{n}")).await;
    }
    disk.plan(|plan| plan.left = Left::Bytes(0));
    let waiting: Vec<_> = (0..8)
        .map(|n| {
            let store = store.clone();
            tokio::spawn(async move {
                append(&store, &format!("s{n}"), vec![output(0, noise(n, 4000))]).await
            })
        })
        .collect();
    until_state(&store, WriterState::Failed).await;
    let health = store.health();
    assert!(health.queued_bytes <= health.capacity_bytes, "{health:?}");
    disk.plan(|plan| plan.left = Left::TheTruth);
    for append in waiting {
        let appended = in_time("resuming", append).await.expect("no panic");
        appended.expect("it was only late");
    }
}
