//! What is left behind when all sessions have ended: no process, no open file of the daemon more than
//! it had, no socket, no spool, no lock.

use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use crate::home::{Home, eventually};
use crate::power_cut::processes_of;

/// A home before anything has run in it, with a daemon.
pub(crate) struct Base {
    open_files: usize,
}

impl Base {
    /// Starts a home's first daemon.
    pub(crate) fn of(home: &Home) -> Self {
        home.text(["daemon", "start"]);
        home.text(["sessions"]);
        Self {
            open_files: open_files(home),
        }
    }

    /// All these sessions have ended: waits until nothing is left of them, and then of the daemon, once it
    /// was stopped, and once the next one was killed.
    pub(crate) fn nothing_is_left<'a>(&self, home: &Home, ids: impl IntoIterator<Item = &'a str>) {
        eventually("every spool gone", || spools(home).is_empty().then_some(()));
        let ids: Vec<&str> = ids.into_iter().collect();
        eventually("every process gone", || {
            marked(ids.iter().copied()).is_empty().then_some(())
        });
        eventually("what the daemon has open closed", || {
            (open_files(home) <= self.open_files).then_some(())
        });
        home.text(["daemon", "stop"]);
        nothing_is_left_of_the_daemon(home);
        home.text(["daemon", "start"]);
        home.kill_daemon();
        home.text(["daemon", "stop", "--kill"]);
        nothing_is_left_of_the_daemon(home);
    }
}

fn nothing_is_left_of_the_daemon(home: &Home) {
    eventually("the daemon gone", || {
        processes_of(&home.dir()).is_empty().then_some(())
    });
    let files = files_in(&home.dir());
    let is_socket = |file: &&PathBuf| {
        fs::symlink_metadata(file).is_ok_and(|about| about.file_type().is_socket())
    };
    assert_eq!(files.iter().find(is_socket), None, "a socket is left");
    let is_locked = |file: &&PathBuf| {
        let file = fs::File::open(file).expect("it is ours");
        flock(file, FlockOperation::NonBlockingLockExclusive).is_err()
    };
    assert_eq!(files.iter().find(is_locked), None, "a lock is left");
}

/// The folders of shims.
fn spools(home: &Home) -> Vec<PathBuf> {
    // There is none where no shim ever was.
    let spools = fs::read_dir(home.dir().join("spools"));
    let spools = spools.into_iter().flatten();
    spools
        .map(|entry| entry.expect("it is there").path())
        .collect()
}

/// How many files the daemon has open.
pub(crate) fn open_files(home: &Home) -> usize {
    let daemon = home.daemon_pid().expect("it runs");
    let files = fs::read_dir(format!("/proc/{daemon}/fd")).expect("it is ours");
    files.count()
}

/// The processes of these sessions, by the mark in their environment.
pub(crate) fn marked<'a>(ids: impl IntoIterator<Item = &'a str>) -> Vec<PathBuf> {
    let mark = |id| format!("COVEN_SESSION_ID={id}").into_bytes();
    let marks: HashSet<Vec<u8>> = ids.into_iter().map(mark).collect();
    let processes = fs::read_dir("/proc").expect("proc is mounted");
    let has_mark = |process: &PathBuf| {
        let environment = fs::read(process.join("environ")).unwrap_or_default();
        let mut variables = environment.split(|byte| *byte == 0);
        variables.any(|variable| marks.contains(variable))
    };
    let processes = processes.filter_map(|entry| Some(entry.ok()?.path()));
    processes.filter(has_mark).collect()
}

/// All files in a directory, and in those in it.
fn files_in(directory: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("it is there").path();
        if path.is_dir() {
            files.extend(files_in(&path));
        } else {
            files.push(path);
        }
    }
    files
}
