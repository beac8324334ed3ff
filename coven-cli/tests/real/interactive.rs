//! A session in a terminal: the prompt is the first turn, and more can be said later.

use serde_json::json;

use crate::clis::Agent;
use crate::lab::Lab;

#[test]
#[ignore = "runs in the namespace"]
fn codex_runs_the_prompt_as_its_first_turn_and_answers_a_follow_up() {
    runs_the_prompt_as_its_first_turn_and_answers_a_follow_up(Agent::Codex);
}

#[test]
#[ignore = "runs in the namespace"]
fn claude_runs_the_prompt_as_its_first_turn_and_answers_a_follow_up() {
    runs_the_prompt_as_its_first_turn_and_answers_a_follow_up(Agent::Claude);
}

fn runs_the_prompt_as_its_first_turn_and_answers_a_follow_up(agent: Agent) {
    let lab = Lab::new(agent);
    let coven = lab.coven();
    lab.model.will_say("first-answer");
    let session = coven.launch("interactive", "the first prompt", &json!({}));
    let mut follow = session.follow();
    follow.until_drawn("first-answer");
    assert_eq!(lab.model.turn(1).prompts, ["the first prompt"]);
    assert_eq!(session.record()["status"], "running");

    lab.model.will_say("second-answer");
    session.submit("- and\nmore 🙂");
    follow.until_drawn("second-answer");
    assert_eq!(
        lab.model.turn(2).prompts,
        ["the first prompt", "- and\nmore 🙂"]
    );

    session.kill();
    follow.until_exit();
}

#[test]
#[ignore = "runs in the namespace"]
fn codex_leaves_no_server_of_its_own_behind() {
    let lab = Lab::new(Agent::Codex);
    let coven = lab.coven();
    lab.model.will_say("first-answer");
    let session = coven.launch("interactive", "the first prompt", &json!({}));
    let mut follow = session.follow();
    follow.until_drawn("first-answer");
    session.kill();
    follow.until_exit();
    // Codex copies itself there before it starts its server.
    assert!(!lab.home.path().join(".codex/packages").exists());
}
