//! A session's folder: its lock, its socket and its spool; what a scan finds in it; and what whoever drives the
//! session keeps there.

mod bookmark;
mod found;

use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use rustix::fs::{
    AtFlags, Dir, FileType, FlockOperation, Mode, OFlags, flock, fstat, openat, unlinkat,
};
use rustix::io::Errno;

pub use bookmark::{MAX_BOOKMARK_BYTES, read_bookmark, remove_bookmark, write_bookmark};
pub use found::{Found, Remains, is_dead, look};

/// Held, by `flock`, as long as the shim lives, however it ends.
pub const LOCK: &str = "lock";

/// Where the shim listens, in its folder.
pub const SOCKET: &str = "socket";

/// The folder of a session that no shim holds yet: empty, and for its owner alone.
///
/// Whoever launches the session makes it before that is on record, so that what is on record and has an empty folder
/// never ran, as [`look`] finds it. Dropped, it stays.
#[derive(Debug)]
pub struct NewFolder {
    path: PathBuf,
    pub(super) held: OwnedFd,
}

impl NewFolder {
    /// Makes it, at a path at which there is nothing, in a directory that is there. Blocks.
    ///
    /// # Errors
    /// Those of making and opening it. Nothing is left.
    pub fn make(path: &Path) -> io::Result<Self> {
        fs::DirBuilder::new().mode(0o700).create(path)?;
        let path = path.to_owned();
        match open(&path) {
            Ok(held) => Ok(Self { path, held }),
            Err(error) => {
                // Empty; what cannot be removed is found by a scan.
                let _ = fs::remove_dir(path);
                Err(error)
            }
        }
    }

    /// Removes it: there will be no shim. Blocks.
    ///
    /// # Errors
    /// Those of removing it; `DirectoryNotEmpty` where something is in it.
    pub fn remove(self) -> io::Result<()> {
        fs::remove_dir(self.path)
    }
}

pub(super) fn open(folder: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(rustix::fs::open(folder, flags, Mode::empty())?)
}

/// Takes the lock of a new session's folder, for its shim.
///
/// # Errors
/// `AlreadyExists`: somebody looked at the folder before, and takes the session for one that never
/// began.
pub(super) fn lock_new(folder: impl AsFd) -> io::Result<OwnedFd> {
    lock_with(folder, OFlags::CREATE | OFlags::EXCL)
}

/// Takes the lock of a folder in which a shim was, or never was.
///
/// # Errors
/// `WouldBlock`: a shim has it, or whoever looks.
fn lock(folder: impl AsFd) -> io::Result<OwnedFd> {
    lock_with(folder, OFlags::CREATE)
}

fn lock_with(folder: impl AsFd, make: OFlags) -> io::Result<OwnedFd> {
    let flags = OFlags::RDWR | OFlags::CLOEXEC | OFlags::NOFOLLOW | make;
    let lock = openat(folder, LOCK, flags, Mode::RUSR | Mode::WUSR)?;
    flock(&lock, FlockOperation::NonBlockingLockExclusive)?;
    Ok(lock)
}

/// The names of what is in a folder.
pub(super) fn names(folder: impl AsFd) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(folder)? {
        // Nothing of ours has a name that is no text.
        names.extend(entry?.file_name().to_str().map(str::to_owned));
    }
    Ok(names)
}

/// Removes what a shim has beside its spool, and its folder, of which it knows no path.
pub(super) fn remove(folder: &OwnedFd) {
    for name in [SOCKET, LOCK] {
        // What stays is found by a scan, with its lock free.
        let _ = unlinkat(folder, name, AtFlags::empty());
    }
    let link = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(folder));
    if let Ok(path) = fs::read_link(link) {
        let _ = fs::remove_dir(path);
    }
}

/// The socket that is in a folder, to be connected to by [`socket_path`]; `None` where something else is in its place,
/// as a link, which is not followed: whose socket it leads to would be disturbed.
///
/// # Errors
/// Those of looking at it.
pub(super) fn socket(folder: impl AsFd) -> io::Result<Option<OwnedFd>> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let found = openat(folder, SOCKET, flags, Mode::empty())?;
    let is_socket = FileType::from_raw_mode(fstat(&found)?.st_mode).is_socket();
    Ok(is_socket.then_some(found))
}

/// A path to a socket that is held. Its own may be longer than an address can be.
pub(super) fn socket_path(socket: &OwnedFd) -> String {
    format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(socket))
}

/// The system's number for an error, or the one for "something".
pub(super) fn errno(error: &io::Error) -> i32 {
    error.raw_os_error().unwrap_or(Errno::IO.raw_os_error())
}
