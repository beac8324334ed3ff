//! Sessions of the real CLIs, recorded for the benchmarks to replay: their output as the log has it, and where
//! it is cut into events. `benches/record` runs this and packs what comes of it.

mod debug;
mod feature;
mod review;
mod saved;
mod script;

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::clis::Agent;
use crate::coven::{Coven, Session};
use crate::home::Trust;
use crate::lab::Lab;
use crate::model::{Model, Pace};
use crate::plain_text;

use script::{Script, Step};

/// Codex draws its whole screen again and again: two of its sessions are as long as everything else.
const RECORDINGS: [(Agent, Mode, &str, &Script); 9] = [
    (Agent::Codex, Mode::Interactive, "feature", feature::SCRIPT),
    (Agent::Codex, Mode::Interactive, "debug", debug::SCRIPT),
    (Agent::Codex, Mode::Alone, "review", review::SCRIPT),
    (Agent::Codex, Mode::Alone, "debug", debug::SCRIPT),
    (Agent::Claude, Mode::Interactive, "review", review::SCRIPT),
    (Agent::Claude, Mode::Interactive, "feature", feature::SCRIPT),
    (Agent::Claude, Mode::Interactive, "debug", debug::SCRIPT),
    (Agent::Claude, Mode::Alone, "feature", feature::SCRIPT),
    (Agent::Claude, Mode::Stream, "review", review::SCRIPT),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// Somebody at a terminal asks, reads, allows what must be allowed, and types the next prompt.
    Interactive,
    /// It gets the first prompt, may do everything, and ends: all the work of a script, and its last answer.
    Alone,
    /// JSON lines over pipes, one prompt after another.
    Stream,
}

/// How long the model and the CLI may take over one prompt.
const PATIENCE: Duration = Duration::from_secs(400);
/// Between two looks at what was drawn.
const GLANCE: Duration = Duration::from_millis(300);
/// What somebody takes to read a question, and an answer.
const READ_QUESTION: Duration = Duration::from_millis(1200);
const READ_ANSWER: Duration = Duration::from_secs(3);
/// Between two keys.
const KEY: Duration = Duration::from_millis(65);

#[test]
#[ignore = "benches/record runs it"]
fn the_sessions_that_benchmarks_replay_are_recorded() {
    thread::scope(|scope| {
        for (agent, mode, name, script) in RECORDINGS {
            scope.spawn(move || record(agent, mode, name, script));
        }
    });
}

fn record(agent: Agent, mode: Mode, name: &str, script: &Script) {
    let lab = match mode {
        Mode::Interactive => lab(agent, Trust::Careful),
        Mode::Alone | Mode::Stream => lab(agent, Trust::Everything),
    };
    let coven = lab.coven();
    let (session, mode) = match mode {
        Mode::Interactive => {
            let size = json!({"cols": 120, "rows": 40});
            let launch = |prompt| coven.launch("interactive", prompt, &size);
            (talk(&lab, script, launch, type_in), "interactive")
        }
        Mode::Stream => {
            let launch = |prompt| coven.launch("stream", prompt, &json!({}));
            (talk(&lab, script, launch, Session::input), "stream")
        }
        Mode::Alone => (work_alone(&lab, &coven, script), "alone"),
    };
    saved::save(&lab, &session, &format!("{}-{mode}-{name}", agent.id()));
}

/// All prompts of the script: a session is launched with the first, and told the others.
fn talk<'a>(
    lab: &'a Lab,
    script: &Script,
    launch: impl Fn(&'static str) -> Session<'a>,
    tell: impl Fn(&Session<'a>, &str),
) -> Session<'a> {
    let mut turns = 0;
    let mut launched: Option<Session<'a>> = None;
    for ask in script {
        turns += ask.steps.len();
        lab.model.will(answers(lab, ask.steps));
        let session = match launched.take() {
            None => launch(ask.prompt),
            Some(session) => {
                tell(&session, ask.prompt);
                session
            }
        };
        attend(lab.agent, &session, || lab.model.answered() >= turns);
        thread::sleep(READ_ANSWER);
        launched = Some(session);
    }
    let session = launched.expect("a script has prompts");
    session.kill();
    session.follow().until_exit();
    session
}

fn work_alone<'a>(lab: &'a Lab, coven: &Coven<'a>, script: &Script) -> Session<'a> {
    let steps = script.iter().flat_map(|ask| ask.steps);
    let (says, mut works): (Vec<&Step>, Vec<&Step>) =
        steps.partition(|step| matches!(step, Step::Say(_) | Step::Quote(..)));
    works.extend(says.last());
    lab.model.will(answers(lab, works));
    let session = coven.launch("nonInteractive", script[0].prompt, &json!({}));
    attend(lab.agent, &session, || {
        session.record()["exit_code"].is_i64()
    });
    session
}

fn type_in(session: &Session<'_>, prompt: &str) {
    for key in prompt.chars() {
        session.input(&key.to_string());
        thread::sleep(KEY);
    }
    session.input("\r");
}

/// Says yes to every question until all is `answered`.
fn attend(agent: Agent, session: &Session<'_>, answered: impl Fn() -> bool) {
    let (question, yes) = match agent {
        Agent::Codex => ("Would you like to run", "y"),
        Agent::Claude => ("Do you want to", "1"),
    };
    let question = plain_text::letters(question);
    let deadline = Instant::now() + PATIENCE;
    let mut seen = session.output().len();
    while !answered() {
        assert!(Instant::now() < deadline, "the model was not asked on");
        thread::sleep(GLANCE);
        let output = session.output();
        let drawn = plain_text::letters(&String::from_utf8_lossy(&output[seen..]));
        if drawn.contains(&question) {
            thread::sleep(READ_QUESTION);
            session.input(yes);
            seen = session.output().len();
        }
    }
}

/// A home whose project is a part of this repository, and a model that speaks as a real one does.
fn lab(agent: Agent, trust: Trust) -> Lab {
    let lab = Lab::with_model(agent, trust, Model::start(Pace::Lifelike));
    let project = lab.home.project();
    let copied = Command::new("cp")
        .args(["-r", "--no-preserve=ownership"])
        .arg(folder().join("project/."))
        .arg(&project)
        .status()
        .expect("cp runs");
    assert!(copied.success(), "the project was not copied");
    fs::write(project.join("check"), include_str!("recording/check.sh"))
        .expect("it can be written");
    lab
}

fn answers<'a>(lab: &Lab, steps: impl IntoIterator<Item = &'a Step>) -> Vec<crate::model::Answer> {
    let project = lab.home.project();
    steps
        .into_iter()
        .map(|step| step.answer(&project))
        .collect()
}

/// Where `benches/record` puts the project, and takes the recordings from.
fn folder() -> PathBuf {
    let binary = std::env::current_exe().expect("a test knows its own binary");
    binary
        .ancestors()
        .nth(2)
        .expect("target/debug")
        .join("recording")
}
