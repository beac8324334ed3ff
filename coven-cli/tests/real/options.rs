//! What a launch asks for beside its prompt reaches the CLI: the model, and what it may write.

use std::fs;

use serde_json::json;

use crate::clis::Agent;
use crate::lab::Lab;
use crate::model::{Answer, Permission};

#[test]
#[ignore = "runs in the namespace"]
fn codex_asks_the_model_of_the_launch_in_either_mode() {
    asks_the_model_of_the_launch_in_either_mode(Agent::Codex);
}

#[test]
#[ignore = "runs in the namespace"]
fn claude_asks_the_model_of_the_launch_in_either_mode() {
    asks_the_model_of_the_launch_in_either_mode(Agent::Claude);
}

fn asks_the_model_of_the_launch_in_either_mode(agent: Agent) {
    let lab = Lab::new(agent);
    let coven = lab.coven();
    for (turn, mode) in [(1, "nonInteractive"), (2, "interactive")] {
        lab.model.will_say("an-answer");
        let other = json!({"model": "someone/other-lab-model"});
        let session = coven.launch(mode, "which are you?", &other);
        assert_eq!(lab.model.turn(turn).model, "other-lab-model", "{mode}");
        if mode == "interactive" {
            session.kill();
        }
        session.follow().until_exit();
    }
}

#[test]
#[ignore = "runs in the namespace"]
fn codex_under_a_policy_writes_in_the_added_directories_and_nowhere_else() {
    let lab = Lab::new(Agent::Codex);
    let coven = lab.coven();
    let [added, other] = ["added", "other"].map(|name| lab.home.path().join(name));
    for folder in [&added, &other] {
        fs::create_dir(folder).expect("the home is empty");
    }
    let conversation = "6f2a1a52-6f0e-4a53-9a0c-5b1c7e9d2f11";
    for (mode, file) in [("init", "first"), ("resume", "second")] {
        let write = |folder: &std::path::Path| format!("echo x >{}/{file}", folder.display());
        lab.model.will([
            Answer::Run {
                command: format!("{}; {}", write(&other), write(&added)),
                permission: Permission::Given,
            },
            Answer::Say {
                text: "done".to_owned(),
            },
        ]);
        let asked = json!({
            "launchPolicy": {"approval": "never", "sandbox": "workspace-write", "addDirs": [added]},
            "conversation": {"mode": mode, "id": conversation},
        });
        let session = coven.launch("nonInteractive", "write", &asked);
        let mut follow = session.follow();
        assert_eq!(follow.until_exit()["exitCode"], 0, "{}", follow.output());
        assert_eq!(session.record()["launch_policy"], asked["launchPolicy"]);
        assert!(added.join(file).exists(), "{mode}: {}", follow.output());
        assert!(!other.join(file).exists(), "{mode}: {}", follow.output());
    }
}
