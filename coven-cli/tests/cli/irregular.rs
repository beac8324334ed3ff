//! What is no regular file in the place of one that the daemon writes.

use std::fs;
use std::path::Path;
use std::process::{Output, Stdio};

use rustix::fs::{CWD, FileType, Mode, mknodat};

use crate::home::{Home, eventually};

/// Runs it to an end that nobody has to help it to.
fn at_once(home: &Home, args: &[&str]) -> Output {
    let mut command = home.coven(args.iter().copied());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let status = eventually("its end", || child.try_wait().unwrap());
    assert!(status.code().is_some(), "{args:?}");
    child.wait_with_output().unwrap()
}

fn refused(home: &Home, status: i32, args: &[&str], path: &Path) {
    let output = at_once(home, args);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(status), "{args:?}: {said}");
    assert!(said.contains(path.to_str().unwrap()), "{args:?}: {said}");
}

fn make_fifo(path: &Path) {
    let mode = Mode::RUSR | Mode::WUSR;
    mknodat(CWD, path, FileType::Fifo, mode, 0).unwrap();
}

/// A device that never ends, where one may be made.
fn make_device(path: &Path) -> bool {
    let mode = Mode::RUSR | Mode::WUSR;
    let zero = rustix::fs::makedev(1, 5);
    mknodat(CWD, path, FileType::CharacterDevice, mode, zero).is_ok()
}

#[test]
fn whatever_is_no_file_in_the_place_of_the_daemons_log_is_refused_at_once() {
    let home = Home::new();
    let log = home.dir().join("daemon.log");
    let refused = || {
        refused(&home, 122, &["daemon", "start"], &log);
        refused(&home, 1, &["daemon", "logs"], &log);
        assert!(home.daemon_pid().is_none());
    };
    make_fifo(&log);
    refused();
    fs::remove_file(&log).unwrap();
    fs::create_dir(&log).unwrap();
    refused();
    fs::remove_dir(&log).unwrap();
    if make_device(&log) {
        refused();
        fs::remove_file(&log).unwrap();
    }
    home.text(["daemon", "start"]);
}

#[test]
fn whatever_is_no_file_in_the_place_of_daemon_json_keeps_nobody_waiting() {
    let home = Home::new();
    let told = home.dir().join("daemon.json");
    let makes: [fn(&Path) -> bool; 2] = [
        |path| {
            make_fifo(path);
            true
        },
        make_device,
    ];
    for make in makes {
        if !make(&told) {
            continue;
        }
        let status = at_once(&home, &["daemon", "status"]);
        assert_eq!(status.status.code(), Some(122), "{status:?}");
        let stop = at_once(&home, &["daemon", "stop"]);
        assert_eq!(stop.status.code(), Some(0), "{stop:?}");
        let start = at_once(&home, &["daemon", "start"]);
        assert_eq!(start.status.code(), Some(0), "{start:?}");
        assert!(home.daemon_pid().is_some(), "it was replaced");
        fs::remove_file(&told).unwrap();
        make(&told);
        let status = at_once(&home, &["daemon", "status"]);
        assert_eq!(status.status.code(), Some(0), "{status:?}");
        assert!(home.daemon_pid().is_some(), "it was mended");
        fs::remove_file(&told).unwrap();
        make(&told);
        let stop = at_once(&home, &["daemon", "stop"]);
        assert_eq!(stop.status.code(), Some(0), "{stop:?}");
        let _ = fs::remove_file(&told);
    }
    fs::create_dir(&told).unwrap();
    refused(&home, 122, &["daemon", "start"], &told);
    fs::remove_dir(&told).unwrap();
}
