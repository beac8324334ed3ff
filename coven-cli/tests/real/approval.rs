//! An agent asks before it acts, and is answered through the session's terminal.

use std::fs;
use std::time::Duration;

use serde_json::json;

use crate::clis::Agent;
use crate::lab::Lab;
use crate::model::{Answer, Permission};

/// How long an answer may take to be taken, before it counts as lost.
const TAKEN_WITHIN: Duration = Duration::from_secs(3);

#[test]
#[ignore = "runs in the namespace"]
fn codex_runs_a_command_when_it_is_allowed_through_input() {
    runs_a_command_when_it_is_allowed_through_input(
        Agent::Codex,
        "Would you like to run the following command?",
        "y",
    );
}

#[test]
#[ignore = "runs in the namespace"]
fn claude_runs_a_command_when_it_is_allowed_through_input() {
    runs_a_command_when_it_is_allowed_through_input(Agent::Claude, "Do you want to proceed?", "1");
}

fn runs_a_command_when_it_is_allowed_through_input(agent: Agent, question: &str, yes: &str) {
    let lab = Lab::new(agent);
    let coven = lab.coven();
    let proof = lab.home.path().join("proof");
    lab.model.will([
        // Outside the project, where neither may write unasked.
        Answer::Run {
            command: format!("printf %s \"$COVEN_SESSION_ID\" >{}", proof.display()),
            permission: Permission::Needed,
        },
        Answer::Say {
            text: "all-done".to_owned(),
        },
    ]);
    let session = coven.launch("interactive", "do it", &json!({}));
    let mut follow = session.follow();
    follow.until_drawn(question);
    assert!(!proof.exists(), "the command ran unasked");

    // Codex loses a key that comes with the first frame of its question: whoever answers presses again.
    let told_the_model = (0..5).find_map(|_| {
        session.input(yes);
        lab.model.turn_within(2, TAKEN_WITHIN)
    });
    assert!(
        told_the_model.is_some_and(|turn| turn.command_output.is_some()),
        "{}",
        follow.output()
    );
    follow.until_drawn("all-done");
    assert_eq!(
        fs::read_to_string(proof).expect("the command ran"),
        session.id()
    );

    session.kill();
    follow.until_exit();
}
