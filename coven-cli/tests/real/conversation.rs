//! A conversation goes on in a later session.

use serde_json::json;

use crate::clis::Agent;
use crate::lab::Lab;

const CONVERSATION: &str = "6f2a1a52-6f0e-4a53-9a0c-5b1c7e9d2f10";

#[test]
#[ignore = "runs in the namespace"]
fn codex_resumes_a_conversation_in_either_mode() {
    resumes_a_conversation_in_either_mode(Agent::Codex);
}

#[test]
#[ignore = "runs in the namespace"]
fn claude_resumes_a_conversation_in_either_mode() {
    resumes_a_conversation_in_either_mode(Agent::Claude);
}

fn resumes_a_conversation_in_either_mode(agent: Agent) {
    let lab = Lab::new(agent);
    let coven = lab.coven();
    let conversation = |mode| json!({"conversation": {"mode": mode, "id": CONVERSATION}});

    lab.model.will_say("first-answer");
    let session = coven.launch("nonInteractive", "first", &conversation("init"));
    assert_eq!(session.follow().until_exit()["exitCode"], 0);
    let record = session.record();
    assert_eq!(
        (&record["status"], &record["conversation_id"]),
        (&json!("idle"), &json!(CONVERSATION)),
        "{record}"
    );

    lab.model.will_say("second-answer");
    let session = coven.launch("nonInteractive", "second", &conversation("resume"));
    assert_eq!(session.follow().until_exit()["exitCode"], 0);
    assert_eq!(lab.model.turn(2).prompts, ["first", "second"]);

    lab.model.will_say("third-answer");
    let session = coven.launch("interactive", "and the third", &conversation("resume"));
    let mut follow = session.follow();
    follow.until_drawn("third-answer");
    assert_eq!(
        lab.model.turn(3).prompts,
        ["first", "second", "and the third"]
    );
    session.kill();
    follow.until_exit();
}

#[test]
#[ignore = "runs in the namespace"]
fn codex_started_in_a_terminal_is_resumed_by_the_id_we_gave_it() {
    let lab = Lab::new(Agent::Codex);
    let coven = lab.coven();
    let conversation = |mode| json!({"conversation": {"mode": mode, "id": CONVERSATION}});
    lab.model.will_say("first-answer");
    let session = coven.launch("interactive", "first", &conversation("init"));
    let mut follow = session.follow();
    follow.until_drawn("first-answer");
    // Codex gives itself an id and prints it only when it quits; it is killed, and prints nothing.
    session.kill();
    follow.until_exit();

    lab.model.will_say("second-answer");
    let session = coven.launch("nonInteractive", "second", &conversation("resume"));
    let mut follow = session.follow();
    assert_eq!(follow.until_exit()["exitCode"], 0, "{}", follow.output());
    assert_eq!(lab.model.turn(2).prompts, ["first", "second"]);
}
