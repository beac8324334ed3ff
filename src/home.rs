//! The home: the one directory that holds all Coven keeps.
//!
//! It is checked and locked before anything in it is read. Files that are not ours are left
//! alone.

mod holder;
mod made;

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::fs::{
    CWD, FlockOperation, Mode, OFlags, RawMode, fchmod, flock, fstat, openat, renameat,
};
use rustix::io::Errno;
use rustix::process::geteuid;

use crate::OpenError;

pub use holder::Holder;
pub(crate) use made::Made;

/// The format of the home that this version reads and writes.
const FORMAT: u32 = 1;

const FORMAT_FILE: &str = "format";
const LOCK_FILE: &str = "lock";
/// The log's file in a home.
pub const LOG_FILE: &str = "coven.redb";
/// The directory in a home that has a folder for each session that a shim holds.
pub const SPOOLS: &str = "spools";
/// How the log's file begins.
const DATABASE: &[u8] = b"redb\x1a\x0a\xa9\x0d\x0a";
const HARNESSES_DIRECTORY: &str = "harnesses";

/// How long a lock is waited for that no other process is proved to have: a process that a thread
/// of its last holder is just making has a copy of all that is open, until it runs its program.
const SPAWNING: Duration = Duration::from_secs(1);

/// A home of ours that no other engine has open. Dropped, it is free again.
#[derive(Debug)]
pub(crate) struct Home {
    path: PathBuf,
    /// Holds the lock for as long as it is open.
    lock: Arc<File>,
}

/// Keeps a home from other engines for as long as it is held.
#[derive(Debug)]
pub struct Hold {
    _lock: Arc<File>,
}

/// How a home was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// There is none yet.
    Missing,
    /// It is its owner's alone.
    Private,
    /// It was open to others, and no longer is.
    WasOpen,
}

/// Makes the home at `path` if there is none, readable by its owner only, and checks it as
/// [`check`] does. Blocks for a few system calls.
///
/// # Errors
/// As [`check`]; when it cannot be made; and when another program keeps its files there.
pub fn make(path: &Path) -> Result<Found, OpenError> {
    let path = named(path)?;
    create(&path)?;
    let found = check(&path)?;
    check_log(&path)?;
    Ok(found)
}

/// Whether the home at `path` can be trusted: a real directory of our own. One that is open to
/// others is closed to them. Whoever reads or connects to anything in it asks this first. Blocks
/// for a few system calls.
///
/// # Errors
/// [`OpenError::Home`] when it is a symbolic link, no directory, another user's, or open to others
/// and cannot be closed to them; [`OpenError::ReadOnly`] when it cannot be looked into.
pub fn check(path: &Path) -> Result<Found, OpenError> {
    match open_directory(&named(path)?) {
        Ok((_, found)) => Ok(found),
        Err(OpenError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            Ok(Found::Missing)
        }
        Err(error) => Err(error),
    }
}

/// Waits until no engine has the home at `path` open. Blocks for as long as that takes.
///
/// # Errors
/// When the lock cannot be opened. A lock that does not exist is nobody's.
pub fn wait_until_free(path: &Path) -> io::Result<()> {
    let file = match open_lock(path, OpenOptions::new().read(true)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        opened => opened?,
    };
    // Shared, so that others who wait are not kept waiting by us.
    rustix::io::retry_on_intr(|| flock(&file, FlockOperation::LockShared))?;
    Ok(())
}

impl Home {
    /// Makes the home at `path` if there is none, checks it, and locks it. Blocks for a few
    /// system calls.
    pub(crate) fn open(path: &Path) -> Result<Self, OpenError> {
        let path = named(path)?;
        create(&path)?;
        let (directory, found) = open_directory(&path)?;
        if found == Found::WasOpen {
            tracing::info!(home = %path.display(), "the home was open to others; its mode is 0700 now");
        }
        check_log(&path)?;
        let lock = Arc::new(lock(&path)?);
        check_format(&path, &directory)?;
        Ok(Self { path, lock })
    }

    /// Checks and locks the home at `path` for reading alone: none is made, and nothing is written
    /// into it but who has the lock, where that can be. Blocks for a few system calls.
    pub(crate) fn open_to_read(path: &Path) -> Result<Self, OpenError> {
        let path = named(path)?;
        open_directory(&path)?;
        check_log(&path)?;
        let lock = Arc::new(lock_to_read(&path)?);
        found_format(&path)?;
        Ok(Self { path, lock })
    }

