//! What was lost with the machine is gone on with.

use std::time::Instant;

use serde_json::json;

use crate::clis::Agent;
use crate::coven::Session;
use crate::lab::Lab;
use crate::model::PATIENCE;
use crate::power_cut;

#[test]
#[ignore = "runs in the namespace"]
fn a_lost_codex_session_is_resumed_and_the_model_sees_what_was_said_before() {
    a_lost_session_is_resumed_and_the_model_sees_what_was_said_before(Agent::Codex);
}

#[test]
#[ignore = "runs in the namespace"]
fn a_lost_claude_session_is_resumed_and_the_model_sees_what_was_said_before() {
    a_lost_session_is_resumed_and_the_model_sees_what_was_said_before(Agent::Claude);
}

fn a_lost_session_is_resumed_and_the_model_sees_what_was_said_before(agent: Agent) {
    let lab = Lab::new(agent);
    let coven = lab.coven();
    lab.model.will_say("first-answer");
    let first = coven.launch("interactive", "the first", &json!({}));
    first.follow().until_drawn("first-answer");
    until_identified(&first);
    power_cut::end_all_of(&lab.home.coven_home());

    lab.model.will_say("second-answer");
    let second = coven.resume(&first, Some("and the second"));
    assert_eq!(first.record()["status"], "orphaned");
    assert_eq!(second.record()["continues"], first.id());
    second.follow().until_drawn("second-answer");
    assert_eq!(lab.model.turn(2).prompts, ["the first", "and the second"]);
    until_identified(&second);
    power_cut::end_all_of(&lab.home.coven_home());

    // Told nothing, it shows what was said, and waits.
    let third = coven.resume(&second, None);
    let mut follow = third.follow();
    follow.until_drawn("second-answer");
    lab.model.will_say("third-answer");
    third.submit("and the third");
    follow.until_drawn("third-answer");
    assert_eq!(
        lab.model.turn(3).prompts,
        ["the first", "and the second", "and the third"]
    );
    third.kill();
    follow.until_exit();
}

/// Waits until it is known what the agent calls its conversation.
fn until_identified(session: &Session<'_>) {
    let deadline = Instant::now() + PATIENCE;
    while session.record()["identity"].is_null() {
        assert!(Instant::now() < deadline, "{}", session.record());
        std::thread::yield_now();
    }
}
