//! The home: the one directory that holds all Coven keeps.
//!
//! It is checked and locked before anything in it is read. Files that are not ours are left
//! alone.

mod format;
mod held;
mod holder;
mod lock;
mod lost_log;
mod made;

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use coven_core::SessionId;
use coven_harness::shim::Reach;
use rustix::fs::{CWD, Mode, OFlags, RawMode, fchmod, fstat, openat};
use rustix::io::Errno;
use rustix::process::geteuid;

use crate::OpenError;
use crate::spools::Spools;

use format::FORMAT_FILE;
pub use held::{Held, held};
pub use holder::Holder;
use lock::LOCK_FILE;
pub use lock::wait_until_free;
pub(crate) use lost_log::refuse_lost_log;
pub use lost_log::{LostLog, has_log, is_log_lost};
pub(crate) use made::Made;

/// The log's file in a home.
pub const LOG_FILE: &str = "coven.redb";
/// The directory in a home that has a folder for each session that a shim holds.
pub const SPOOLS: &str = "spools";
/// The files that a home has from when it is opened, whatever becomes of it.
pub(crate) const OWN_FILES: [&str; 3] = [FORMAT_FILE, LOCK_FILE, "format.new"];
/// How the log's file begins.
const DATABASE: &[u8] = b"redb\x1a\x0a\xa9\x0d\x0a";
const HARNESSES_DIRECTORY: &str = "harnesses";

/// A home of ours that no other engine has open. Dropped, it is free again.
#[derive(Debug)]
pub(crate) struct Home {
    path: PathBuf,
    /// Holds the lock for as long as it is there.
    lock: Arc<Locked>,
}

/// The lock of a home, and those that were removed while they were held: who waits for one of them waits
/// for its home. The last is the one that there is.
#[derive(Debug)]
struct Locked(Mutex<Vec<File>>);

impl Locked {
    fn new(file: File) -> Arc<Self> {
        Arc::new(Self(Mutex::new(vec![file])))
    }
}

/// Keeps a home from other engines for as long as it is held.
#[derive(Debug)]
pub struct Hold {
    home: PathBuf,
    lock: Arc<Locked>,
}

/// Where the lock of a home was that is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Renewed {
    /// In its place.
    WasInPlace,
    /// It was not, and is now.
    Again,
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

/// Whether the directory of the home at `path` that shims' folders are in, if there is one, can be used.
/// Blocks for a few system calls.
///
/// # Errors
/// What is wrong with it, and what to do.
pub fn check_spools(path: &Path) -> io::Result<()> {
    match Spools::of(path).check() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        checked => checked,
    }
}

/// How far the output goes that a session's shim has written down in the home at `path`, and whether the end of
/// the session is there, too; `None` where there is no shim, nor anything that one left. What of it is beyond the
/// log waits for the next engine. Blocks for reading some 4 MiB at most. Nothing is changed, and a shim that lives
/// writes on meanwhile.
///
/// # Errors
/// Those of reading it.
pub fn spooled(path: &Path, session: &SessionId) -> io::Result<Option<Reach>> {
    Spools::of(path).reach(session)
}

/// Takes a home that nobody has open, so that nobody opens it as long as this is held. Nothing in it is
/// read, and nothing written but who has its lock. Blocks for a few system calls, and for a second at
/// most where the lock of a process that is dying is on its way to be let go of.
///
/// # Errors
/// [`OpenError::InUse`] where somebody has it; [`OpenError::Io`] of the kind `NotFound` where there is
/// none; as [`Engine::open_to_read`](crate::Engine::open_to_read) otherwise.
pub fn hold(path: &Path) -> Result<Hold, OpenError> {
    Ok(Home::open_to_read(path)?.hold())
}

impl Hold {
    /// The home, as an absolute path.
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// Has the home's lock be where it is looked for: makes it again where somebody removed its file, or
    /// put another in its place. Blocks for a few system calls.
    ///
    /// # Errors
    /// [`OpenError::InUse`] where another process has taken the lock meanwhile: it cannot open the log, and
    /// lets go of it soon. Others where the file cannot be made.
    pub fn renew(&self) -> Result<Renewed, OpenError> {
        let mut locks = self.lock.0.lock().unwrap_or_else(PoisonError::into_inner);
        let held = locks.last().expect("a home that is held has a lock");
        let Some(file) = lock::renew(held, &self.home)? else {
            return Ok(Renewed::WasInPlace);
        };
        locks.push(file);
        Ok(Renewed::Again)
    }
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
        let lock = Locked::new(lock::take(&path)?);
        format::check(&path, &directory)?;
        Ok(Self { path, lock })
    }

    /// Checks and locks the home at `path` for reading alone: none is made, and nothing is written
    /// into it but who has the lock, where that can be. Blocks for a few system calls.
    pub(crate) fn open_to_read(path: &Path) -> Result<Self, OpenError> {
        let home = Self::open_to_repair(path)?;
        format::found(&home.path)?;
        Ok(home)
    }

    /// The same for who looks at its log, or salvages it, whatever the home says of its format: the log says of
    /// itself which it is of.
    pub(crate) fn open_to_repair(path: &Path) -> Result<Self, OpenError> {
        let path = named(path)?;
        open_directory(&path)?;
        check_log(&path)?;
        let lock = Locked::new(lock::take_to_read(&path)?);
        match format::found(&path) {
            Ok(_) | Err(OpenError::Newer { .. } | OpenError::Format { .. }) => {}
            Err(error) => return Err(error),
        }
        Ok(Self { path, lock })
    }

    /// Refuses a home whose log is gone: another is not made in its place without a word.
    pub(crate) fn refuse_lost_log(&self) -> Result<(), OpenError> {
        refuse_lost_log(&self.path)
    }

    /// Keeps other engines away for longer than this is there.
    pub(crate) fn hold(&self) -> Hold {
        Hold {
            home: self.path.clone(),
            lock: Arc::clone(&self.lock),
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
        Err(error) if error.raw_os_error() == Some(Errno::LOOP.raw_os_error()) => Err(
            io::Error::other("it is a symbolic link, which is not followed"),
        ),
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
    if format::is_said(home) {
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

/// What the home at `path` says of its format, where nothing but looking at its log, or salvaging it, is done
/// because of that.
pub(crate) fn foreign_format(path: &Path) -> Option<String> {
    match format::found(path) {
        Err(OpenError::Newer { found, .. } | OpenError::Format { found, .. }) => Some(found),
        Ok(_) | Err(_) => None,
    }
}

/// Whether what says the format of the home at `path`, and its lock, are files that can be read.
pub(crate) fn glance(path: &Path) -> Result<(), OpenError> {
    format::found(path)?;
    match lock::open(path, OpenOptions::new().read(true)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(lock::error(path, error)),
        Ok(_) | Err(_) => Ok(()),
    }
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
