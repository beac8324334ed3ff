//! What a scan finds in a session's folder.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use coven_core::{Exit, OutputEnd, ProcessFacts};
use rustix::fs::{AtFlags, unlinkat};

use super::{LOCK, SOCKET, lock, names, open};
use crate::process::{boot_id, is_running};
use crate::shim::protocol::{LaunchFailure, PartHead, Record};
use crate::shim::spool::{self, Damage, Leftover};

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
    /// Its shim is dead, or there never was one. Nobody but the holder of this touches the folder.
    Dead(Box<Remains>),
}

/// The folder of a shim that is dead, with its lock held.
#[derive(Debug)]
pub struct Remains {
    /// Whether anything was ever in its spool: without that it made no process ([`Fate::NeverBegan`]).
    pub has_part: bool,
    path: PathBuf,
    folder: OwnedFd,
    _lock: OwnedFd,
}

/// What a spool tells of its session.
#[derive(Debug, Default)]
pub struct Summary {
    /// Whether anything was ever in it, or is damaged: there is a part. A shim makes one before its
    /// process.
    pub has_part: bool,
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
    /// No process was made: there is no spool, which a shim makes before its process, and one that
    /// would begin only now finds that it was looked for, and gives up. That holds as long as the
    /// machine has not gone down since, which may take files away.
    NeverBegan,
    /// The shim died before it said that a process ran. One may have been made right before, and lost
    /// its terminal with the shim: look for whoever carries the session's mark.
    Unstarted,
    /// The shim died under a process that ran. It was hung up.
    Abandoned,
}

/// What ended a shim that is dead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Death {
    /// The machine went down: its spool is of another boot. Nothing of the session runs.
    Reboot,
    /// It ended in this boot: it was killed or told to end, or it crashed.
    Shim,
    /// Its spool does not tell: there is none, or its first part is damaged.
    Unknown,
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
        } else if self.has_part {
            Fate::Unstarted
        } else {
            Fate::NeverBegan
        }
    }

    /// What ended the shim.
    ///
    /// # Errors
    /// Those of [`boot_id`].
    pub fn death(&self) -> io::Result<Death> {
        let current = boot_id()?;
        Ok(match &self.head {
            Some(head) if head.boot_id == current => Death::Shim,
            Some(_) => Death::Reboot,
            None => Death::Unknown,
        })
    }
}

impl Remains {
    /// What its spool tells of the session. It tells only what the engine had not acknowledged:
    /// what is not here may be on record. Blocks for reading all of it, as [`records`](Self::records) does.
    ///
    /// # Errors
    /// As [`records`](Self::records).
    pub fn summary(&self) -> io::Result<Summary> {
        let leftover = self.records()?;
        let head = leftover.peek_head();
        Ok(summary(head, leftover))
    }

    /// The records, oldest first. Blocks for reading them.
    ///
    /// # Errors
    /// Those of listing the folder.
    pub fn records(&self) -> io::Result<Leftover> {
        self.records_from(1)
    }

    /// The records from number `from` on, or from the oldest there is if that is a later one. What
    /// is before is not read, but for the rest of the part that it is in.
    ///
    /// # Errors
    /// Those of listing the folder.
    pub fn records_from(&self, from: u64) -> io::Result<Leftover> {
        Leftover::open(self.folder.try_clone()?, &self.path, from)
    }

    /// Removes the folder and all that a shim made in it. What is not a shim's stays, and the
    /// folder with it. Nothing is followed, and nothing touched outside of the folder that was
    /// looked at, whatever has its path by now.
    ///
    /// # Errors
    /// Those of removing files; `DirectoryNotEmpty` where something else is in the folder.
    pub fn remove(self) -> io::Result<()> {
        for name in names(&self.folder)? {
            if name == SOCKET || spool::is_part(&name) {
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
    let leftover = Leftover::open(folder.try_clone()?, path, 1)?;
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
    let head = Leftover::open(folder.try_clone()?, path, 1)?.peek_head();
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

fn summary(head: Option<PartHead>, leftover: Leftover) -> Summary {
    let mut summary = Summary {
        has_part: leftover.has_part(),
        head,
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
    summary
}
