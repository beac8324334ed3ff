//! `DeadSectors`: the places of a file that the disk does not give, however often it is asked, while it gives
//! others.
//!
//! What is there is damaged, as if its bytes were others: that concerns whose it is, and holds up nobody else. A
//! disk that gives nothing is another matter: it fails, and nothing is damaged.
//!
//! Nothing stands for bytes that are not given, so that nobody can take it for something. Who [reads](reading) is
//! unwound from the database as from a page that contradicts itself, before that has kept anything of it. Who
//! writes, and what is read for him, meets an error as any other: the database gives his transaction up, and
//! [where that was](DeadSectors::take_refused) is known.

#[cfg(test)]
mod tests;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use redb::StorageBackend;
use rustix::io::Errno;

use super::forward::forward_locks;
use crate::fault::{Fault, damage};
use crate::limits::{DEAD_SECTOR_SHARE, MAX_DEAD_PLACES, MAX_REOPEN_BACKOFF, MIN_BACKOFF};
use crate::raw::PAGE;

/// They outlive the openings of a file, of which each looks on at the one after it.
#[derive(Clone, Debug, Default)]
pub(crate) struct DeadSectors(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    /// Whether any are known: most files have none.
    are_any: AtomicBool,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    /// By where they begin.
    places: BTreeMap<u64, Dead>,
    refused: Option<NotGiven>,
}

#[derive(Debug)]
struct Dead {
    len_bytes: u64,
    /// The disk is not asked before: it may take seconds to say that it cannot.
    again_at: Instant,
}

/// What was to be read, and is not given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotGiven {
    at: u64,
    len_bytes: u64,
    why: Why,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Why {
    /// The disk does not give all of it.
    Dead,
    /// It is not what was written there.
    Altered,
}

impl fmt::Display for NotGiven {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at, len_bytes, why } = self;
        match why {
            Why::Dead => write!(
                f,
                "the disk does not give all of {len_bytes} bytes at byte {at}"
            ),
            Why::Altered => write!(
                f,
                "the page of {len_bytes} bytes at byte {at} is not what was written there"
            ),
        }
    }
}

thread_local! {
    /// How deep this thread is in work that reads.
    static DEPTH: Cell<u32> = const { Cell::new(0) };
}

/// Runs `read`, which reads and does not write. Where it is to read what the disk does not give, it panics with
/// [`NotGiven`], of which no panic hook hears.
pub(crate) fn reading<T>(read: impl FnOnce() -> T) -> T {
    struct Reading;

    impl Drop for Reading {
        fn drop(&mut self) {
            DEPTH.set(DEPTH.get() - 1);
        }
    }

    DEPTH.set(DEPTH.get() + 1);
    let _reading = Reading;
    read()
}

/// Whether this thread is in such work.
fn is_reading() -> bool {
    DEPTH.get() > 0
}

impl DeadSectors {
    /// Looks on at what is read of a file and written to it.
    pub(super) fn of(&self, file: Box<dyn StorageBackend>) -> Box<dyn StorageBackend> {
        Box::new(Watched {
            file,
            dead: self.clone(),
        })
    }

    /// What was refused last to who writes, told as the damage that it is; once.
    pub(super) fn take_refused(&self) -> Option<Fault> {
        let refused = self.known().refused.take()?;
        Some(damage(refused.to_string()))
    }

    /// Whether the disk is not to be asked for any of this now.
    fn are_in(&self, what: NotGiven) -> bool {
        let now = Instant::now();
        self.0.are_any.load(Ordering::Acquire)
            && (self.known().places.iter())
                .any(|(at, dead)| what.overlaps(*at, dead.len_bytes) && dead.again_at > now)
    }

    /// The disk does not give that, and took so long to say so. `false` where it gave too much not.
    fn add(&self, what: NotGiven, took: Duration) -> bool {
        let now = Instant::now();
        let known = &mut *self.known();
        if known.places.len() >= MAX_DEAD_PLACES {
            // Nobody asks for some of them any more.
            known.places.retain(|_, dead| dead.again_at > now);
        }
        let is_new = !known.places.contains_key(&what.at);
        if is_new && known.places.len() >= MAX_DEAD_PLACES {
            return false;
        }
        if is_new {
            tracing::error!(
                at = what.at,
                len_bytes = what.len_bytes,
                "the disk does not give what is there, and gives all else: it is taken for damaged"
            );
        }
        let wait = (DEAD_SECTOR_SHARE * took).clamp(MIN_BACKOFF, MAX_REOPEN_BACKOFF);
        let dead = Dead {
            len_bytes: what.len_bytes,
            again_at: now + wait,
        };
        known.places.insert(what.at, dead);
        self.0.are_any.store(true, Ordering::Release);
        true
    }

