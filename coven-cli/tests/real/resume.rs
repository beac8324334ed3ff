//! What was lost with the machine is gone on with.

use std::path::Path;
use std::time::Instant;

use serde_json::json;

use crate::clis::Agent;
use crate::coven::Session;
use crate::lab::Lab;
use crate::model::PATIENCE;

const BOOTS: [&str; 2] = [
    "5a5a5a5a-0000-4000-8000-000000000001",
    "5a5a5a5a-0000-4000-8000-000000000002",
];

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
    until_it_can_be_resumed(&lab, &first, "first-answer");
    coven.reboot(BOOTS[0]);
    was_lost_in_the_reboot(&first);

    lab.model.will_say("second-answer");
    let second = coven.resume(&first, Some("and the second"));
    assert_eq!(second.record()["continues"], first.id());
    until_it_can_be_resumed(&lab, &second, "second-answer");
    assert_eq!(said(&lab, 2), ["the first", "and the second"]);
    coven.reboot(BOOTS[1]);
    was_lost_in_the_reboot(&second);

    // Told nothing, it shows what was said, and waits.
    let third = coven.resume(&second, None);
    assert_eq!(third.record()["continues"], second.id());
    let mut follow = third.follow();
    follow.until_drawn("second-answer");
    lab.model.will_say("third-answer");
    third.submit("and the third");
    follow.until_drawn("third-answer");
    assert_eq!(
        said(&lab, 3),
        ["the first", "and the second", "and the third"]
    );
    third.kill();
    follow.until_exit();
}

/// What the model was told by who works with the agent. Claude puts in words of its own where it was ended before it had
/// noted that its turn was over, which is after what was said is in its file.
fn said(lab: &Lab, turn: usize) -> Vec<String> {
    let prompts = lab.model.turn(turn).prompts.into_iter();
    prompts
        .map(|prompt| prompt.trim_end().to_owned())
        .filter(|prompt| prompt != "Continue from where you left off.")
        .collect()
}

fn was_lost_in_the_reboot(session: &Session<'_>) {
    session.follow().until_lost();
    let record = session.record();
    assert_eq!(
        (&record["status"], &record["orphan_reason"]),
        (&json!("orphaned"), &json!("reboot"))
    );
}

/// Waits for the agent's answer, until both sides have in a file what they need to go on with it: Coven the
/// agent's own id of the conversation, and the agent what was said, which it draws before that.
fn until_it_can_be_resumed(lab: &Lab, session: &Session<'_>, answer: &str) {
    let mut follow = session.follow();
    follow.until_drawn(answer);
    if session.record()["identity"].is_null() {
        follow.until_identified();
    }
    let folders = [".claude/projects", ".codex/sessions"].map(|name| lab.home.path().join(name));
    let deadline = Instant::now() + PATIENCE;
    while !folders.iter().any(|folder| has_line_with(folder, answer)) {
        assert!(Instant::now() < deadline, "{answer} is in no file");
        std::thread::yield_now();
    }
}

/// Whether a file in the folder, or in one of its folders, has a whole line with `text` in it.
fn has_line_with(folder: &Path, text: &str) -> bool {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).any(|path| {
        if path.is_dir() {
            return has_line_with(&path, text);
        }
        let bytes = std::fs::read(&path).unwrap_or_default();
        let has_text = |line: &[u8]| line.windows(text.len()).any(|part| part == text.as_bytes());
        let lines = bytes.split_inclusive(|byte| *byte == b'\n');
        lines.filter(|line| line.ends_with(b"\n")).any(has_text)
    })
}
