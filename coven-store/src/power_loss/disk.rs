//! The model of a disk: writes are pending until a sync, one that fails drops them, and a mishap befalls
//! one operation.

mod drive;
mod file;
mod holes;
mod mishap;
mod names;
mod state;

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redb::StorageBackend;
use rustix::io::Errno;
use tokio::sync::watch;

use crate::fault::storage_fault;
use crate::file::{Access, Disk, Forgotten, Holes, OsDisk, Room, Standing};
use crate::power_loss::lot::lot;
use crate::raw::HEADER_BYTES;

pub(super) use drive::Survival;
use drive::{Change, Drive};
use file::ModelFile;
use holes::ModelHoles;
use mishap::Fate;
pub(super) use mishap::{Failed, Mishap};
use names::Naming;
use state::{Full, Operation, State};

/// What a disk has that is next to full: a commit that notes what is free has room, and nothing else has.
const TIGHT_BYTES: u64 = 300 << 10;

#[derive(Clone, Debug)]
pub(super) struct ModelDisk(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    cut: watch::Sender<bool>,
    /// The first fault.
    failed: watch::Sender<Option<Failed>>,
}

impl ModelDisk {
    pub(super) fn shared(&self) -> Arc<dyn Disk> {
        Arc::new(self.clone())
    }

    pub(super) fn new(mishap: Option<Mishap>) -> Self {
        Self(Arc::new(Shared {
            state: Mutex::new(State::new(mishap)),
            cut: watch::Sender::new(false),
            failed: watch::Sender::new(None),
        }))
    }

    /// Nothing befalls it, and nothing counts, until it is [told to begin](Self::begin).
    pub(super) fn wait(&self) {
        self.state().is_waiting = true;
    }

    /// From now on everything counts, from 0.
    pub(super) fn begin(&self) {
        let mut state = self.state();
        (state.operations, state.syncs, state.reads) = (0, 0, 0);
        state.is_waiting = false;
    }

    /// Completes when the power is cut.
    pub(super) async fn cut(&self) {
        let mut cut = self.0.cut.subscribe();
        let told = cut.wait_for(|is_cut| *is_cut).await;
        told.expect("the disk holds the sender");
    }

    pub(super) fn is_cut(&self) -> bool {
        self.state().is_cut
    }

    /// Completes when a fault befell something, and says what.
    pub(super) async fn failure(&self) -> Failed {
        let mut failed = self.0.failed.subscribe();
        let told = failed.wait_for(Option::is_some).await;
        let told = *told.expect("the disk holds the sender");
        told.expect("it was waited for")
    }

    /// What a fault befell first, if anything.
    pub(super) fn failed(&self) -> Option<Failed> {
        *self.0.failed.borrow()
    }

    /// Whether the first thing to fail was a write that nothing depended on: the database writes a page before
    /// its commit where it wants the memory, and goes on with a page that it could not write.
    pub(super) fn did_without(&self) -> bool {
        self.state().did_without
    }

    /// Nothing fails any more.
    pub(super) fn mend(&self) {
        self.state().is_mended = true;
    }

    /// Whether it fails until somebody mends it.
    pub(super) fn keeps_failing(&self) -> bool {
        let state = self.state();
        matches!(state.mishap, Some(Mishap::Failing { .. })) && !state.is_mended
    }

    /// Whether what was to befall it did.
    pub(super) fn was_struck(&self) -> bool {
        let is_cut = self.state().is_cut;
        match self.state().mishap {
            None => true,
            Some(Mishap::Cut { .. }) => is_cut,
            Some(
                Mishap::Fault { .. }
                | Mishap::Failing { .. }
                | Mishap::FaultThenCut { .. }
                | Mishap::Unreadable { .. },
            ) => self.failed().is_some(),
        }
    }

