//! Why a session that runs cannot be reached, or will not be by the next engine: what anybody sees who looks.

use std::fs;
use std::io;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use coven_core::{ProcessFacts, Record, SessionId};
use coven_harness::process::stopped_shim;
use coven_harness::shim::SOCKET;

use super::Engine;
use crate::Error;
use crate::out_of_reach::{Amiss, OutOfReach};
use crate::shared::blocking;

impl Engine {
    /// What is amiss with the shim of a session that may live, with its folder, or with the connection to
    /// it, and what to do; `None` where nothing is seen to be. Its output may not be on record meanwhile,
    /// and what is typed not arrive. What the connection met is told until that serves again, some two
    /// seconds at most after the thing was mended. One that is just being made is waited for, a second at most.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub async fn out_of_reach(&self, id: &SessionId) -> Result<Option<OutOfReach>, Error> {
        let record = self.get(id).await?;
        // Who only reads may have a copy of the home, with no folder in it.
        if self.shared.is_shutting_down() || record.session.phase.has_ended() {
            return Ok(None);
        }
        let (process, folder) = (
            held_process(&record).cloned(),
            self.shared.spools.folder(id),
        );
        let is_held = process.is_some();
        let in_folder = folder.clone();
        let look = move || stopped(&process?).or_else(|| amiss(&in_folder));
        let found = match blocking(look).await? {
            Some(seen) => seen,
            None => match self.shared.encounters.with(id).await {
                // By now it is back.
                Some(met) if is_held && met.what == Amiss::FolderGone => return Ok(None),
                Some(met) => blocking(move || seen_closer(met, &folder)).await?,
                None => return Ok(None),
            },
        };
        // What has ended meanwhile has no folder any more.
        let may_live = !self.get(id).await?.session.phase.has_ended();
        Ok(may_live.then_some(found))
    }
}

/// Its shim is stopped.
fn stopped(process: &ProcessFacts) -> Option<OutOfReach> {
    let pid = stopped_shim(process)?;
    Some(Amiss::ShimStopped.because(format!(
        "its shim (process {pid}) is stopped: `kill -CONT {pid}` wakes it, and so does a kill of the \
         session"
    )))
}

/// The process of a session that runs, if a shim holds it.
fn held_process(record: &Record) -> Option<&ProcessFacts> {
    let process = record.session.phase.process()?;
    process.shim_pid.is_some().then_some(process)
}

/// What is amiss with a shim's folder.
fn amiss(folder: &Path) -> Option<OutOfReach> {
    let shown = folder.display();
    let gone = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
    match fs::symlink_metadata(folder) {
        Ok(found) if !found.is_dir() => {
            let why = format!("{shown} is no directory: put the session's folder back");
            return Some(Amiss::FolderReplaced.because(why));
        }
        Ok(_) => {}
        Err(error) if gone(&error) => {
            return Some(Amiss::FolderGone.because(format!(
                "its folder {shown} is gone: put it back; if it was removed, the session ends with its \
                 daemon, or once it has written some 4 MiB more"
            )));
        }
        Err(error) => {
            let why = format!("its folder {shown} cannot be looked at: {error}");
            return Some(Amiss::FolderUnreadable.because(why));
        }
    }
    match fs::symlink_metadata(folder.join(SOCKET)) {
        Ok(found) if found.file_type().is_socket() => spool_amiss(folder),
        Ok(_) => Some(Amiss::SocketReplaced.because(format!(
            "{shown}/{SOCKET} is no socket: put that of its shim back, or `coven kill` ends the session"
        ))),
        Err(error) if gone(&error) => Some(Amiss::SocketGone.because(format!(
            "the socket of its shim in {shown} is gone: put it back, or `coven kill` ends the session"
        ))),
        Err(error) => Some(not_looked_into(folder, &error)),
    }
}

fn not_looked_into(folder: &Path, error: &io::Error) -> OutOfReach {
    let shown = folder.display();
    Amiss::FolderUnreadable.because(format!("its folder {shown} cannot be looked into: {error}"))
}

/// The files in which a shim keeps what is not on record.
fn parts(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let paths = fs::read_dir(folder)?.flatten().map(|entry| entry.path());
    let is_part = |path: &PathBuf| path.extension().is_some_and(|it| it == "spool");
    Ok(paths.filter(is_part).collect())
}

/// What is amiss with those files.
fn spool_amiss(folder: &Path) -> Option<OutOfReach> {
    let shown = folder.display();
    let parts = match parts(folder) {
        Ok(parts) => parts,
        Err(error) => return Some(not_looked_into(folder, &error)),
    };
    if parts.is_empty() {
        return Some(Amiss::SpoolGone.because(format!(
            "the spool of its shim in {shown} is gone: put it back, or `coven kill` ends the session; what \
             was only there is lost"
        )));
    }
    for part in parts {
        let (what, how) = match fs::symlink_metadata(&part) {
            Ok(found) if !found.is_file() => (Amiss::SpoolReplaced, "is no file".to_owned()),
            Ok(_) => match fs::File::open(&part) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    (Amiss::SpoolUnreadable, format!("cannot be read: {error}"))
                }
                // It may be removed meanwhile, once all of it is on record.
                _ => continue,
            },
            Err(_) => continue,
        };
        return Some(what.because(format!(
            "{} {how}: what its shim had written there cannot be taken; mend it, or `coven kill` ends the \
             session",
            part.display()
        )));
    }
    None
}

/// What a connection met, with the file that is to be mended where that is plain.
fn seen_closer(met: OutOfReach, folder: &Path) -> OutOfReach {
    match met.what {
        Amiss::SpoolDamaged => {}
        Amiss::ShimStopped
        | Amiss::ShimVersion
        | Amiss::ShimUnreachable
        | Amiss::FolderGone
        | Amiss::FolderReplaced
        | Amiss::FolderUnreadable
        | Amiss::SocketGone
        | Amiss::SocketReplaced
        | Amiss::SocketRefused
        | Amiss::SpoolGone
        | Amiss::SpoolReplaced
        | Amiss::SpoolUnreadable => return met,
    }
    let is_empty = |part: &PathBuf| fs::metadata(part).is_ok_and(|found| found.len() == 0);
    match parts(folder).unwrap_or_default().into_iter().find(is_empty) {
        Some(part) => met.what.because(format!(
            "{} is empty, and its shim cannot read back what it wrote there: put that back, or `coven \
             kill` ends the session; what was only there is lost",
            part.display()
        )),
        None => met,
    }
}
