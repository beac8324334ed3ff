//! The model of a disk: writes are pending until a sync, and a mishap befalls one operation.

mod drive;
mod holes;

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::ops::Bound;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redb::{BackendError, StorageBackend};
use rustix::io::Errno;
use tokio::sync::watch;

use crate::file::{Access, Disk, Holes, OsDisk, Room};

pub(super) use drive::Survival;
use drive::{Change, Drive};
use holes::{ModelHoles, held_bytes};

/// What a disk has that is next to full: a commit that notes what is free has room, and nothing else has.
const TIGHT_BYTES: u64 = 300 << 10;

/// What befalls the operation of this number, counted from 0: writes, changes of length, syncs and
/// holes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Mishap {
    /// The power fails while it is under way.
    Cut { at: u64, survival: Survival },
    /// It is not done and fails; all others go through.
    Fault { at: u64, with: Errno },
    /// The sync of this number, counted from 0 among syncs, fails, and so many operations later
    /// the power, with which goes all that was not synced.
    FaultThenCut { sync: u64, operations: u64 },
}

/// A disk that has no more than there is on it now.
#[derive(Debug)]
struct Full {
    all_bytes: u64,
    /// The reserve is no file of the model; what it lets go of is free.
    reserve: PathBuf,
    /// The operation at which it became full, counted from 0.
    since: u64,
}

/// What befalls one operation.
enum Fate {
    Nothing,
    Fault(Errno),
    Cut,
}

#[derive(Clone, Debug)]
pub(super) struct ModelDisk(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    cut: watch::Sender<bool>,
}

#[derive(Debug)]
struct State {
    mishap: Option<Mishap>,
    operations: u64,
    syncs: u64,
    /// The operation that a fault befell.
    failed_at: Option<u64>,
    /// How many holes were made in each file.
    holes: HashMap<u64, u64>,
    /// How often still who asks for room is told that there is next to none.
    tight: u32,
    full: Option<Full>,
    /// When it became full, once it is not any more.
    full_since: Option<u64>,
    is_cut: bool,
    /// By inode.
    drives: HashMap<u64, Drive>,
}

enum Operation {
    Change(Change),
    Sync,
}

impl ModelDisk {
    pub(super) fn shared(&self) -> Arc<dyn Disk> {
        Arc::new(self.clone())
    }

    pub(super) fn new(mishap: Option<Mishap>) -> Self {
        Self(Arc::new(Shared {
            state: Mutex::new(State {
                mishap,
                operations: 0,
                syncs: 0,
                failed_at: None,
                holes: HashMap::new(),
                tight: 0,
                full: None,
                full_since: None,
                is_cut: false,
                drives: HashMap::new(),
            }),
            cut: watch::Sender::new(false),
        }))
    }

    /// Completes when the power is cut.
    pub(super) async fn cut(&self) {
        let mut cut = self.0.cut.subscribe();
        let told = cut.wait_for(|is_cut| *is_cut).await;
        told.expect("the disk holds the sender");
    }

    pub(super) fn operations(&self) -> u64 {
        self.state().operations
    }

    pub(super) fn syncs(&self) -> u64 {
        self.state().syncs
    }

    /// How many operations were holes in the file at `path`.
    pub(super) fn holes(&self, path: &Path) -> u64 {
        let inode = path.metadata().expect("it is there").ino();
        self.state().holes.get(&inode).copied().unwrap_or(0)
    }

    /// Whoever asks for room next, so many times, is told that there is next to none.
    pub(super) fn become_tight(&self, times: u32) {
        self.state().tight = times;
    }

    /// From now on there is no room but what the log gives back, and what `reserve` lets go of.
    pub(super) fn become_full(&self, reserve: &Path) {
        let mut state = self.state();
        state.full = Some(Full {
            all_bytes: state.used_bytes() + len_bytes(reserve),
            reserve: reserve.to_owned(),
            since: state.operations,
        });
    }

    pub(super) fn become_roomy(&self) {
        let mut state = self.state();
        state.full_since = state.full.take().map(|full| full.since);
    }

    /// Whether a fault befell an operation.
    pub(super) fn has_failed(&self) -> bool {
        self.state().failed_at.is_some()
    }

    /// The operation at which the disk was full, as long as it was.
    pub(super) fn full_since(&self) -> Option<u64> {
        self.state().full_since
    }

