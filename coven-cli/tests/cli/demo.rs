//! `coven demo`.

use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::home::Running;
use crate::leftovers;
use crate::terminal::Terminal;

fn demo(temporary: &tempfile::TempDir) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_coven"));
    command
        .arg("demo")
        .env_clear()
        .env("TMPDIR", temporary.path())
        .envs([leftovers::mark()])
        .stdin(std::process::Stdio::null());
    command
}

fn is_empty(directory: &tempfile::TempDir) -> bool {
    std::fs::read_dir(directory.path())
        .unwrap()
        .next()
        .is_none()
}

#[test]
fn it_shows_two_sessions_to_their_ends_and_leaves_nothing_behind() {
    let temporary = tempfile::tempdir().unwrap();
    let begun = Instant::now();
    let output = demo(&temporary).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(begun.elapsed() < Duration::from_secs(30));
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(text.matches("[y/n]").count(), 2, "{text}");
    assert_eq!(text.matches("3 passed, 0 failed").count(), 2, "{text}");
    assert_eq!(text.matches("  completed  ").count(), 2, "{text}");
    assert!(text.contains("coven run codex"), "{text}");
    assert!(!text.contains('\x1b'), "{text:?}");
    assert!(is_empty(&temporary));
}

#[test]
fn in_a_terminal_it_has_colours() {
    let temporary = tempfile::tempdir().unwrap();
    let mut terminal = Terminal::run(&demo(&temporary));
    terminal.wait_for("\x1b[0;38;5;2m3 passed, 0 failed\x1b[0m");
    terminal.wait_for("coven --help");
    assert_eq!(terminal.end(), 0);
    assert!(is_empty(&temporary));
}

#[test]
fn interrupted_it_leaves_nothing_behind() {
    let temporary = tempfile::tempdir().unwrap();
    let mut running = Running::start(demo(&temporary));
    running.wait_for("anna │");
    running.signal(Signal::INT);
    let (status, said) = running.end();
    assert_eq!(status, 130, "{said}");
    assert!(is_empty(&temporary));
}
