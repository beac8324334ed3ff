//! A limit of the size of files (`ulimit -f`), which by itself ends whoever writes beyond it.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::process::{Pid, Resource, Rlimit, prlimit};
use tempfile::TempDir;

use crate::home::{Home, eventually};

/// More than the daemon may write below, of what cannot be made smaller. A copy of it is in `data`.
const NOISE: &str = "head -c 9000000 /dev/urandom | base64 -w 0 | tee data";

/// What the daemon may write of it, at most, to one file.
const LIMIT_BYTES: u64 = 4 << 20;

/// Sets the limit of the home's daemon.
fn limit_daemon(home: &Home, limit_bytes: u64) {
    let pid = i32::try_from(home.daemon_pid().unwrap()).unwrap();
    let limit = Rlimit {
        current: Some(limit_bytes),
        maximum: None,
    };
    prlimit(Pid::from_raw(pid), Resource::Fsize, limit).unwrap();
}

/// A `coven` that may not write more than 1 MiB to a file, in a directory of its own.
fn limited_coven() -> (TempDir, std::path::PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let program = directory.path().join("coven");
    let coven = env!("CARGO_BIN_EXE_coven");
    // Of 512 bytes, or in some shells of 1024.
    let script = format!("#!/bin/sh\nulimit -f 1024\nexec {coven} \"$@\"\n");
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o700)).unwrap();
    (directory, program)
}

#[test]
fn a_daemon_that_meets_it_lives_and_says_so_and_the_next_without_it_has_everything() {
    let home = Home::new();
    home.text(["run", "sh", "echo before"]);
    let before = home.record("@last")["id"].as_str().unwrap().to_owned();
    let gate = home.project().join("gate");
    let mode = Mode::RUSR | Mode::WUSR;
    mknodat(CWD, &gate, FileType::Fifo, mode, 0).unwrap();
    home.text([
        "run",
        "--detach",
        "sh",
        &format!("read line <gate; {NOISE}"),
    ]);
    let id = home.record("@last")["id"].as_str().unwrap().to_owned();
    let daemon = home.daemon_pid();
    limit_daemon(&home, LIMIT_BYTES);
    // What was started before the limit was set has none, and goes on once this is read.
    fs::write(&gate, "\n").unwrap();
    let status = eventually("it says so", || {
        let said = home.text(["daemon", "status"]);
        said.contains("File too large").then_some(said)
    });
    assert_eq!(home.daemon_pid(), daemon, "{status}");
    assert_eq!(home.text(["log", &before]), "before\n");
    let doctor = String::from_utf8(home.output(["doctor"]).stdout).unwrap();
    assert!(doctor.contains("File too large"), "{doctor}");
    home.text(["daemon", "restart"]);
    home.wait_for_end(&id);
    let shown = home.output(["log", "--raw", &id]).stdout;
    let written = fs::read(home.project().join("data")).unwrap();
    assert!(shown == written, "{} of {}", shown.len(), written.len());
}

#[test]
fn who_writes_to_a_home_of_no_daemon_fails_with_the_reason() {
    let home = Home::new();
    home.text(["run", "sh", NOISE]);
    let export = home.project().join("export.jsonl");
    let export = export.to_str().unwrap();
    home.text(["export", "@last", "-o", export]);
    home.text(["daemon", "stop"]);
    let (_directory, limited) = limited_coven();
    let other = Home::of(&limited);
    let said = other.refused(1, ["import", export]);
    assert!(said.contains("File too large"), "{said}");
    let new = home.project().join("new");
    let from = home.dir();
    let salvage = ["doctor", "--store", "--salvage", new.to_str().unwrap()];
    let output = other.output(
        ["--home", from.to_str().unwrap()]
            .into_iter()
            .chain(salvage),
    );
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("File too large"), "{said}");
}

#[test]
fn an_agent_is_ended_by_it_as_it_would_be_without_coven() {
    let home = Home::new();
    let script = "(ulimit -f 1; exec head -c 100000 /dev/zero >big); echo status $?";
    let said = home.text(["run", "sh", script]);
    // 128 + SIGXFSZ.
    assert!(said.contains("status 153"), "{said}");
}
