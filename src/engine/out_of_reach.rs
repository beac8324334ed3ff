//! Why a session that runs cannot be reached, or will not be by the next engine: what anybody sees who looks.

use std::fs;
use std::io;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use coven_core::{Record, SessionId};
use coven_harness::process::stopped_shim;
use coven_harness::shim::SOCKET;

use super::Engine;
use crate::Error;
use crate::shared::blocking;

impl Engine {
    /// What is amiss with the shim of a session that runs, or with its folder, and what to do, in a
    /// clause for people; `None` where nothing is seen to be. Its output may not be on record meanwhile,
    /// and what is typed not arrive.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub async fn out_of_reach(&self, id: &SessionId) -> Result<Option<String>, Error> {
        let record = self.get(id).await?;
        // Who only reads may have a copy of the home, with no folder in it.
        let Some(process) = held_process(&record).filter(|_| !self.shared.is_shutting_down())
        else {
            return Ok(None);
        };
        let (process, folder) = (process.clone(), self.shared.spools.folder(id));
        let look = move || match stopped_shim(&process) {
            Some(pid) => Some(format!(
                "its shim (process {pid}) is stopped: `kill -CONT {pid}` wakes it, and so does a kill of \
                 the session"
            )),
            None => amiss(&folder),
        };
        let Some(why) = blocking(look).await? else {
            return Ok(None);
        };
        // What has ended meanwhile has no folder any more.
        let still_runs = held_process(&self.get(id).await?).is_some();
        Ok(still_runs.then_some(why))
    }
}

/// The process of a session that runs, if a shim holds it.
fn held_process(record: &Record) -> Option<&coven_core::ProcessFacts> {
    let process = record.session.phase.process()?;
    process.shim_pid.is_some().then_some(process)
}

/// What is amiss with a shim's folder.
fn amiss(folder: &Path) -> Option<String> {
    let shown = folder.display();
    let gone = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
    match fs::symlink_metadata(folder) {
        Ok(found) if !found.is_dir() => {
            return Some(format!(
                "{shown} is no directory: put the session's folder back"
            ));
        }
        Ok(_) => {}
        Err(error) if gone(&error) => {
            return Some(format!(
                "its folder {shown} is gone: put it back; if it was removed, the session ends with its \
                 daemon, or once it has written some 4 MiB more"
            ));
        }
        Err(error) => return Some(format!("its folder {shown} cannot be looked at: {error}")),
    }
    match fs::symlink_metadata(folder.join(SOCKET)) {
        Ok(found) if found.file_type().is_socket() => spool_amiss(folder),
        Ok(_) => Some(format!(
            "{shown}/{SOCKET} is no socket: put that of its shim back, or `coven kill` ends the session"
        )),
        Err(error) if gone(&error) => Some(format!(
            "the socket of its shim in {shown} is gone: put it back, or `coven kill` ends the session"
        )),
        Err(error) => Some(format!("its folder {shown} cannot be looked into: {error}")),
    }
}

/// What is amiss with the files in which a shim keeps what is not on record.
fn spool_amiss(folder: &Path) -> Option<String> {
    let shown = folder.display();
    let unlisted = |error: io::Error| format!("its folder {shown} cannot be looked into: {error}");
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) => return Some(unlisted(error)),
    };
    let mut has_part = false;
    for entry in entries.flatten() {
        let path = entry.path();
        if path
            .extension()
            .is_none_or(|extension| extension != "spool")
        {
            continue;
        }
        let what = match fs::symlink_metadata(&path) {
            Ok(found) if !found.is_file() => "is no file".to_owned(),
            Ok(_) => match fs::File::open(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    format!("cannot be read: {error}")
                }
                // It may be removed meanwhile, once all of it is on record.
                _ => {
                    has_part = true;
                    continue;
                }
            },
            Err(_) => {
                has_part = true;
                continue;
            }
        };
        return Some(format!(
            "{} {what}: what its shim had written there cannot be taken; mend it, or `coven kill` ends \
             the session",
            path.display()
        ));
    }
    (!has_part).then(|| {
        format!(
            "the spool of its shim in {shown} is gone: put it back, or `coven kill` ends the session; what \
             was only there is lost"
        )
    })
}
