//! A viewer that is told to stop, as a job of a shell and as none.

use std::process::Command;

use rustix::process::{Pid, Signal, kill_process};

use crate::home::Home;
use crate::live::{ECHO, attach};
use crate::terminal::{Terminal, same_settings};

/// A command in the project, with the environment of a `coven` of this home.
fn in_home(home: &Home, program: &str) -> Command {
    let coven = home.coven([]);
    let mut command = Command::new(program);
    for (name, value) in coven.get_envs() {
        command.env(name, value.unwrap_or_default());
    }
    command
        .env("COVEN", coven.get_program())
        .current_dir(home.project());
    command
}

/// A shell with job control, at its prompt.
fn shell(home: &Home) -> Terminal {
    let mut shell = in_home(home, "/bin/sh");
    shell.args(["-i", "-m"]).env("PS1", "prompt> ");
    let terminal = Terminal::run(&shell);
    terminal.wait_for("prompt> ");
    terminal
}

/// Brings the viewer of [`ECHO`] back, detaches, and leaves the shell with the viewer's status.
fn goes_on_in_the_foreground(mut shell: Terminal) {
    shell.press(b"fg\r");
    shell.wait_for("ready");
    shell.press(b"back\r");
    shell.wait_for("<back>");
    shell.press(b"\x1cd");
    shell.wait_for("prompt> ");
    shell.press(b"exit $?\r");
    assert_eq!(shell.end(), 120);
}

#[test]
fn ctrl_z_suspends_the_viewer_and_fg_brings_it_back() {
    let home = Home::new();
    home.launch(ECHO);
    let mut shell = shell(&home);
    shell.press(b"$COVEN attach @last\r");
    shell.wait_for("detaches");
    shell.wait_for("ready");
    shell.press(b"\x1a");
    shell.wait_for("prompt> ");
    shell.press(b"echo in the $((1+1))nd shell\r");
    shell.wait_for("in the 2nd shell");
    goes_on_in_the_foreground(shell);
}

#[test]
fn a_viewer_that_is_told_to_stop_gives_the_terminal_back_and_fg_brings_it_back() {
    let home = Home::new();
    home.launch(ECHO);
    let mut shell = shell(&home);
    let before = shell.settings();
    shell.press(b"sh -c 'echo $$ >pid; exec $COVEN attach @last'\r");
    shell.wait_for("ready");
    assert!(!same_settings(&before, &shell.settings()));
    let viewer = std::fs::read_to_string(home.project().join("pid")).unwrap();
    let viewer = Pid::from_raw(viewer.trim_end().parse().unwrap()).unwrap();
    kill_process(viewer, Signal::TSTP).unwrap();
    shell.wait_for("prompt> ");
    assert!(same_settings(&before, &shell.settings()));
    goes_on_in_the_foreground(shell);
}

#[test]
fn where_no_shell_would_continue_it_a_viewer_does_not_stop() {
    let home = Home::new();
    home.launch(ECHO);
    let terminal = attach(&home);
    terminal.wait_for("ready");
    kill_process(terminal.pid(), Signal::TSTP).unwrap();
    goes_on_when_told_to_stop(terminal);
}

#[test]
fn nor_does_it_in_a_container_where_its_group_and_session_have_no_ids() {
    let home = Home::new();
    home.launch(ECHO);
    let mut container = in_home(&home, "unshare");
    container.args([
        "--user",
        "--map-root-user",
        "--pid",
        "--fork",
        "--mount-proc",
    ]);
    // Two processes, so that the viewer's parent is one with an id, of a group without.
    container.args(["sh", "-c", "\"$COVEN\" attach @last; exit $?"]);
    goes_on_when_told_to_stop(Terminal::run(&container));
}

/// Types Ctrl-Z into a viewer of [`ECHO`], then something else, and detaches.
fn goes_on_when_told_to_stop(mut viewer: Terminal) {
    viewer.wait_for("ready");
    viewer.press(b"\x1a");
    viewer.wait_for("ready");
    viewer.press(b"still here\r");
    viewer.wait_for("<still here>");
    viewer.press(b"\x1cd");
    assert_eq!(viewer.end(), 120);
}
