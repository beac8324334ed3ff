//! `Shadow`: a file whose writes can be held in memory.
//!
//! redb writes to a file as soon as it opens it. We must know first whether the file is ours, and
//! we want to read on when the disk takes no writes. So a file is opened *held*: it is read as if
//! written to, and nothing reaches the disk until [`Shadow::release`].

use std::io;
use std::ops::{Bound, Range};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use redb::{BackendError, StorageBackend};

use super::holes::{Blocks, Holes};
use super::written::Written;

#[derive(Clone, Debug)]
pub(crate) struct Shadow(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    file: Box<dyn StorageBackend>,
    holes: Box<dyn Holes>,
    /// What was asked of the file since it was opened; `None` once it has been done.
    held: RwLock<Option<Held>>,
    /// Locked before `held` where both are, and while a write or a punch is under way.
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
        let held = Some(Held { len, steps });
        Ok(Self::of(file, holes, held, locking))
    }

    /// A file that nothing is held of.
    pub(crate) fn none(file: Box<dyn StorageBackend>, holes: Box<dyn Holes>) -> Self {
        Self::of(file, holes, None, Locking::Exclusive)
    }

    fn of(
        file: Box<dyn StorageBackend>,
        holes: Box<dyn Holes>,
        held: Option<Held>,
        locking: Locking,
    ) -> Self {
        Self(Arc::new(Inner {
            file,
            holes,
            held: RwLock::new(held),
            written: Mutex::default(),
            locking,
        }))
    }

    /// Bytes that are held.
    pub(crate) fn held_bytes(&self) -> u64 {
        let held = self.0.held.read().unwrap_or_else(PoisonError::into_inner);
        held.as_ref().map_or(0, Held::bytes)
    }

    /// Does to the file what was held, in the same order with the same syncs, and from now on
    /// everything at once. What could be read before is durable then. After an error everything
    /// is still held, reads see no difference, and it can be tried again.
    pub(crate) fn release(&self) -> io::Result<()> {
        let mut held = self.0.held.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(held) = held.as_ref() {
            for step in &held.steps {
                match step {
                    Step::Write { offset, data } => self.0.file.write(*offset, data)?,
                    Step::SetLen { len } => self.0.file.set_len(*len)?,
                    Step::Sync => self.0.file.sync_data()?,
                }
            }
            self.0.file.sync_data()?;
        }
        *held = None;
        Ok(())
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
        let held = self.0.held.read().unwrap_or_else(PoisonError::into_inner);
        if held.is_some() {
            return Ok(0);
        }
        let mut punched_bytes = 0;
        for spare in written.spares(range) {
            punched_bytes += spare.end - spare.start;
            self.0.holes.punch(spare)?;
        }
        Ok(punched_bytes)
    }

    fn written(&self) -> MutexGuard<'_, Written> {
        let written = self.0.written.lock();
        written.unwrap_or_else(PoisonError::into_inner)
    }

    /// Holds a step, or does it with `otherwise`.
    fn step(
        &self,
        step: impl FnOnce() -> Step,
        otherwise: impl FnOnce() -> io::Result<()>,
    ) -> io::Result<()> {
        {
            let held = self.0.held.read().unwrap_or_else(PoisonError::into_inner);
            if held.is_none() {
                return otherwise();
            }
        }
        let mut held = self.0.held.write().unwrap_or_else(PoisonError::into_inner);
        match held.as_mut() {
            Some(held) => {
                held.push(step());
                Ok(())
            }
            // Released in between.
            None => otherwise(),
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
        if on_disk > 0 {
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
        let held = self.0.held.read().unwrap_or_else(PoisonError::into_inner);
        match held.as_ref() {
            Some(held) => Ok(held.len),
            None => self.0.file.len(),
        }
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let held = self.0.held.read().unwrap_or_else(PoisonError::into_inner);
        match held.as_ref() {
            Some(held) => held.read(self.0.file.as_ref(), offset, out),
            None => self.0.file.read(offset, out),
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

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        match self.0.locking {
            Locking::Exclusive => self.0.file.try_lock_range(start, end),
            Locking::None => Err(BackendError::Unsupported),
        }
    }

    fn try_lock_shared_range(
        &self,
        start: Bound<u64>,
        end: Bound<u64>,
    ) -> Result<bool, BackendError> {
        match self.0.locking {
            Locking::Exclusive => self.0.file.try_lock_shared_range(start, end),
            Locking::None => Err(BackendError::Unsupported),
        }
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        match self.0.locking {
            Locking::Exclusive => self.0.file.lock_range(start, end),
            Locking::None => Err(BackendError::Unsupported),
        }
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        match self.0.locking {
            Locking::Exclusive => self.0.file.lock_shared_range(start, end),
            Locking::None => Err(BackendError::Unsupported),
        }
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        match self.0.locking {
            Locking::Exclusive => self.0.file.unlock_range(start, end),
            Locking::None => Err(BackendError::Unsupported),
        }
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        match self.0.locking {
            Locking::Exclusive => self.0.file.query_lock_range(start, end),
            Locking::None => Err(BackendError::Unsupported),
        }
    }
}
