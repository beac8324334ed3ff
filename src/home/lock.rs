//! The lock of a home: one engine has it at a time.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::{Holder, denied_or, io_error, open_regular};
use crate::OpenError;

pub(super) const LOCK_FILE: &str = "lock";

/// How long a lock is waited for that no other process is proved to have: a process that a thread
/// of its last holder is just making has a copy of all that is open, until it runs its program.
const SPAWNING: Duration = Duration::from_secs(1);

/// Waits until no engine has the home at `path` open. Blocks for as long as that takes.
///
/// # Errors
/// When the lock cannot be opened. A lock that does not exist is nobody's.
pub fn wait_until_free(path: &Path) -> io::Result<()> {
    let file = match open(path, OpenOptions::new().read(true)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        opened => opened?,
    };
    // Shared, so that others who wait are not kept waiting by us.
    rustix::io::retry_on_intr(|| flock(&file, FlockOperation::LockShared))?;
    Ok(())
}

/// Takes the lock of a home, and writes into its file who has it.
pub(super) fn take(home: &Path) -> Result<File, OpenError> {
    let mut options = OpenOptions::new();
    let options = options.read(true).write(true).create(true).truncate(false);
    loop {
        let file = open(home, options).map_err(|source| error(home, source))?;
        let file = lock_and_tell(file, home)?;
        // Whoever had it before may have taken it away with the home it had made.
        if is_lock_of(&file, home) {
            return Ok(file);
        }
    }
}

/// Takes the lock of a home whose file was removed, or has another in its place, though `held` is locked:
/// nobody would find that. `None` where it is in its place.
pub(super) fn renew(held: &File, home: &Path) -> Result<Option<File>, OpenError> {
    if is_lock_of(held, home) {
        return Ok(None);
    }
    let mut options = OpenOptions::new();
    let options = options.read(true).write(true).create(true).truncate(false);
    let file = open(home, options).map_err(|source| error(home, source))?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(tell(file, home)?)),
        Err(Errno::WOULDBLOCK) => Err(OpenError::InUse {
            home: home.to_owned(),
            pid: Holder::of(home).map(|holder| holder.pid()),
        }),
        Err(errno) => Err(io_error(home, errno.into())),
    }
}

fn is_lock_of(file: &File, home: &Path) -> bool {
    let place = |found: fs::Metadata| (found.dev(), found.ino());
    let there = fs::symlink_metadata(home.join(LOCK_FILE)).map(place);
    matches!((file.metadata().map(place), there), (Ok(ours), Ok(there)) if ours == there)
}

/// Why a home cannot be locked: that it may not be written to, or something about its lock.
pub(super) fn error(home: &Path, source: io::Error) -> OpenError {
    match denied_or(home, source) {
        OpenError::Io { source, .. } => io_error(&home.join(LOCK_FILE), source),
        denied => denied,
    }
}

/// Locks a home that may be one that cannot be written to: then by a file that is open for reading.
pub(super) fn take_to_read(home: &Path) -> Result<File, OpenError> {
    match take(home) {
        Err(OpenError::ReadOnly { .. }) => {}
        locked => return locked,
    }
    let file = match open(home, OpenOptions::new().read(true)) {
        // Whoever has a home open has made a lock in it. The directory stands for it.
        Err(error) if error.kind() == io::ErrorKind::NotFound => File::open(home),
        opened => opened,
    }
    .map_err(|source| io_error(home, source))?;
    lock(&file, home)?;
    Ok(file)
}

/// Takes the lock and writes into its file who has it.
fn lock_and_tell(file: File, home: &Path) -> Result<File, OpenError> {
    lock(&file, home)?;
    tell(file, home)
}

/// Writes into the lock's file who has it.
fn tell(mut file: File, home: &Path) -> Result<File, OpenError> {
    let told = file
        .set_len(0)
        .and_then(|()| file.write_all(format!("{}\n", std::process::id()).as_bytes()));
    match told {
        Ok(()) => Ok(file),
        // The pid is for people; a full disk must not keep a home from opening.
        Err(error) if error.kind() == io::ErrorKind::StorageFull => Ok(file),
        Err(source) => Err(denied_or(home, source)),
    }
}

/// Takes the lock, or says who has it.
fn lock(file: &File, home: &Path) -> Result<(), OpenError> {
    let deadline = Instant::now() + SPAWNING;
    loop {
        match flock(file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(()),
            Err(Errno::WOULDBLOCK) => {}
            Err(errno) => return Err(io_error(home, errno.into())),
        }
        let pid = Holder::of(home).map(|holder| holder.pid());
        // Our own lock may be on its way to be let go of.
        let is_another = pid.is_some_and(|pid| pid != std::process::id());
        if is_another || Instant::now() >= deadline {
            let home = home.to_owned();
            return Err(OpenError::InUse { home, pid });
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

pub(super) fn open(home: &Path, options: &mut OpenOptions) -> io::Result<File> {
    open_regular(&home.join(LOCK_FILE), options.mode(0o600))
}
