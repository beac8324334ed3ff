//! The tests themselves: what they start does not outlive them.

mod support;

use std::process::{Command, Stdio};

use coven_harness::process::spawn;
use support::{in_terminal, shell, within};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::net::unix::pipe;

/// Set for the second run: the pipe that its agent holds open.
const GATE: &str = "HELD_BY_THE_AGENT";

#[tokio::test]
async fn what_a_killed_test_program_left_running_is_ended() {
    if let Ok(gate) = std::env::var(GATE) {
        let stubborn =
            "trap '' HUP TERM; exec 9>\"$1\"; echo begun >&9; while :; do sleep 600; done";
        let _agent = spawn(shell(stubborn, &[&gate], in_terminal())).unwrap();
        return std::future::pending().await;
    }
    let home = tempfile::tempdir().unwrap();
    let gate = home.path().join("gate");
    assert!(
        Command::new("mkfifo")
            .arg(&gate)
            .status()
            .unwrap()
            .success()
    );
    let receiver = pipe::OpenOptions::new().open_receiver(&gate).unwrap();
    // Without a writer, a pipe that the agent has yet to open would tell its end.
    let held = pipe::OpenOptions::new().open_sender(&gate).unwrap();
    let mut program = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "what_a_killed_test_program_left_running_is_ended",
        ])
        .env(GATE, &gate)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(receiver);
    let mut line = String::new();
    within(said.read_line(&mut line)).await.unwrap();
    assert_eq!(line, "begun\n");
    drop(held);

    // Its agent ignores that its terminal is hung up.
    program.kill().unwrap();
    program.wait().unwrap();
    within(said.read_to_string(&mut line)).await.unwrap();
}
