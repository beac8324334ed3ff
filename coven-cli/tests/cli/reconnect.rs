//! Commands that go on for long, whose daemon is killed, stopped and started anew meanwhile.

use std::io::Read;
use std::process::{Child, ChildStdout, Command, Stdio};

use rustix::process::Signal;
use serde_json::Value;

use crate::home::{Home, Running, eventually};

/// Bytes that are read between one death of the daemon and the next: over what lies in pipes and
/// sockets, so that each comes in the middle.
const BETWEEN_BYTES: usize = 1 << 20;

/// A command whose stdout is read as far as is wanted.
struct Slow {
    child: Child,
    stdout: ChildStdout,
    read: Vec<u8>,
}

impl Slow {
    fn run(mut command: Command) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = child.stdout.take().unwrap();
        Self {
            child,
            stdout,
            read: Vec::new(),
        }
    }

    fn read_on(&mut self, len_bytes: usize) {
        let mut stdout = (&mut self.stdout).take(len_bytes as u64);
        stdout.read_to_end(&mut self.read).unwrap();
    }

    /// All that it wrote, its stderr, and how it ended.
    fn end(mut self) -> (Vec<u8>, String, Option<i32>) {
        self.stdout.read_to_end(&mut self.read).unwrap();
        let output = self.child.wait_with_output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        (self.read, said, output.status.code())
    }
}

/// Kills the daemon, once it is another than the last.
fn kill_the_next(home: &Home, last: &mut Option<u64>) {
    let pid = eventually("the next daemon", || {
        home.daemon_pid().filter(|pid| Some(*pid) != *last)
    });
    home.kill_daemon();
    *last = Some(pid);
}

/// Runs a script to its end; gives its session's id.
fn to_its_end(home: &Home, script: &str) -> String {
    let id = home.text(["run", "--detach", "sh", script]);
    home.wait_for_end(id.trim_end());
    id.trim_end().to_owned()
}

#[test]
fn what_a_follow_shows_is_whole_though_its_daemon_is_killed_time_and_again() {
    let home = Home::new();
    // Noise, of which nearly every event is asked for as bytes, and text.
    let script = "head -c 3000000 /dev/urandom | tee ../noise; seq 300000 | tee -a ../noise";
    let id = to_its_end(&home, script);
    let written = std::fs::read(home.project().join("../noise")).unwrap();
    let mut last = None;
    let mut follow = Slow::run(home.coven(["log", "--follow", "--raw", &id]));
    for _ in 0..3 {
        follow.read_on(BETWEEN_BYTES);
        kill_the_next(&home, &mut last);
    }
    let (shown, said, status) = follow.end();
    // The terminal's own line ends are in what is recorded.
    let recorded = home.output(["log", "--raw", &id]).stdout;
    assert!(shown == recorded, "{} bytes: {said}", shown.len());
    let plain: Vec<u8> = recorded
        .iter()
        .copied()
        .filter(|byte| *byte != b'\r')
        .collect();
    let expected: Vec<u8> = written
        .iter()
        .copied()
        .filter(|byte| *byte != b'\r')
        .collect();
    assert!(plain == expected);
    assert_eq!(status, Some(0), "{said}");
    let gone = "coven: the daemon is gone; starting it again\n";
    assert!(said.replace(gone, "").is_empty(), "{said}");
}

#[test]
fn the_events_of_a_session_and_of_all_are_told_once_each_over_deaths_of_the_daemon() {
    let home = Home::new();
    let id = to_its_end(&home, "head -c 4000000 /dev/urandom");
    let end = home.record(&id)["last_seq"].as_u64().unwrap();
    let pages = home.output(["events", "--json", &id]).stdout;
    let mut last = None;
    let mut one = Slow::run(home.coven(["events", "--follow", "--json", &id]));
    let mut all = Slow::run(home.coven(["events", "--follow", "--json", "--after", "0"]));
    for _ in 0..3 {
        one.read_on(BETWEEN_BYTES);
        all.read_on(BETWEEN_BYTES);
        kill_the_next(&home, &mut last);
    }
    let (told, said, status) = one.end();
    assert_eq!(status, Some(0), "{said}");
    assert!(told == pages, "{} of {} bytes", told.len(), pages.len());
    // The events of all have no end: it is left once they are as far.
    while !all.read.ends_with(b"\n") || seq(&all.read) < end {
        all.read_on(1);
    }
    assert!(all.read == pages);
    let pid = rustix::process::Pid::from_child(&all.child);
    rustix::process::kill_process(pid, Signal::INT).unwrap();
    let (more, said, status) = all.end();
    assert_eq!(status, Some(120), "{said}");
    assert!(more == pages);
}

/// The place of the last event of these lines.
fn seq(lines: &[u8]) -> u64 {
    let line = lines.split(|byte| *byte == b'\n').rev().nth(1).unwrap();
    let event: Value = serde_json::from_slice(line).unwrap();
    event["seq"].as_u64().unwrap()
}

#[test]
fn a_daemon_that_was_stopped_is_waited_for_and_not_started_and_ctrl_c_is_heard() {
    let home = Home::new();
    home.text(["run", "sh", "echo one"]);
    let mut follow = Running::start(home.coven(["events", "--follow", "--after", "0"]));
    let mut left = Running::start(home.coven(["events", "--follow", "--after", "0"]));
    follow.wait_for("status 0");
    left.wait_for("status 0");
    home.text(["daemon", "stop"]);
    left.wait_for_stderr("the daemon was stopped");
    left.signal(Signal::INT);
    let (status, said) = left.end();
    assert_eq!(status, 120, "{said}");
    // Nobody has started it meanwhile.
    assert_eq!(home.output(["daemon", "status"]).status.code(), Some(122));
    home.output(["run", "sh", "exit 7"]);
    follow.wait_for("status 7");
    follow.signal(Signal::TERM);
    let (status, said) = follow.end();
    assert_eq!(status, 143, "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
}
