//! Readers that do not read: of a pipe, and of a terminal.

use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};

use rustix::pipe::{PipeFlags, fcntl_setpipe_size, pipe_with};
use rustix::process::{Pid, Signal, kill_process};

use crate::home::{ENDLESS, Home, eventually};
use crate::terminal::Terminal;

/// Far more than the pipe holds, in a few large events.
const LONG: &str = "yes 'a line of it' | head -c 200000";

/// What the pipe holds.
const PIPE_BYTES: usize = 4096;

/// A command whose stdout is a pipe that nobody reads.
struct Stalled {
    child: Child,
    pipe: OwnedFd,
}

impl Stalled {
    /// Runs a command until it writes: it has far more to write than the pipe takes.
    fn run(mut command: Command) -> Self {
        let (pipe, writer) = pipe_with(PipeFlags::CLOEXEC).unwrap();
        fcntl_setpipe_size(&writer, PIPE_BYTES).unwrap();
        command
            .stdout(Stdio::from(writer.try_clone().unwrap()))
            .stderr(Stdio::from(writer));
        let child = command.spawn().unwrap();
        drop(command);
        eventually("output", || {
            (rustix::io::ioctl_fionread(&pipe).unwrap() > 0).then_some(())
        });
        Self { child, pipe }
    }

    /// Sends a signal and waits for the exit status; nobody reads meanwhile.
    fn end_by(mut self, signal: Signal) -> Option<i32> {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
        let status = self.child.wait().unwrap();
        drop(self.pipe);
        status.code()
    }
}

#[test]
fn a_reader_that_does_not_read_keeps_no_signal_from_ending_a_follow() {
    let home = Home::new();
    home.text(["run", "--title", "long", "sh", LONG]);
    let id = home.record("@last")["id"].as_str().unwrap().to_owned();
    for (signal, status) in [(Signal::INT, 120), (Signal::TERM, 143)] {
        for args in [
            &["log", "--follow", &id][..],
            &["log", "--follow", "--raw", &id],
            &["log", "--follow", "--json", &id],
            &["events", "--follow", "--json", &id],
            &["run", "sh", LONG],
            &["run", "--json", "sh", LONG],
        ] {
            let stalled = Stalled::run(home.coven(args.iter().copied()));
            assert_eq!(stalled.end_by(signal), Some(status), "{args:?}");
        }
    }
}

#[test]
fn nor_from_ending_a_follow_of_the_daemons_log() {
    let home = Home::new();
    home.text(["daemon", "start"]);
    home.text(["daemon", "stop"]);
    std::fs::write(home.dir().join("daemon.log"), "a line\n".repeat(30_000)).unwrap();
    let stalled = Stalled::run(home.coven(["daemon", "logs", "--follow", "-n", "30000"]));
    assert_eq!(stalled.end_by(Signal::INT), Some(0));
}

#[test]
fn a_terminal_that_is_stopped_keeps_nobody_from_leaving() {
    let home = Home::new();
    home.launch("echo ready; while :; do echo flood; done");
    let mut terminal = Terminal::run(&home.coven(["attach", "@last"]));
    terminal.wait_for("flood");
    terminal.stop();
    terminal.press(b"\x1cd");
    assert_eq!(terminal.end(), 120);
    home.text(["kill", "@last"]);
}

#[test]
fn a_terminal_that_is_stopped_keeps_no_failure_from_ending_the_viewer() {
    let home = Home::new();
    home.launch(ENDLESS);
    let mut terminal = Terminal::run(&home.coven(["attach", "@last"]));
    terminal.wait_for("begun");
    terminal.stop();
    let config = home.dir().join("config.toml");
    std::fs::write(&config, "no_such_key = 1\n").unwrap();
    home.kill_daemon();
    assert_eq!(terminal.end(), 122);
    std::fs::remove_file(&config).unwrap();
}
