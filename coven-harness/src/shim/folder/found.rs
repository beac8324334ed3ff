//! What a scan finds in a session's folder.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use coven_core::ProcessFacts;
use rustix::fs::{AtFlags, unlinkat};

use super::{LOCK, SOCKET, bookmark, lock, names, open};
use crate::process::is_running;
use crate::shim::protocol::PartHead;
use crate::shim::spool::{self, Leftover};

/// What is in a session's folder.
#[derive(Debug)]
pub enum Found {
    /// Its shim lives, and what became of its launch is on record: adopt it. One that cannot be
    /// reached is about to end: look again.
    Alive,
    /// A shim lives that has no record: it is about to launch its session, or, for a moment, it
    /// has ended and takes away what it made. Adopt it, or look again: it is soon one of the
    /// others, or there is no such folder. On a full disk this lasts, and it can be adopted.
    Starting,
    /// Its shim is dead, or there never was one. Nobody but the holder of this touches what a shim makes there.
    Dead(Box<Remains>),
}

/// The folder of a shim that is dead, with its lock held.
#[derive(Debug)]
pub struct Remains {
    /// Whether anything was ever in its spool. A shim makes a part before its process, and one that would
    /// begin only now finds that it was looked for, and gives up: without a part no process was made, as long
    /// as the machine has not gone down since, which may take files away.
    pub has_part: bool,
    path: PathBuf,
    folder: OwnedFd,
    _lock: OwnedFd,
}

impl Remains {
    /// The records, oldest first: those that the engine had not acknowledged, and perhaps some that it had.
    /// Blocks for reading them.
    ///
    /// # Errors
    /// Those of listing the folder.
    pub fn records(&self) -> io::Result<Leftover> {
        Leftover::open(self.folder.try_clone()?, &self.path)
    }

    /// Removes the folder and all that a shim made in it, or who drove its session. What else is there stays, and the
    /// folder with it. Nothing is followed, and nothing touched outside of the folder that was
    /// looked at, whatever has its path by now.
    ///
    /// # Errors
    /// Those of removing files; `DirectoryNotEmpty` where something else is in the folder.
    pub fn remove(self) -> io::Result<()> {
        for name in names(&self.folder)? {
            if name == SOCKET || bookmark::NAMES.contains(&&*name) || spool::is_part(&name) {
                unlinkat(&self.folder, &name, AtFlags::empty())?;
            }
        }
        // Last: who looks meanwhile finds it locked.
        unlinkat(&self.folder, LOCK, AtFlags::empty())?;
        fs::remove_dir(&self.path)
    }
}

/// Looks at a session's folder. Blocks for reading who wrote its spool, where the shim is dead.
///
/// Nothing is changed but the lock's file, which is made where there is none: a shim that would begin later gives up. Two who look at once
/// may take each other for a shim: only who has the home may look.
///
/// # Errors
/// `NotFound` where there is no such folder; those of opening the lock and of reading.
pub fn look(path: &Path) -> io::Result<Found> {
    let folder = open(path)?;
    let lock = match lock(&folder) {
        Ok(lock) => lock,
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            let has_record = spool::has_record(&folder)?;
            return Ok(if has_record {
                Found::Alive
            } else {
                Found::Starting
            });
        }
        Err(error) => return Err(error),
    };
    let leftover = Leftover::open(folder.try_clone()?, path)?;
    let head = leftover.peek_head();
    if head.as_ref().is_some_and(writer_runs) {
        // Somebody removed its lock; or it is on its way out.
        return Ok(Found::Alive);
    }
    Ok(Found::Dead(Box::new(Remains {
        has_part: leftover.has_part(),
        path: path.to_owned(),
        folder,
        _lock: lock,
    })))
}

/// Whether [`look`] would find a session's shim dead.
///
/// # Errors
/// Those of [`look`].
pub fn is_dead(path: &Path) -> io::Result<bool> {
    let folder = open(path)?;
    let _lock = match lock(&folder) {
        Ok(lock) => lock,
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
        Err(error) => return Err(error),
    };
    let head = Leftover::open(folder.try_clone()?, path)?.peek_head();
    Ok(!head.as_ref().is_some_and(writer_runs))
}

/// Whether the shim runs that wrote this.
fn writer_runs(head: &PartHead) -> bool {
    is_running(&ProcessFacts {
        pid: head.shim_pid,
        start_time: head.shim_start_time,
        boot_id: head.boot_id.clone(),
        shim_pid: None,
    })
}