    /// Whether `text` says what is wrong with it.
    pub(super) fn is_told_by(&self, text: &str) -> bool {
        let state = self.state();
        let is_short =
            state.was_short && text.contains(&storage_fault(&Errno::NOSPC.into()).to_string());
        is_short || state.failed_at.is_some() && state.mishap.is_some_and(|it| it.is_told_by(text))
    }

    /// No read counts, or fails, as long as this is there. Only who looks on reads meanwhile.
    pub(super) fn look_on(&self) -> Looking<'_> {
        self.state().is_looked_at = true;
        Looking(self)
    }

    pub(super) fn operations(&self) -> u64 {
        self.state().operations
    }

    pub(super) fn reads(&self) -> u64 {
        self.state().reads
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
        let mut state = self.state();
        state.tight = times;
        state.was_short = true;
    }

    /// From now on there is no room but what the log gives back, and what `reserve` lets go of.
    pub(super) fn become_full(&self, reserve: &Path) {
        let mut state = self.state();
        state.was_short = true;
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
        let survival = match state.mishap {
            Some(Mishap::Cut { survival, .. }) if state.is_cut => survival,
            Some(Mishap::FaultThenCut { .. }) if state.is_cut => Survival::Nothing,
            _ => Survival::All,
        };
        state.names.settle(survival);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does one operation, unless something befalls it.
    fn operate(&self, inode: u64, operation: Operation) -> io::Result<()> {
        let mut state = self.state();
        state.refuse_after_cut()?;
        match (state.fate(&operation), operation) {
            (Fate::Fault(with), operation) => {
                if let Operation::Sync = operation {
                    let seed = lot(state.operations);
                    state.drive(inode)?.sync_failed(seed);
                }
                self.fail(operation.failed());
                return Err(with.into());
            }
            (Fate::Cut, operation) => {
                // A sync under way has ensured nothing.
                if let Operation::Change(change) | Operation::Hole(change) = operation {
                    state.drive(inode)?.begin(change);
                }
                state.is_cut = true;
                self.0.cut.send_replace(true);
            }
            (Fate::Nothing, Operation::Change(change) | Operation::Hole(change)) => {
                state.drive(inode)?.change(change);
            }
            (Fate::Nothing, Operation::Sync) => state.drive(inode)?.sync(),
            (Fate::Nothing, Operation::Naming) => unreachable!("it is no file's"),
        }
        state.refuse_after_cut()
    }

    fn fail(&self, failed: Failed) {
        self.0.failed.send_if_modified(|first| {
            let is_first = first.is_none();
            first.get_or_insert(failed);
            is_first
        });
    }
}

/// Somebody looks at a disk who is no part of the story.
pub(super) struct Looking<'a>(&'a ModelDisk);

impl Drop for Looking<'_> {
    fn drop(&mut self) {
        self.0.state().is_looked_at = false;
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
        Ok(Box::new(ModelFile::new(self, inode, file)))
    }

    fn forget(&self, path: &Path, what: Forgotten) {
        let Ok(inode) = path.metadata().map(|file| file.ino()) else {
            return;
        };
        if let Some(drive) = self.state().drives.get_mut(&inode) {
            drive.forget(match what {
                Forgotten::FirstPage => HEADER_BYTES,
                Forgotten::All => usize::MAX,
            });
        }
    }

    fn standing(&self, path: &Path) -> io::Result<Standing> {
        let found = OsDisk.standing(path)?;
        let inode = path.metadata()?.ino();
        let len_bytes = match self.state().drives.get(&inode) {
            Some(drive) => drive.now.len() as u64,
            None => found.len_bytes,
        };
        Ok(Standing { len_bytes, ..found })
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.name(&Naming::Rename { from, to })
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.name(&Naming::Remove(path))
    }

    fn sync_folder(&self, _: &Path) -> io::Result<()> {
        self.name(&Naming::Sync)
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

fn position(offset: u64) -> usize {
    usize::try_from(offset).expect("the files of a test are small")
}