    /// Keeps other engines away for longer than this is there.
    pub(crate) fn hold(&self) -> Hold {
        Hold {
            _lock: Arc::clone(&self.lock),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.path.join(LOG_FILE)
    }

    /// Where the user's harness manifests are, if there are any.
    pub(crate) fn harnesses(&self) -> PathBuf {
        self.path.join(HARNESSES_DIRECTORY)
    }
}

/// The absolute path, without a slash or a dot at its end: those would have a link followed.
fn named(path: &Path) -> Result<PathBuf, OpenError> {
    let absolute = std::path::absolute(path).map_err(|source| io_error(path, source))?;
    Ok(absolute.components().collect())
}

fn create(path: &Path) -> Result<(), OpenError> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(|source| denied_or(path, source))?;
    }
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(denied_or(path, error)),
        _ => Ok(()),
    }
}

/// A real directory of ours that nobody else may look into.
fn open_directory(path: &Path) -> Result<(OwnedFd, Found), OpenError> {
    let refuse = |problem: &str| OpenError::Home {
        home: path.to_owned(),
        problem: problem.to_owned(),
    };
    if path.is_symlink() {
        return Err(refuse("is a symbolic link; name the directory itself"));
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let directory = match openat(CWD, path, flags, Mode::empty()) {
        Ok(directory) => directory,
        Err(Errno::NOTDIR) => return Err(refuse("is not a directory")),
        Err(Errno::LOOP) => return Err(refuse("is a symbolic link; name the directory itself")),
        Err(errno) => return Err(denied_or(path, errno.into())),
    };
    let stat = fstat(&directory).map_err(|errno| io_error(path, errno.into()))?;
    if stat.st_uid != geteuid().as_raw() {
        return Err(refuse("belongs to another user"));
    }
    let mode = Mode::from_raw_mode(stat.st_mode as RawMode);
    if !mode.intersects(Mode::RWXG | Mode::RWXO) {
        return Ok((directory, Found::Private));
    }
    fchmod(&directory, Mode::RWXU).map_err(|errno| match denied_or(path, errno.into()) {
        OpenError::ReadOnly { .. } => refuse(
            "is open to other users, and cannot be closed to them where it is; copy it (`cp -r`) to \
             a place that can be written to, and close the copy (`chmod 700`)",
        ),
        other => other,
    })?;
    Ok((directory, Found::WasOpen))
}

fn lock(home: &Path) -> Result<File, OpenError> {
    let mut options = OpenOptions::new();
    let options = options.read(true).write(true).create(true).truncate(false);
    loop {
        let file = open_lock(home, options).map_err(|source| lock_error(home, source))?;
        let file = take_and_tell(file, home)?;
        // Whoever had it before may have taken it away with the home it had made.
        if is_lock_of(&file, home) {
            return Ok(file);
        }
    }
}

fn is_lock_of(file: &File, home: &Path) -> bool {
    let place = |found: fs::Metadata| (found.dev(), found.ino());
    let there = fs::symlink_metadata(home.join(LOCK_FILE)).map(place);
    matches!((file.metadata().map(place), there), (Ok(ours), Ok(there)) if ours == there)
}

/// Why a home cannot be locked: that it may not be written to, or something about its lock.
fn lock_error(home: &Path, source: io::Error) -> OpenError {
    match denied_or(home, source) {
        OpenError::Io { source, .. } => io_error(&home.join(LOCK_FILE), source),
        denied => denied,
    }
}

/// Locks a home that may be one that cannot be written to: then by a file that is open for reading.
fn lock_to_read(home: &Path) -> Result<File, OpenError> {
    match lock(home) {
        Err(OpenError::ReadOnly { .. }) => {}
        locked => return locked,
    }
    let file = match open_lock(home, OpenOptions::new().read(true)) {
        // Whoever has a home open has made a lock in it. The directory stands for it.
        Err(error) if error.kind() == io::ErrorKind::NotFound => File::open(home),
        opened => opened,
    }
    .map_err(|source| io_error(home, source))?;
    take(&file, home)?;
    Ok(file)
}

/// Takes the lock and writes into its file who has it.
fn take_and_tell(mut file: File, home: &Path) -> Result<File, OpenError> {
    take(&file, home)?;
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
fn take(file: &File, home: &Path) -> Result<(), OpenError> {
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

fn open_lock(home: &Path, options: &mut OpenOptions) -> io::Result<File> {
    open_regular(&home.join(LOCK_FILE), options.mode(0o600))
}

/// Opens a file of a home, which is a regular one: nobody is to wait for whoever is at the other end
/// of something else.
fn open_regular(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
    let irregular = || io::Error::other("it is not a regular file");
    match options.custom_flags(flags.bits().cast_signed()).open(path) {
        Ok(file) if file.metadata()?.is_file() => Ok(file),
        Ok(_) => Err(irregular()),
        // A socket, or a device that is not there.
        Err(error) if error.raw_os_error() == Some(Errno::NXIO.raw_os_error()) => Err(irregular()),
        Err(error) => Err(error),
    }
}

/// A directory that says no format and has a file of the log's name that is no database is not a
/// home of ours: nothing may be made in it.
fn check_log(home: &Path) -> Result<(), OpenError> {
    let refuse = |problem: &str| {
        Err(OpenError::Home {
            home: home.to_owned(),
            problem: format!("holds a {LOG_FILE} that no Coven wrote: {problem}"),
        })
    };
    if fs::exists(home.join(FORMAT_FILE)).unwrap_or(true) {
        return Ok(());
    }
    let log = home.join(LOG_FILE);
    match fs::metadata(&log) {
        Ok(found) if !found.is_file() => return refuse("it is not a regular file"),
        Ok(_) => {}
        // There is none, or it is for whoever opens it to complain of.
        Err(_) => return Ok(()),
    }
    let mut head = Vec::new();
    let read = File::open(&log).and_then(|file| {
        let beginning = DATABASE.len() as u64;
        file.take(beginning).read_to_end(&mut head)
    });
    if read.is_ok() && head != DATABASE {
        return refuse("it is not a database");
    }
    Ok(())
}

/// A home says in which format it is, so that an older version refuses it rather than misread it.
fn check_format(home: &Path, directory: &OwnedFd) -> Result<(), OpenError> {
    match found_format(home)? {
        FoundFormat::Ours => Ok(()),
        FoundFormat::None => write_format(home, directory),
    }
}

/// Whether what says the format of the home at `path`, and its lock, are files that can be read.
pub(crate) fn glance(path: &Path) -> Result<(), OpenError> {
    found_format(path)?;
    match open_lock(path, OpenOptions::new().read(true)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(lock_error(path, error)),
        Ok(_) | Err(_) => Ok(()),
    }
}

/// What a home says of its format.
enum FoundFormat {
    /// That it is this version's.
    Ours,
    /// Nothing, yet.
    None,
}

fn found_format(home: &Path) -> Result<FoundFormat, OpenError> {
    let path = home.join(FORMAT_FILE);
    let found =
        match open_regular(&path, OpenOptions::new().read(true)).and_then(io::read_to_string) {
            Ok(found) => found.trim().to_owned(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(FoundFormat::None),
            Err(source) => return Err(io_error(&path, source)),
        };
    match found.parse::<u32>() {
        Ok(FORMAT) => Ok(FoundFormat::Ours),
        Ok(newer) if newer > FORMAT => Err(OpenError::Newer {
            home: home.to_owned(),
            found,
        }),
        Ok(_) | Err(_) => Err(OpenError::Home {
            home: home.to_owned(),
            problem: format!("has a {FORMAT_FILE} file that no Coven wrote"),
        }),
    }
}

/// Written beside and moved into place, so that it is never seen half.
fn write_format(home: &Path, directory: &OwnedFd) -> Result<(), OpenError> {
    let beside = home.join("format.new");
    let write = || -> io::Result<()> {
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&beside)?;
        file.write_all(format!("{FORMAT}\n").as_bytes())?;
        file.sync_all()?;
        renameat(directory, "format.new", directory, FORMAT_FILE)?;
        Ok(rustix::fs::fsync(directory)?)
    };
    write().map_err(|source| denied_or(home, source))
}

fn denied_or(home: &Path, source: io::Error) -> OpenError {
    match source.kind() {
        io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => {
            OpenError::ReadOnly {
                home: home.to_owned(),
            }
        }
        _ => io_error(home, source),
    }
}

fn io_error(path: &Path, source: io::Error) -> OpenError {
    OpenError::Io {
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
#[path = "../tests/shared/not_run.rs"]
mod not_run;

#[cfg(test)]
mod tests;
