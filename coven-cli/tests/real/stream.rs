//! Claude Code in stream mode: JSON lines in and out, over pipes.

use serde_json::json;

use crate::clis::Agent;
use crate::lab::Lab;

#[test]
#[ignore = "runs in the namespace"]
fn claude_answers_the_prompt_and_each_input_in_stream_mode() {
    let lab = Lab::new(Agent::Claude);
    let coven = lab.coven();
    lab.model.will_say("first-answer");
    let session = coven.launch("stream", "the first prompt", &json!({}));
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
}
