//! The lab itself: the CLIs without Coven. When these fail, do not look in Coven.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::clis::{self, Agent};
use crate::home::Trust;
use crate::lab::Lab;
use crate::model::{Answer, Permission};

#[test]
#[ignore = "runs in the namespace"]
fn codex_talks_to_the_scripted_model() {
    talks_to_the_scripted_model(Agent::Codex);
}

#[test]
#[ignore = "runs in the namespace"]
fn claude_talks_to_the_scripted_model() {
    talks_to_the_scripted_model(Agent::Claude);
}

fn talks_to_the_scripted_model(agent: Agent) {
    let lab = Lab::with_trust(agent, Trust::Everything);
    lab.model.will([
        Answer::Run {
            command: "echo $((6 * 7))".to_owned(),
            permission: Permission::Given,
        },
        Answer::Say {
            text: "It is done.".to_owned(),
        },
    ]);
    let output = run(&lab, "-- what is\nasked 🙂");
    assert!(output.status.success(), "{output:?}");
    assert!(
        String::from_utf8_lossy(&output.stdout).contains("It is done."),
        "{output:?}"
    );
    assert_eq!(lab.model.turn(1).prompt(), "-- what is\nasked 🙂");
    let command_output = lab.model.turn(2).command_output.expect("the command ran");
    assert!(command_output.contains("42"), "{command_output}");
}

#[test]
#[ignore = "runs in the namespace"]
fn codex_fails_when_the_model_refuses() {
    fails_when_the_model_refuses(Agent::Codex);
}

#[test]
#[ignore = "runs in the namespace"]
fn claude_fails_when_the_model_refuses() {
    fails_when_the_model_refuses(Agent::Claude);
}

fn fails_when_the_model_refuses(agent: Agent) {
    let lab = Lab::with_trust(agent, Trust::Careful);
    let output = run(&lab, "to be refused");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
}

fn run(lab: &Lab, prompt: &str) -> Output {
    let folder =
        clis::program_folder(&clis::installed_in(), lab.agent).expect("the CLI is installed");
    let arguments: &[&str] = match lab.agent {
        Agent::Codex => &["exec", "--skip-git-repo-check"],
        Agent::Claude => &["--print"],
    };
    Command::new(Path::new(&folder).join(lab.agent.id()))
        .args(arguments)
        .args(["--", prompt])
        .env_clear()
        .envs(lab.home.env())
        .current_dir(lab.home.project())
        .stdin(Stdio::null())
        .output()
        .expect("the CLI runs")
}
