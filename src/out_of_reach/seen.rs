//! What keeps a session from being reached, now or by the next engine, as anybody sees who looks.

use std::fs;
use std::io;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use coven_core::ProcessFacts;
use coven_harness::process::stopped_shim;
use coven_harness::shim::SOCKET;

use super::{Amiss, OutOfReach};

/// Its shim is stopped.
pub(crate) fn stopped(process: &ProcessFacts) -> Option<OutOfReach> {
    let pid = stopped_shim(process)?;
    Some(Amiss::ShimStopped.because(format!(
        "its shim (process {pid}) is stopped: `kill -CONT {pid}` wakes it, and so does a kill of the \
         session"
    )))
}

/// What is amiss with a shim's folder.
pub(crate) fn amiss(folder: &Path) -> Option<OutOfReach> {
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
pub(crate) fn closer(met: OutOfReach, folder: &Path) -> OutOfReach {
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
        | Amiss::SocketSilent
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
