//! A session's folder: its lock, its socket and its spool; and what a scan finds in it.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use coven_core::{Exit, OutputEnd, ProcessFacts};
use rustix::fs::{AtFlags, FlockOperation, Mode, OFlags, flock, openat, unlinkat};
use rustix::io::Errno;

use super::protocol::{LaunchFailure, PartHead, Record};
use super::spool::{Damage, Leftover};

/// Held, by `flock`, as long as the shim lives, however it ends.
pub(super) const LOCK: &str = "lock";

/// Where the shim listens.
pub(super) const SOCKET: &str = "socket";

/// Makes the folder of a new session, for its owner alone.
pub(super) fn create(folder: &Path) -> io::Result<OwnedFd> {
    fs::DirBuilder::new().mode(0o700).create(folder)?;
    open(folder)
}

pub(super) fn open(folder: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(rustix::fs::open(folder, flags, Mode::empty())?)
}

/// Takes the lock of a folder.
///
/// # Errors
/// `WouldBlock`: a shim has it, or whoever looks.
pub(super) fn lock(folder: impl AsFd) -> io::Result<OwnedFd> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let lock = openat(folder, LOCK, flags, Mode::RUSR | Mode::WUSR)?;
    flock(&lock, FlockOperation::NonBlockingLockExclusive)?;
    Ok(lock)
}

/// What is in a session's folder.
#[derive(Debug)]
pub enum Found {
    /// Its shim lives: adopt it. One that does not listen yet is about to, or about to end.
    Alive,
    /// Its shim is dead, or there never was one. Nobody but the holder of this touches the folder.
    Dead(Box<Remains>),
}

/// The folder of a shim that is dead, with its lock held.
#[derive(Debug)]
pub struct Remains {
    /// What its spool tells of the session. It tells only what the engine had not acknowledged:
    /// what is not here may be on record.
    pub summary: Summary,
    folder: std::path::PathBuf,
    _lock: OwnedFd,
}

/// What a spool tells of its session.
#[derive(Debug, Default)]
pub struct Summary {
    /// Who wrote it; `None` where there is no part, or its head is damaged.
    pub head: Option<PartHead>,
    /// The oldest record that is there.
    pub first: Option<u64>,
    /// The newest.
    pub last: Option<u64>,
    /// The process, where its start is among the records.
    pub started: Option<ProcessFacts>,
    /// Why there is none, where that is among the records.
    pub launch_failed: Option<LaunchFailure>,
    /// How it ended, where that is.
    pub exited: Option<Exit>,
    /// How its output ended, where that is.
    pub output_closed: Option<OutputEnd>,
    /// Why no more can be read.
    pub damage: Option<Damage>,
}

/// What became of a session whose shim is dead, as far as its folder tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Its end is on the spool: take the records, and it has ended like any other.
    Ended,
    /// Its process never ran, and the spool says why.
    NeverRan,
    /// The shim died before it said that a process ran. One may have been made right then, and
    /// lost its terminal with the shim: look for whoever carries the session's mark.
    Unstarted,
    /// The shim died under a process that ran. It was hung up.
    Abandoned,
}

impl Summary {
    /// What became of the session. `is_started` says whether its start is on record already.
    pub fn fate(&self, is_started: bool) -> Fate {
        if self.launch_failed.is_some() {
            Fate::NeverRan
        } else if self.exited.is_some() && self.output_closed.is_some() {
            Fate::Ended
        } else if is_started || self.started.is_some() {
            Fate::Abandoned
        } else {
            Fate::Unstarted
        }
    }
}

impl Remains {
    /// The records, oldest first. Blocks for reading them, and takes off a last one that was cut.
    ///
    /// # Errors
    /// Those of listing the folder.
    pub fn records(&self) -> io::Result<Leftover> {
        Leftover::open(&self.folder)
    }

    /// Removes the folder and all that a shim made in it. What is not a shim's stays, and the
    /// folder with it.
    ///
    /// # Errors
    /// Those of removing files; `DirectoryNotEmpty` where something else is in the folder.
    pub fn remove(self) -> io::Result<()> {
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            let name = entry.file_name();
            let name = name.to_str().unwrap_or_default();
            if name == SOCKET || super::spool::is_part(name) {
                fs::remove_file(entry.path())?;
            }
        }
        // Last: who looks meanwhile finds it locked.
        fs::remove_file(self.folder.join(LOCK))?;
        fs::remove_dir(&self.folder)
    }
}

/// Looks at a session's folder. Blocks for reading its spool, where the shim is dead.
///
/// Nothing is changed but a last record that was cut, which is taken off, and the lock's file,
/// which is made where there is none: a shim that begins in this very moment then gives up.
///
/// # Errors
/// `NotFound` where there is no such folder; those of opening the lock and of reading.
pub fn look(folder: &Path) -> io::Result<Found> {
    let lock = match lock(open(folder)?) {
        Ok(lock) => lock,
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Found::Alive),
        Err(error) => return Err(error),
    };
    Ok(Found::Dead(Box::new(Remains {
        summary: summary(folder)?,
        folder: folder.to_owned(),
        _lock: lock,
    })))
}

fn summary(folder: &Path) -> io::Result<Summary> {
    let leftover = Leftover::open(folder)?;
    let mut summary = Summary {
        head: leftover.peek_head(),
        ..Summary::default()
    };
    for recorded in leftover {
        let recorded = match recorded {
            Ok(recorded) => recorded,
            Err(damage) => {
                summary.damage = Some(damage);
                break;
            }
        };
        summary.first.get_or_insert(recorded.number);
        summary.last = Some(recorded.number);
        match recorded.record {
            Record::Started { process, .. } => summary.started = Some(process),
            Record::LaunchFailed { reason } => summary.launch_failed = Some(reason),
            Record::Exited { exit } => summary.exited = Some(exit),
            Record::OutputClosed { end } => summary.output_closed = Some(end),
            Record::Output { .. }
            | Record::InputTaken { .. }
            | Record::InputDone { .. }
            | Record::Answered { .. }
            | Record::Resized { .. }
            | Record::Unknown { .. } => {}
        }
    }
    Ok(summary)
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

/// The bytes of a listening socket's address are few: it is named from within its folder.
pub(super) fn socket_path(folder: &File) -> String {
    format!(
        "/proc/self/fd/{}/{SOCKET}",
        std::os::fd::AsRawFd::as_raw_fd(folder)
    )
}

/// The system's number for an error, or the one for "something".
pub(super) fn errno(error: &io::Error) -> i32 {
    error.raw_os_error().unwrap_or(Errno::IO.raw_os_error())
}