    /// It was read, or written anew.
    fn forget(&self, what: NotGiven) {
        if self.0.are_any.load(Ordering::Acquire) {
            let places = &mut self.known().places;
            places.retain(|at, dead| !what.overlaps(*at, dead.len_bytes));
        }
    }

    /// Unwinds who reads; the error for who does not.
    pub(super) fn refuse(&self, what: NotGiven) -> io::Error {
        if is_reading() && !std::thread::panicking() {
            resume_unwind(Box::new(what));
        }
        self.known().refused = Some(what);
        Errno::IO.into()
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl NotGiven {
    const fn of(at: u64, bytes: &[u8]) -> Self {
        Self {
            at,
            len_bytes: bytes.len() as u64,
            why: Why::Dead,
        }
    }

    /// The page at `at` is none that was written there.
    pub(super) const fn altered(at: u64, bytes: &[u8]) -> Self {
        Self {
            why: Why::Altered,
            ..Self::of(at, bytes)
        }
    }

    const fn overlaps(self, at: u64, len_bytes: u64) -> bool {
        self.at < at + len_bytes && at < self.at + self.len_bytes
    }
}

/// Places of a file that are looked at where the disk did not give another.
pub(crate) const LOOKS: u32 = 4;

/// Bytes that are read there: what nothing else reads.
pub(crate) const LOOK_BYTES: usize = 512;

/// Whether the disk itself says that it cannot.
pub(crate) fn is_not_given(error: &io::Error) -> bool {
    Errno::from_io_error(error) == Some(Errno::IO)
}

/// Whether a disk that did not give something gives other places of the file: more of them than not, so that
/// another dead sector does not matter, nor what the system has in memory of the beginning.
pub(crate) fn gives_others(file: &dyn StorageBackend) -> bool {
    let Ok(len) = file.len() else { return false };
    let page = PAGE as u64;
    let places = (0..LOOKS).map(|number| len / u64::from(LOOKS) * u64::from(number) / page * page);
    let is_given = |at: &u64| file.read(*at, &mut [0; LOOK_BYTES]).is_ok();
    places.filter(is_given).count() > LOOKS as usize / 2
}

#[derive(Debug)]
struct Watched {
    file: Box<dyn StorageBackend>,
    dead: DeadSectors,
}

impl Watched {
    /// What the disk does not give of a place, from the first page of that to the last: what is before it and behind it
    /// can be read. Where it gives each page now, all of the place.
    fn dead_part(&self, what: NotGiven) -> NotGiven {
        let end = what.at + what.len_bytes;
        if what.len_bytes <= PAGE as u64 {
            return what;
        }
        let mut pages = (0..what.len_bytes.div_ceil(PAGE as u64) as usize)
            .map(|page| what.at + (page * PAGE) as u64);
        let is_dead = |at: &u64| {
            let len = (end - at).min(PAGE as u64) as usize;
            self.file.read(*at, &mut vec![0; len]).is_err()
        };
        let Some(first) = pages.find(is_dead) else {
            return what;
        };
        let last = pages.rev().find(is_dead).unwrap_or(first);
        NotGiven {
            at: first,
            len_bytes: (last + PAGE as u64).min(end) - first,
            ..what
        }
    }
}

impl StorageBackend for Watched {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let what = NotGiven::of(offset, out);
        if self.dead.are_in(what) {
            return Err(self.dead.refuse(what));
        }
        let began = Instant::now();
        let mut read = self.file.read(offset, out);
        if read.as_ref().is_err_and(is_not_given) {
            read = self.file.read(offset, out);
        }
        let took = began.elapsed();
        match read {
            Ok(()) => {
                self.dead.forget(what);
                Ok(())
            }
            // Without the first page there is no file.
            Err(error)
                if is_not_given(&error)
                    && offset > 0
                    && gives_others(self.file.as_ref())
                    && self.dead.add(self.dead_part(what), took) =>
            {
                Err(self.dead.refuse(what))
            }
            Err(error) => Err(error),
        }
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.file.write(offset, data)?;
        self.dead.forget(NotGiven::of(offset, data));
        Ok(())
    }

    fn close(&self) -> io::Result<()> {
        self.file.close()
    }

    forward_locks!(self => self.file);
}
