//! Claude Code in stream mode: JSON lines in and out, over pipes.

use serde_json::json;

use crate::clis::Agent;
use crate::lab::Lab;

const CONVERSATION: &str = "6f2a1a52-6f0e-4a53-9a0c-5b1c7e9d2f12";

#[test]
#[ignore = "runs in the namespace"]
fn claude_answers_the_prompt_and_each_input_in_stream_mode_and_when_resumed() {
    let lab = Lab::new(Agent::Claude);
    let coven = lab.coven();
    lab.model.will_say("first-answer");
    let begun = json!({"conversation": {"mode": "init", "id": CONVERSATION}});
    let session = coven.launch("stream", "the first prompt", &begun);
    let mut follow = session.follow();
    follow.until_drawn("first-answer");
    assert_eq!(lab.model.turn(1).prompts, ["the first prompt"]);

    lab.model.will_say("second-answer");
    session.input("- and\nmore 🙂");
    follow.until_drawn("second-answer");
    assert_eq!(
        lab.model.turn(2).prompts,
        ["the first prompt", "- and\nmore 🙂"]
    );

    session.kill();
    follow.until_exit();
    for line in follow.output().lines() {
        let _: serde_json::Value = serde_json::from_str(line).expect("every line is JSON");
    }

    lab.model.will_say("third-answer");
    let resumed = json!({"conversation": {"mode": "resume", "id": CONVERSATION}});
    let session = coven.launch("stream", "and again", &resumed);
    let mut follow = session.follow();
    follow.until_drawn("third-answer");
    assert_eq!(
        lab.model.turn(3).prompts,
        ["the first prompt", "- and\nmore 🙂", "and again"]
    );
    session.kill();
    follow.until_exit();
}
