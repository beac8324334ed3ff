//! The home: the one directory that holds all Coven keeps.
//!
//! It is checked and locked before anything in it is read. Files that are not ours are left
//! alone.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{
    CWD, FlockOperation, Mode, OFlags, RawMode, fchmod, flock, fstat, openat, renameat,
};
use rustix::io::Errno;
use rustix::process::geteuid;

use crate::OpenError;

/// The format of the home that this version reads and writes.
const FORMAT: u32 = 1;

const FORMAT_FILE: &str = "format";
const LOCK_FILE: &str = "lock";
const LOG_FILE: &str = "coven.redb";
const HARNESSES_DIRECTORY: &str = "harnesses";

/// How long this process's own lock may outlive the engine that had it: a process that another
/// thread is just making has a copy of all that is open, until it runs its program.
const SPAWNING: Duration = Duration::from_secs(1);

/// A home of ours that no other engine has open. Dropped, it is free again.
#[derive(Debug)]
pub(crate) struct Home {
    path: PathBuf,
    /// Holds the lock for as long as it is open.
    _lock: File,
}

impl Home {
    /// Makes the home at `path` if there is none, checks it, and locks it. Blocks for a few
    /// system calls.
    pub(crate) fn open(path: &Path) -> Result<Self, OpenError> {
        let path = std::path::absolute(path).map_err(|source| io_error(path, source))?;
        create(&path)?;
        let directory = check(&path)?;
        let lock = lock(&path)?;
        check_format(&path, &directory)?;
        Ok(Self { path, _lock: lock })
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
fn check(path: &Path) -> Result<OwnedFd, OpenError> {
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
    if Mode::from_raw_mode(stat.st_mode as RawMode) != Mode::RWXU {
        fchmod(&directory, Mode::RWXU).map_err(|errno| denied_or(path, errno.into()))?;
        tracing::info!(home = %path.display(), "the home was open to others; its mode is 0700 now");
    }
    Ok(directory)
}

fn lock(home: &Path) -> Result<File, OpenError> {
    let path = home.join(LOCK_FILE);
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(OFlags::NOFOLLOW.bits() as i32)
        .open(&path)
        .map_err(|source| denied_or(home, source))?;
    take(&mut file, home)?;
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
fn take(file: &mut File, home: &Path) -> Result<(), OpenError> {
    let deadline = Instant::now() + SPAWNING;
    loop {
        match flock(&*file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(()),
            Err(Errno::WOULDBLOCK) => {}
            Err(errno) => return Err(io_error(home, errno.into())),
        }
        let pid = holder(file);
        if pid != Some(std::process::id()) || Instant::now() >= deadline {
            let home = home.to_owned();
            return Err(OpenError::InUse { home, pid });
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The process that has the lock, as it wrote itself down.
fn holder(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.rewind().ok()?;
    file.take(16).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

/// A home says in which format it is, so that an older version refuses it rather than misread it.
fn check_format(home: &Path, directory: &OwnedFd) -> Result<(), OpenError> {
    let path = home.join(FORMAT_FILE);
    let found = match fs::read_to_string(&path) {
        Ok(found) => found.trim().to_owned(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return write_format(home, directory);
        }
        Err(source) => return Err(io_error(&path, source)),
    };
    match found.parse::<u32>() {
        Ok(FORMAT) => Ok(()),
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
mod tests {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};

    use super::*;

    fn temporary() -> tempfile::TempDir {
        tempfile::tempdir().expect("a temporary directory")
    }

    #[test]
    fn a_missing_home_is_made_for_its_owner_alone() {
        let outer = temporary();
        let home = Home::open(&outer.path().join("a/b")).unwrap();
        assert_eq!(fs::metadata(home.path()).unwrap().mode() & 0o7777, 0o700);
        let lock = fs::metadata(home.path().join(LOCK_FILE)).unwrap();
        assert_eq!(lock.mode() & 0o7777, 0o600);
    }

    #[test]
    fn a_home_open_to_others_is_closed_to_them() {
        let outer = temporary();
        fs::set_permissions(outer.path(), fs::Permissions::from_mode(0o775)).unwrap();
        let home = Home::open(outer.path()).unwrap();
        assert_eq!(fs::metadata(home.path()).unwrap().mode() & 0o7777, 0o700);
    }

    #[test]
    fn a_symbolic_link_is_refused_and_not_followed() {
        let outer = temporary();
        let (real, link) = (outer.path().join("real"), outer.path().join("link"));
        fs::create_dir(&real).unwrap();
        symlink(&real, &link).unwrap();
        assert!(matches!(Home::open(&link), Err(OpenError::Home { .. })));
        assert_eq!(fs::read_dir(&real).unwrap().count(), 0);
    }

    #[test]
    fn a_file_is_refused() {
        let outer = temporary();
        let file = outer.path().join("file");
        fs::write(&file, "mine").unwrap();
        assert!(matches!(Home::open(&file), Err(OpenError::Home { .. })));
        assert_eq!(fs::read(&file).unwrap(), b"mine");
    }

    #[test]
    fn a_home_of_another_user_is_refused() {
        let outer = temporary();
        let home = outer.path().join("home");
        fs::create_dir(&home).unwrap();
        if chown(&home, Some(65534), None).is_err() {
            return super::not_run::not_run("only root can give a directory away");
        }
        match Home::open(&home) {
            Err(OpenError::Home { problem, .. }) => assert_eq!(problem, "belongs to another user"),
            other => panic!("{other:?}"),
        }
        assert_eq!(fs::read_dir(&home).unwrap().count(), 0);
    }

    #[test]
    fn a_second_engine_is_told_who_has_the_home() {
        let outer = temporary();
        let first = Home::open(outer.path()).unwrap();
        match Home::open(outer.path()) {
            Err(OpenError::InUse { pid, .. }) => assert_eq!(pid, Some(std::process::id())),
            other => panic!("{other:?}"),
        }
        drop(first);
        Home::open(outer.path()).unwrap();
    }

    #[test]
    fn files_of_others_stay_as_they_are() {
        let outer = temporary();
        fs::write(outer.path().join("coven.sqlite3"), "theirs").unwrap();
        Home::open(outer.path()).unwrap();
        let theirs = fs::read(outer.path().join("coven.sqlite3")).unwrap();
        assert_eq!(theirs, b"theirs");
    }

    #[test]
    fn a_home_of_a_newer_version_is_refused_and_left_as_it_is() {
        let outer = temporary();
        fs::write(outer.path().join(FORMAT_FILE), "2\n").unwrap();
        match Home::open(outer.path()) {
            Err(OpenError::Newer { found, .. }) => assert_eq!(found, "2"),
            other => panic!("{other:?}"),
        }
        let format = fs::read_to_string(outer.path().join(FORMAT_FILE)).unwrap();
        assert_eq!(format, "2\n");
    }
}
