//! `LostLog`: a home that had a log, and has neither of its files any more.
//!
//! What else a log leaves in a home says that it was there: its reserve, which is made after it, and the folders
//! of sessions. Whoever made another log there would hide that, and the sessions that still run.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::{Held, LOG_FILE, SPOOLS, held, io_error};
use crate::OpenError;
use crate::spools::Spools;

/// What the log keeps beside it for a full disk.
const RESERVE: &str = ".reserve";

/// The log of a home that is gone, and what is left beside it. `Display` says what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LostLog {
    /// The home.
    pub home: PathBuf,
    /// How many sessions have a folder there, with what they wrote last.
    pub folders: usize,
    /// Those that still run.
    pub running: Vec<Held>,
}

impl std::error::Error for LostLog {}

impl fmt::Display for LostLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let home = self.home.display();
        write!(
            f,
            "the event log of {home} is gone, and no other is made in its place: put {LOG_FILE} and \
             {LOG_FILE}.journal back from one copy"
        )?;
        let mut first = Vec::new();
        if !self.running.is_empty() {
            let ids = self.running.iter().map(|held| held.session.as_str());
            let pids = self.running.iter().map(|held| held.shim_pid.to_string());
            let (ids, pids): (Vec<&str>, Vec<String>) = (ids.collect(), pids.collect());
            write!(
                f,
                ", and the next daemon takes over what runs ({})",
                ids.join(", ")
            )?;
            first.push(format!(
                "end what runs (`kill -KILL {}` hangs each agent up)",
                pids.join(" ")
            ));
        }
        if self.folders > 0 {
            first.push(format!("move {home}/{SPOOLS} away"));
        }
        first.push(format!("remove {LOG_FILE}{RESERVE}"));
        let first = first.join(", then ");
        write!(f, "; to begin anew without it, {first}")
    }
}

/// Whether there is anything of a log in the home at `path`: either of its files, though the other may be missing,
/// or what a salvage left that did not come to its end. Blocks for a few system calls.
pub fn has_log(path: &Path) -> bool {
    let log = path.join(LOG_FILE);
    let journal = path.join(format!("{LOG_FILE}.journal"));
    is_there(&log) || is_there(&journal) || coven_store::is_unfinished(&log)
}

/// Whether the home at `path` had a log that is gone, or may have had: it cannot be told where its folders
/// cannot be listed. As [`OpenError::LostLog`], with which it is refused. Blocks for a few system calls.
pub fn is_log_lost(path: &Path) -> bool {
    !has_log(path) && (has_reserve(path) || folders(path).map_or(true, |folders| folders > 0))
}

/// Refuses the home at `path` if it had a log that is gone. Blocks for a few system calls; where it is, for a look at
/// all processes.
///
/// # Errors
/// [`OpenError::LostLog`]; [`OpenError::Io`] where it cannot be told, as the folders cannot be listed.
pub(crate) fn refuse_lost_log(path: &Path) -> Result<(), OpenError> {
    if has_log(path) {
        return Ok(());
    }
    let unlisted = |source: io::Error| io_error(&path.join(SPOOLS), source);
    let folders = folders(path).map_err(unlisted)?;
    if folders == 0 && !has_reserve(path) {
        return Ok(());
    }
    Err(OpenError::LostLog(LostLog {
        home: path.to_owned(),
        folders,
        running: held(path, |_| false).map_err(unlisted)?,
    }))
}

/// How many sessions have a folder.
fn folders(home: &Path) -> io::Result<usize> {
    let spools = Spools::of(home);
    let sessions = spools.sessions()?.into_iter();
    let folders = sessions.filter(|session| spools.folder(session).is_dir());
    Ok(folders.count())
}

fn has_reserve(home: &Path) -> bool {
    is_there(&home.join(format!("{LOG_FILE}{RESERVE}")))
}

/// A link that leads nowhere is no file of a log.
fn is_there(path: &Path) -> bool {
    fs::exists(path).unwrap_or(true)
}
