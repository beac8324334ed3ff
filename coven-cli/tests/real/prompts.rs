//! Prompts reach the model byte for byte, whatever is in them.

use serde_json::json;

use crate::clis::Agent;
use crate::lab::Lab;

#[test]
#[ignore = "runs in the namespace"]
fn prompts_reach_codex_byte_for_byte() {
    prompts_arrive_byte_for_byte(Agent::Codex);
}

#[test]
#[ignore = "runs in the namespace"]
fn prompts_reach_claude_byte_for_byte() {
    prompts_arrive_byte_for_byte(Agent::Claude);
}

fn prompts_arrive_byte_for_byte(agent: Agent) {
    let lab = Lab::new(agent);
    let coven = lab.coven();
    let mut turns = 0;
    for prompt in [
        "--help",
        "-",
        "two\nlines,\ta tab and 🙂 é",
        &of_bytes(100_000),
    ] {
        for mode in ["nonInteractive", "interactive"] {
            lab.model.will_say("an-answer");
            let session = coven.launch(mode, prompt, &json!({}));
            turns += 1;
            let arrived = lab.model.turn(turns);
            assert!(
                arrived.prompt() == prompt,
                "{mode}: {:.200} is not {prompt:.200}",
                arrived.prompt()
            );
            if mode == "interactive" {
                session.kill();
            }
            session.follow().until_exit();
        }
    }
}

#[test]
#[ignore = "runs in the namespace"]
fn a_prompt_too_long_for_an_argument_reaches_codex() {
    a_prompt_too_long_for_an_argument_arrives(Agent::Codex);
}

#[test]
#[ignore = "runs in the namespace"]
fn a_prompt_too_long_for_an_argument_reaches_claude() {
    a_prompt_too_long_for_an_argument_arrives(Agent::Claude);
}

fn a_prompt_too_long_for_an_argument_arrives(agent: Agent) {
    let lab = Lab::new(agent);
    let coven = lab.coven();
    lab.model.will_say("an-answer");
    let prompt = of_bytes(200_000);
    let session = coven.launch("nonInteractive", &prompt, &json!({}));
    assert_eq!(session.follow().until_exit()["exitCode"], 0);
    assert!(lab.model.turn(1).prompt() == prompt);
}

#[test]
#[ignore = "runs in the namespace"]
fn a_word_that_is_a_subcommand_of_claude_is_a_prompt() {
    let lab = Lab::new(Agent::Claude);
    let coven = lab.coven();
    lab.model.will_say("an-answer");
    let session = coven.launch("interactive", "doctor", &json!({}));
    // A space keeps Claude Code from running its own doctor.
    assert_eq!(lab.model.turn(1).prompt().trim(), "doctor");
    session.kill();
    session.follow().until_exit();
}

/// Text of exactly `length` bytes in which no two lines are alike.
fn of_bytes(length: usize) -> String {
    let mut text = String::new();
    for number in 0.. {
        let line = format!("{number}: naïve “quotes” and \\ backslashes\n");
        if text.len() + line.len() > length {
            break;
        }
        text += &line;
    }
    let missing = length - text.len();
    text + &"x".repeat(missing)
}
