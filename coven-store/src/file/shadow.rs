//! `Shadow`: a file whose writes can be held in memory.
//!
//! redb writes to a file as soon as it opens it. We must know first whether the file is ours, and
//! we want to read on when the disk takes no writes. So a file is opened *held*: it is read as if
//! written to, and nothing reaches the disk until [`Shadow::release`].
//!
//! redb also writes when it closes a file, whatever it met there. So one that met a fault is *sealed*
//! before it is closed: what is on the disk stays what its last commit made it.

#[cfg(test)]
mod tests;

use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use redb::{BackendError, StorageBackend};

use super::forward::forward_locks;
use super::holes::{Blocks, Holes};
use super::written::Written;

#[derive(Clone, Debug)]
pub(crate) struct Shadow(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    file: Box<dyn StorageBackend>,
    holes: Box<dyn Holes>,
    mode: RwLock<Mode>,
    /// Locked before `mode` where both are, and while a write or a punch is under way.
    written: Mutex<Written>,
    locking: Locking,
}

/// Whether the file can be locked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Locking {
    Exclusive,
    /// A file that is open for reading cannot be locked against others' writing, and where this
    /// is used, the file system takes no writes from anybody.
    None,
}

/// What becomes of what is asked of the file.
#[derive(Debug)]
enum Mode {
    /// It is kept in memory, and read as if it had been done.
    Held(Held),
    /// It is done at once.
    Through,
    /// It is refused. What is there can be read.
    Sealed,
}

#[derive(Debug, Default)]
struct Held {
    len: u64,
    steps: Vec<Step>,
}

#[derive(Debug)]
enum Step {
    Write { offset: u64, data: Vec<u8> },
    SetLen { len: u64 },
    Sync,
}

impl Shadow {
    pub(crate) fn held(
        file: Box<dyn StorageBackend>,
        holes: Box<dyn Holes>,
        locking: Locking,
    ) -> io::Result<Self> {
        let len = file.len()?;
        let steps = Vec::new();
        let held = Mode::Held(Held { len, steps });
        Ok(Self::of(file, holes, held, locking))
    }

    /// A file that nothing is held of.
    pub(crate) fn none(file: Box<dyn StorageBackend>, holes: Box<dyn Holes>) -> Self {
        Self::of(file, holes, Mode::Through, Locking::Exclusive)
    }

    fn of(
        file: Box<dyn StorageBackend>,
        holes: Box<dyn Holes>,
        mode: Mode,
        locking: Locking,
    ) -> Self {
        Self(Arc::new(Inner {
            file,
            holes,
            mode: RwLock::new(mode),
            written: Mutex::default(),
            locking,
        }))
    }

    /// Bytes that are held.
    pub(crate) fn held_bytes(&self) -> u64 {
        match &*self.mode() {
            Mode::Held(held) => held.bytes(),
            Mode::Through | Mode::Sealed => 0,
        }
    }

    /// Does to the file what was held, with the same syncs, and from now on everything at once. What could
    /// be read before is durable then. After an error everything is still held, reads see no difference,
    /// and it can be tried again.
    pub(crate) fn release(&self) -> io::Result<()> {
        let mut mode = self.mode_to_change();
        if let Mode::Held(held) = &*mode {
            held.put(self.0.file.as_ref())?;
            *mode = Mode::Through;
        }
        Ok(())
    }

    /// Nothing reaches the disk through this any more, once this returns: whoever closes the file may not
    /// write to it. What is held stays in memory.
    pub(crate) fn seal(&self) {
        let mut mode = self.mode_to_change();
        if let Mode::Through = &*mode {
            *mode = Mode::Sealed;
        }
    }

    /// What the file system has of the file.
    pub(crate) fn blocks(&self) -> io::Result<Blocks> {
        self.0.holes.blocks()
    }

    /// The first bytes within `range` that have blocks behind them, as far as they go.
    pub(crate) fn data(&self, range: Range<u64>) -> io::Result<Option<Range<u64>>> {
        self.0.holes.data(range)
    }

    /// Gives back the blocks of `range`, which nothing in the last durable commit uses, but for what
    /// was written to since that; says how many bytes. Waits for no sync; a write waits for it.
    pub(crate) fn punch(&self, range: Range<u64>) -> io::Result<u64> {
        let written = self.written();
        let mode = self.mode();
        if !matches!(*mode, Mode::Through) {
            return Ok(0);
        }
        let mut punched_bytes = 0;
        for spare in written.spares(range) {
            punched_bytes += spare.end - spare.start;
            self.0.holes.punch(spare)?;
        }
        Ok(punched_bytes)
    }

    /// The file, if it can be locked.
    fn lockable(&self) -> Result<&dyn StorageBackend, BackendError> {
        match self.0.locking {
            Locking::Exclusive => Ok(self.0.file.as_ref()),
            Locking::None => Err(BackendError::Unsupported),
        }
    }