    /// Puts into the files what is there once the power is back, and lets go of them.
    pub(super) fn settle(&self) {
        let mut state = self.state();
        for drive in std::mem::take(&mut state.drives).into_values() {
            let left = match state.mishap {
                Some(Mishap::Cut { survival, .. }) if state.is_cut => drive.survivors(survival),
                Some(Mishap::FaultThenCut { .. }) if state.is_cut => {
                    drive.survivors(Survival::Nothing)
                }
                _ => drive.now.clone(),
            };
            drive.put(&left).expect("the file takes it");
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does one operation, unless something befalls it.
    fn operate(&self, inode: u64, operation: Operation) -> io::Result<()> {
        let mut state = self.state();
        state.refuse_after_cut()?;
        match (state.fate(&operation), operation) {
            (Fate::Fault(with), _) => return Err(with.into()),
            (Fate::Cut, operation) => {
                // A sync under way has ensured nothing.
                if let Operation::Change(change) = operation {
                    state.drive(inode)?.begin(change);
                }
                state.is_cut = true;
                self.0.cut.send_replace(true);
            }
            (Fate::Nothing, Operation::Change(change)) => state.drive(inode)?.change(change),
            (Fate::Nothing, Operation::Sync) => state.drive(inode)?.sync(),
        }
        state.refuse_after_cut()
    }
}

impl State {
    /// Counts an operation, and says what befalls it.
    fn fate(&mut self, operation: &Operation) -> Fate {
        let number = self.operations;
        self.operations += 1;
        let sync = match operation {
            Operation::Change(_) => None,
            Operation::Sync => {
                self.syncs += 1;
                Some(self.syncs - 1)
            }
        };
        match self.mishap {
            Some(Mishap::Fault { at, with }) if at == number => {
                self.failed_at = Some(number);
                Fate::Fault(with)
            }
            Some(Mishap::Cut { at, .. }) if at == number => Fate::Cut,
            Some(Mishap::FaultThenCut { sync: at, .. }) if sync == Some(at) => {
                self.failed_at = Some(number);
                Fate::Fault(Errno::IO)
            }
            Some(Mishap::FaultThenCut { operations, .. })
                if self.failed_at.map(|at| at + operations) == Some(number) =>
            {
                Fate::Cut
            }
            _ => Fate::Nothing,
        }
    }

    fn drive(&mut self, inode: u64) -> io::Result<&mut Drive> {
        self.refuse_after_cut()?;
        let drive = self.drives.get_mut(&inode);
        Ok(drive.expect("a file is known from when it is opened"))
    }

    /// Bytes of the blocks that its files have.
    fn used_bytes(&self) -> u64 {
        let files = self.drives.values();
        files.map(|drive| held_bytes(&drive.now)).sum()
    }

    fn refuse_after_cut(&self) -> io::Result<()> {
        if self.is_cut {
            return Err(Errno::IO.into());
        }
        Ok(())
    }
}

impl Disk for ModelDisk {
    fn open(&self, path: &Path, access: Access) -> io::Result<File> {
        self.state().refuse_after_cut()?;
        OsDisk.open(path, access)
    }

    fn backend(&self, file: File) -> io::Result<Box<dyn StorageBackend>> {
        let mut state = self.state();
        let inode = file.metadata()?.ino();
        let mut drive = match state.drives.remove(&inode) {
            Some(drive) => drive,
            None => Drive::of(&file)?,
        };
        // Emptied since it was closed, by whoever begins it anew.
        if file.metadata()?.len() == 0 {
            drive.change(Change::SetLen { len: 0 });
        }
        state.drives.insert(inode, drive);
        Ok(Box::new(ModelFile {
            disk: self.clone(),
            inode,
            _locked: file,
        }))
    }

    fn holes(&self, file: &File) -> io::Result<Box<dyn Holes>> {
        Ok(Box::new(ModelHoles {
            disk: self.clone(),
            inode: file.metadata()?.ino(),
        }))
    }

    fn room(&self, folder: &File) -> io::Result<Room> {
        let room = OsDisk.room(folder)?;
        let mut state = self.state();
        let available_bytes = if state.tight > 0 {
            state.tight -= 1;
            TIGHT_BYTES
        } else if let Some(full) = &state.full {
            let taken_bytes = state.used_bytes() + len_bytes(&full.reserve);
            full.all_bytes.saturating_sub(taken_bytes)
        } else {
            room.available_bytes
        };
        Ok(Room {
            available_bytes,
            ..room
        })
    }
}

fn len_bytes(path: &Path) -> u64 {
    path.metadata().map_or(0, |file| file.len())
}

#[derive(Debug)]
struct ModelFile {
    disk: ModelDisk,
    inode: u64,
    _locked: File,
}

impl StorageBackend for ModelFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.disk.state().drive(self.inode)?.now.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let mut state = self.disk.state();
        let offset = position(offset);
        let there = state.drive(self.inode)?.now.get(offset..offset + out.len());
        out.copy_from_slice(there.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let len = position(len);
        let change = Operation::Change(Change::SetLen { len });
        self.disk.operate(self.inode, change)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.disk.operate(self.inode, Operation::Sync)
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let change = Operation::Change(Change::Write {
            offset: position(offset),
            data: data.to_vec(),
        });
        self.disk.operate(self.inode, change)
    }

    /// What the system would have: whoever opens the file next sees it.
    fn close(&self) -> io::Result<()> {
        let mut state = self.disk.state();
        let drive = state.drive(self.inode)?;
        drive.put(&drive.now)
    }

    fn try_lock_range(&self, _: Bound<u64>, _: Bound<u64>) -> Result<bool, BackendError> {
        Ok(true)
    }

    fn unlock_range(&self, _: Bound<u64>, _: Bound<u64>) -> Result<(), BackendError> {
        Ok(())
    }
}

fn position(offset: u64) -> usize {
    usize::try_from(offset).expect("the files of a test are small")
}
