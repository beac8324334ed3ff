//! `Disk`: the file system under the log. Tests have one that fails when told to.

use std::fmt::Debug;
use std::fs::{File, OpenOptions};
use std::io;
#[cfg(target_os = "linux")]
use std::num::NonZeroU64;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use redb::StorageBackend;
use redb::backends::FileBackend;
use rustix::fs::{OFlags, StatVfsMountFlags};
use rustix::io::Errno;

use super::holes::Holes;
use super::names;
use super::place::{Inode, Standing};

/// What a file is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    Read,
    Write,
    /// As `Write`, and it is made, private to its owner, where it is missing. A symbolic link is
    /// not followed: these files are cut and filled without a look at what they hold.
    Create,
}

/// What a file system has left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Room {
    pub(crate) available_bytes: u64,
    /// What it had, were it empty.
    pub(crate) size_bytes: u64,
    pub(crate) read_only: bool,
}

/// How much of a file the system is to read from the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Forgotten {
    /// The page that says what the last commit is. That is enough where a commit is synced before it is named
    /// there: what only another one uses is written before it is read.
    FirstPage,
    /// All of it: whether a commit that was synced together with its name is whole, is seen by its pages.
    All,
}

pub(crate) trait Disk: Debug + Send + Sync {
    fn open(&self, path: &Path, access: Access) -> io::Result<File>;

    /// How the database reads and writes an open file.
    fn backend(&self, file: File) -> io::Result<Box<dyn StorageBackend>>;

    /// How blocks of an open file are given back.
    fn holes(&self, file: &File) -> io::Result<Box<dyn Holes>>;

    /// Which file is at a path, and how long that is.
    fn standing(&self, path: &Path) -> io::Result<Standing> {
        let found = std::fs::metadata(path)?;
        Ok(Standing {
            inode: Inode::of(&found),
            len_bytes: found.len(),
        })
    }

    /// What is left on the file system that a folder is on.
    fn room(&self, folder: &File) -> io::Result<Room>;

    /// After a sync that failed, the system may keep pages as clean that never reached the disk. Has it read
    /// what the disk has, so that nothing is taken for durable that is not. A hint: where it is not taken, the
    /// pages are what they were.
    fn forget(&self, path: &Path, what: Forgotten);

    /// Gives a file another name in its folder, which nothing has yet. A cut may take that back until the
    /// folder is synced.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        names::rename(from, to)
    }

    /// Takes a file's name away, which a cut may take back as well.
    fn remove(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_file(path)
    }

    /// Has the names that are in a file's folder on the disk.
    fn sync_folder(&self, of: &Path) -> io::Result<()> {
        names::sync_folder(of)
    }
}

/// Whose a file is.
pub(crate) fn owner(path: &Path) -> io::Result<u32> {
    std::fs::metadata(path).map(|file| file.uid())
}

/// The real one.
#[derive(Debug)]
pub(crate) struct OsDisk;

/// Those with which the first page is dropped: the system drops pages that it holds together when all of them
/// are to be, and may hold 2 MiB together.
#[cfg(target_os = "linux")]
const FIRST_BYTES: Option<NonZeroU64> = NonZeroU64::new(4 << 20);

impl Disk for OsDisk {
    fn open(&self, path: &Path, access: Access) -> io::Result<File> {
        // Without NONBLOCK, opening a FIFO would wait for somebody at its other end.
        let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
        let flags = match access {
            Access::Read | Access::Write => flags,
            Access::Create => flags | OFlags::NOFOLLOW,
        };
        let opened = OpenOptions::new()
            .read(true)
            .write(access != Access::Read)
            .create(access == Access::Create)
            .mode(0o600)
            .custom_flags(flags.bits().cast_signed())
            .open(path);
        let irregular = || io::Error::other("it is not a regular file");
        match opened {
            Ok(file) if file.metadata()?.is_file() => Ok(file),
            Ok(_) => Err(irregular()),
            // A socket, or a device that is not there.
            Err(error) if error.raw_os_error() == Some(Errno::NXIO.raw_os_error()) => {
                Err(irregular())
            }
            Err(error) => Err(error),
        }
    }

    fn backend(&self, file: File) -> io::Result<Box<dyn StorageBackend>> {
        match FileBackend::new(file) {
            Ok(backend) => Ok(Box::new(backend)),
            Err(redb::DatabaseError::Storage(redb::StorageError::Io(error))) => Err(error),
            Err(other) => Err(io::Error::other(other)),
        }
    }

    fn holes(&self, file: &File) -> io::Result<Box<dyn Holes>> {
        Ok(Box::new(file.try_clone()?))
    }

    fn room(&self, folder: &File) -> io::Result<Room> {
        let stat = rustix::fs::fstatvfs(folder)?;
        // Some network file systems have no size at all.
        let (available_bytes, size_bytes) = match stat.f_blocks {
            0 => (u64::MAX / 2, u64::MAX / 2),
            blocks => (
                stat.f_bavail.saturating_mul(stat.f_frsize),
                blocks.saturating_mul(stat.f_frsize),
            ),
        };
        Ok(Room {
            available_bytes,
            size_bytes,
            read_only: stat.f_flag.contains(StatVfsMountFlags::RDONLY),
        })
    }

    fn forget(&self, path: &Path, what: Forgotten) {
        #[cfg(target_os = "linux")]
        if let Ok(file) = self.open(path, Access::Read) {
            let bytes = match what {
                Forgotten::FirstPage => FIRST_BYTES,
                Forgotten::All => None,
            };
            let _ = rustix::fs::fadvise(file, 0, bytes, rustix::fs::Advice::DontNeed);
        }
        #[cfg(not(target_os = "linux"))]
        let _ = (path, what);
    }
}
