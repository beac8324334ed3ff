//! A prompt given, an answer got, an end of its own: `coven run` without a terminal, and the same over HTTP.

use std::process::{Command, Output};

use serde_json::json;

use crate::clis::Agent;
use crate::lab::Lab;

const COVEN: &str = env!("CARGO_BIN_EXE_coven");

#[test]
#[ignore = "runs in the namespace"]
fn coven_run_codex_in_a_pipe_ends_by_itself_with_the_answer() {
    coven_run_in_a_pipe_ends_by_itself_with_the_answer(Agent::Codex);
}

#[test]
#[ignore = "runs in the namespace"]
fn coven_run_claude_in_a_pipe_ends_by_itself_with_the_answer() {
    coven_run_in_a_pipe_ends_by_itself_with_the_answer(Agent::Claude);
}

fn coven_run_in_a_pipe_ends_by_itself_with_the_answer(agent: Agent) {
    let lab = Lab::new(agent);
    lab.model.will_say("The tests pass now.");
    // No daemon runs: the command starts one.
    let run = coven_run_in_a_pipe(&lab, "fix the failing tests");
    let _stop_the_daemon = lab.running_coven();
    assert_eq!(run.status.code(), Some(0), "{run:?}");
    let printed = String::from_utf8_lossy(&run.stdout);
    assert!(printed.contains("The tests pass now."), "{run:?}");
    assert_eq!(lab.model.turn(1).prompt(), "fix the failing tests");

    // The model has nothing more to say: it refuses, and the agent fails.
    let run = coven_run_in_a_pipe(&lab, "to be refused");
    assert_eq!(run.status.code(), Some(1), "{run:?}");
}

/// The exit status is that of `coven run`, not of `cat`.
fn coven_run_in_a_pipe(lab: &Lab, prompt: &str) -> Output {
    Command::new("/bin/bash")
        .args(["-o", "pipefail", "-c"])
        .args([r#""$0" run "$1" "$2" </dev/null | cat"#, COVEN])
        .args([lab.agent.id(), prompt])
        .env_clear()
        .envs(lab.home.env())
        .current_dir(lab.home.project())
        .output()
        .expect("bash runs")
}

#[test]
#[ignore = "runs in the namespace"]
fn codex_without_a_terminal_completes_with_exit_code_0() {
    without_a_terminal_completes_with_exit_code_0(Agent::Codex);
}

#[test]
#[ignore = "runs in the namespace"]
fn claude_without_a_terminal_completes_with_exit_code_0() {
    without_a_terminal_completes_with_exit_code_0(Agent::Claude);
}

fn without_a_terminal_completes_with_exit_code_0(agent: Agent) {
    let lab = Lab::new(agent);
    let coven = lab.coven();
    lab.model.will_say("All is well.");
    let session = coven.launch("nonInteractive", "how is it?", &json!({}));
    let mut follow = session.follow();
    let exit = follow.until_exit();
    assert_eq!(exit["exitCode"], 0, "{}", follow.output());
    assert_eq!(exit["output"], "complete");
    assert!(
        follow.output().contains("All is well."),
        "{}",
        follow.output()
    );
    let record = session.record();
    assert_eq!(record["exit_code"], 0);
    // `idle` where the conversation can be resumed.
    let expected = if record["conversation_id"].is_null() {
        "completed"
    } else {
        "idle"
    };
    assert_eq!(record["status"], expected, "{record}");
}

#[test]
#[ignore = "runs in the namespace"]
fn codex_refused_by_the_model_fails_with_its_own_exit_code() {
    refused_by_the_model_fails_with_its_own_exit_code(Agent::Codex);
}

#[test]
#[ignore = "runs in the namespace"]
fn claude_refused_by_the_model_fails_with_its_own_exit_code() {
    refused_by_the_model_fails_with_its_own_exit_code(Agent::Claude);
}

fn refused_by_the_model_fails_with_its_own_exit_code(agent: Agent) {
    let lab = Lab::new(agent);
    let coven = lab.coven();
    // The model has nothing to say: it refuses.
    let session = coven.launch("nonInteractive", "to be refused", &json!({}));
    let exit = session.follow().until_exit();
    assert_eq!(
        (&exit["status"], &exit["exitCode"]),
        (&json!("failed"), &json!(1))
    );
    assert_eq!(session.record()["status"], "failed");
}
