//! A disk that fails when told to, and what the log does then.

mod blind;
mod cached;
mod commits;
mod dead_sectors;
mod ending;
mod hanging;
mod holes;
mod letting_go;
mod mending;
mod reads;
mod turned;
mod unwritable;

use std::fmt::Debug;
use std::fs::File;
use std::io;
use std::ops::{Bound, Range};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use coven_core::{Event, Seq};
use redb::{BackendError, StorageBackend};
use rustix::io::Errno;

use crate::file::{Access, Blocks, Disk, Forgotten, Holes, OsDisk, Room};
use crate::test_support::{
    Home, NEVER, all_output, append, batch, created, events_of, exited, id, noise, output,
    output_closed, running, trim, trimmed, urgent,
};
use crate::{
    AppendError, Batch, OpenError, Options, ReadError, StorageFault, Store, StoreHealth,
    WriterState,
};

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
    /// No sync of this file ends before whoever may tell is gone.
    hangs: Option<(u64, Arc<Mutex<Receiver<()>>>)>,
    /// Of this file, whose inode it is, these bytes cannot be read, nor some of them be written; all of them together
    /// can, and are read then.
    dead: Vec<(u64, Range<u64>)>,
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
    with: With,
    /// Whether the failing operation is done all the same: a sync or a write of which the
    /// system says that it failed, and the disk has it.
    done: bool,
}

/// What an operation fails with.
#[derive(Clone, Copy, Debug)]
enum With {
    System(Errno),
    /// What was to be read is past the end of the file.
    EndOfFile,
}

impl From<Errno> for With {
    fn from(errno: Errno) -> Self {
        Self::System(errno)
    }
}

impl From<With> for io::Error {
    fn from(with: With) -> Self {
        match with {
            With::System(errno) => errno.into(),
            With::EndOfFile => io::ErrorKind::UnexpectedEof.into(),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Write,
    Sync,
    SetLen,
    Read,
    Punch,
}

#[derive(Clone, Debug, Default)]
struct FailingDisk(Arc<Mutex<Plan>>);

impl FailingDisk {
    fn shared(&self) -> Arc<dyn Disk> {
        Arc::new(self.clone())
    }

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
            inode: file.metadata()?.ino(),
            file: OsDisk.backend(file)?,
            disk: self.clone(),
        }))
    }

    fn forget(&self, path: &Path, what: Forgotten) {
        OsDisk.forget(path, what);
    }

    fn holes(&self, file: &File) -> io::Result<Box<dyn Holes>> {
        Ok(Box::new(FailingHoles {
            file: OsDisk.holes(file)?,
            disk: self.clone(),
        }))
    }

    fn room(&self, folder: &File) -> io::Result<Room> {
        let plan = self.now();
        let room = OsDisk.room(folder)?;
        let available_bytes = match plan.left {
            Left::TheTruth => room.available_bytes,
            Left::Bytes(bytes) => bytes,
            Left::AllBut(bytes, file) => bytes - std::fs::metadata(file)?.len(),
        };
        Ok(Room {
            available_bytes,
            size_bytes: room.size_bytes,
            read_only: plan.read_only || room.read_only,
        })
    }
}

#[derive(Debug)]
struct FailingFile {
    inode: u64,
    file: Box<dyn StorageBackend>,
    disk: FailingDisk,
}

impl FailingFile {
    fn is_dead(&self, is_it: impl Fn(&Range<u64>) -> bool) -> bool {
        let plan = self.disk.now();
        let mut dead = plan.dead.iter();
        dead.any(|(inode, dead)| *inode == self.inode && is_it(dead))
    }
}

impl StorageBackend for FailingFile {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let end = offset + out.len() as u64;
        if self.is_dead(|dead| offset < dead.end && dead.start < end) {
            return Err(Errno::IO.into());
        }
        self.disk.around(Kind::Read, || self.file.read(offset, out))
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.disk.around(Kind::SetLen, || self.file.set_len(len))
    }

    fn sync_data(&self) -> io::Result<()> {
        if let Some((inode, held)) = self.disk.now().hangs
            && inode == self.inode
        {
            let held = held.lock().unwrap_or_else(PoisonError::into_inner);
            let _ = held.recv();
        }
        self.disk.around(Kind::Sync, || self.file.sync_data())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let end = offset + data.len() as u64;
        let is_of = |inode: u64| inode == self.inode;
        self.disk.plan(|plan| {
            plan.dead
                .retain(|(inode, dead)| !is_of(*inode) || dead.start < offset || end < dead.end);
        });
        if self.is_dead(|dead| offset < dead.end && dead.start < end) {
            return Err(Errno::IO.into());
        }
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

#[derive(Debug)]
struct FailingHoles {
    file: Box<dyn Holes>,
    disk: FailingDisk,
}

impl Holes for FailingHoles {
    fn blocks(&self) -> io::Result<Blocks> {
        self.file.blocks()
    }

    fn data(&self, range: Range<u64>) -> io::Result<Option<Range<u64>>> {
        self.file.data(range)
    }

    fn punch(&self, range: Range<u64>) -> io::Result<()> {
        self.disk.around(Kind::Punch, || self.file.punch(range))
    }
}

fn open(home: &Home, disk: &FailingDisk, options: Options) -> Store {
    Store::open_on(&disk.shared(), &home.path(), options).expect("the store opens")
}

fn fail(kind: Kind, after: u64, times: u64, with: impl Into<With>) -> Fail {
    Fail {
        kind,
        after,
        times,
        with: with.into(),
        done: false,
    }
}

/// How long what must come may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Waits for what must come, and says what did not.
async fn in_time<T>(what: &str, work: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, work)
        .await
        .unwrap_or_else(|_| panic!("{what} did not happen"))
}

/// Waits until the store says that it is suspended, or that it is not.
async fn until_state(store: &Store, state: WriterState) {
    until(store, |health| health.state == state).await;
}

/// Waits until the store's health is as it must become.
async fn until(store: &Store, is_so: impl Fn(&StoreHealth) -> bool) {
    let changed = tokio::time::timeout(PATIENCE, async {
        while !is_so(&store.health()) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    });
    if changed.await.is_err() {
        panic!("the health did not change from {:?}", store.health());
    }
}

/// Waits until the reserve has all it is to have.
async fn until_filled(reserve: &Path) {
    in_time("filling the reserve", async {
        while std::fs::metadata(reserve).map_or(0, |file| file.len()) < 4 << 20 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
}

const LEFT: Options = Options {
    cache_bytes: 4 << 20,
    journal_cache_bytes: 4 << 20,
    segment_cache_bytes: 1 << 20,
    fold_bytes: 8 << 20,
    fold_after: NEVER,
    reserve_bytes: 0,
    at_close: crate::AtClose::Write,
    queue_bytes: 1 << 20,
    spare_bytes: u64::MAX,
    at_rest: None,
};

fn suspended(reason: StorageFault) -> Result<crate::Appended, AppendError> {
    Err(AppendError::Suspended { reason })
}

fn spawn_append(
    store: &Store,
    session: &'static str,
    events: Vec<Event>,
) -> tokio::task::JoinHandle<Result<crate::Appended, AppendError>> {
    let store = store.clone();
    tokio::spawn(async move { append(&store, session, events).await })
}