    fn written(&self) -> MutexGuard<'_, Written> {
        let written = self.0.written.lock();
        written.unwrap_or_else(PoisonError::into_inner)
    }

    fn mode(&self) -> RwLockReadGuard<'_, Mode> {
        self.0.mode.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// It is had once nothing is under way that went by what it was.
    fn mode_to_change(&self) -> RwLockWriteGuard<'_, Mode> {
        self.0.mode.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Holds a step, does it with `otherwise`, or refuses it.
    fn step(
        &self,
        step: impl FnOnce() -> Step,
        otherwise: impl FnOnce() -> io::Result<()>,
    ) -> io::Result<()> {
        match &*self.mode() {
            Mode::Through => return otherwise(),
            Mode::Sealed => return Err(sealed()),
            Mode::Held(_) => {}
        }
        match &mut *self.mode_to_change() {
            Mode::Held(held) => {
                held.push(step());
                Ok(())
            }
            // Released in between.
            Mode::Through => otherwise(),
            Mode::Sealed => Err(sealed()),
        }
    }
}

fn sealed() -> io::Error {
    io::Error::other("the file met a fault, and is to be opened again")
}

impl Step {
    /// Whether nothing of `range` is as it was before.
    fn covers(&self, range: Range<u64>) -> bool {
        match self {
            Self::Write { offset, data } => {
                *offset <= range.start && range.end <= offset + data.len() as u64
            }
            Self::SetLen { .. } | Self::Sync => false,
        }
    }
}

impl Held {
    fn bytes(&self) -> u64 {
        self.steps
            .iter()
            .map(|step| match step {
                Step::Write { data, .. } => data.len() as u64,
                Step::SetLen { .. } | Step::Sync => 0,
            })
            .sum()
    }

    /// Does the steps in their order, but for what begins the file: that comes just before a sync, so that no
    /// commit is named where there is no room for its pages.
    fn put(&self, file: &dyn StorageBackend) -> io::Result<()> {
        let mut begins = Vec::new();
        for step in self.steps.iter().chain([&Step::Sync]) {
            match step {
                Step::Write { offset: 0, data } => begins.push(data),
                Step::Write { offset, data } => file.write(*offset, data)?,
                Step::SetLen { len } => file.set_len(*len)?,
                Step::Sync => {
                    begins.drain(..).try_for_each(|data| file.write(0, data))?;
                    file.sync_data()?;
                }
            }
        }
        Ok(())
    }

    fn push(&mut self, step: Step) {
        match &step {
            Step::Write { offset, data } => self.len = self.len.max(offset + data.len() as u64),
            Step::SetLen { len } => self.len = *len,
            Step::Sync => {}
        }
        self.steps.push(step);
    }

    fn read(&self, file: &dyn StorageBackend, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let end = offset + out.len() as u64;
        if end > self.len {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        out.fill(0);
        let on_disk = file.len()?.saturating_sub(offset).min(out.len() as u64);
        let on_disk = usize::try_from(on_disk).expect("it is at most out.len()");
        // What was held may be there because the disk does not give it.
        let is_held = self.steps.iter().any(|step| step.covers(offset..end));
        if on_disk > 0 && !is_held {
            file.read(offset, &mut out[..on_disk])?;
        }
        for step in &self.steps {
            match step {
                Step::Write { offset: at, data } => overlay(*at, data, offset, out),
                // What a shorter file lost does not come back when it grows again.
                Step::SetLen { len } if *len < end => {
                    let kept = usize::try_from(len.saturating_sub(offset))
                        .expect("it is less than out.len()");
                    out[kept..].fill(0);
                }
                Step::SetLen { .. } | Step::Sync => {}
            }
        }
        Ok(())
    }
}

/// Copies what of `data`, which is at `at`, falls into `out`, which is at `offset`.
fn overlay(at: u64, data: &[u8], offset: u64, out: &mut [u8]) {
    let start = at.max(offset);
    let end = (at + data.len() as u64).min(offset + out.len() as u64);
    if start < end {
        let within = |from: u64| usize::try_from(from).expect("it is within a slice");
        out[within(start - offset)..within(end - offset)]
            .copy_from_slice(&data[within(start - at)..within(end - at)]);
    }
}

impl StorageBackend for Shadow {
    fn len(&self) -> io::Result<u64> {
        match &*self.mode() {
            Mode::Held(held) => Ok(held.len),
            Mode::Through | Mode::Sealed => self.0.file.len(),
        }
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        match &*self.mode() {
            Mode::Held(held) => held.read(self.0.file.as_ref(), offset, out),
            Mode::Through | Mode::Sealed => self.0.file.read(offset, out),
        }
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.step(|| Step::SetLen { len }, || self.0.file.set_len(len))
    }

    fn sync_data(&self) -> io::Result<()> {
        self.written().sync_begins();
        let synced = self.step(|| Step::Sync, || self.0.file.sync_data());
        self.written().sync_ends(synced.is_ok());
        synced
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        // A read may have a page written too, beside the one thread that writes otherwise.
        let mut written = self.written();
        written.write(offset, data.len());
        self.step(
            || Step::Write {
                offset,
                data: data.to_vec(),
            },
            || self.0.file.write(offset, data),
        )
    }

    fn close(&self) -> io::Result<()> {
        self.0.file.close()
    }

    forward_locks!(self => self.lockable()?);
}
