//! Kill ends the agent and everything it started.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::os::fd::OwnedFd;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{CWD, Mode, OFlags, mkfifoat, openat};
use serde_json::json;

use crate::clis::Agent;
use crate::coven::Session;
use crate::home::{Home, Trust};
use crate::lab::Lab;
use crate::model::{Answer, PATIENCE, Permission};

#[test]
#[ignore = "runs in the namespace"]
fn kill_leaves_no_process_of_a_codex_session() {
    kill_leaves_no_process_of_the_session(Agent::Codex, Trust::Everything);
}

#[test]
#[ignore = "runs in the namespace"]
fn kill_leaves_no_process_of_a_codex_session_in_its_sandbox() {
    kill_leaves_no_process_of_the_session(Agent::Codex, Trust::Careful);
}

#[test]
#[ignore = "runs in the namespace"]
fn kill_leaves_no_process_of_a_claude_session() {
    kill_leaves_no_process_of_the_session(Agent::Claude, Trust::Everything);
}

fn kill_leaves_no_process_of_the_session(agent: Agent, trust: Trust) {
    let lab = Lab::with_trust(agent, trust);
    let coven = lab.coven();
    // One is the tool itself, in the session the agent gave it. The other has left that session
    // too, and its parent has gone.
    let tools = [
        Tool::new(&lab.home, "tool"),
        Tool::new(&lab.home, "runaway"),
    ];
    let command = format!(
        "(setsid -f bash -c '{}' </dev/null >/dev/null 2>&1 &); bash -c '{}'",
        tools[1].script(),
        tools[0].script(),
    );
    lab.model.will([Answer::Run {
        command,
        permission: Permission::Given,
    }]);
    let session = coven.launch("interactive", "start the server", &json!({}));
    for tool in &tools {
        tool.await_start();
    }

    session.kill();
    session.follow().until_exit();
    for tool in tools {
        tool.assert_dead();
    }
    assert_eq!(processes_of(&session), Vec::<String>::new());
    let record = session.record();
    assert_eq!(
        [&record["status"], &record["exit_code"], &record["pid"]],
        [&json!("killed"), &json!(null), &json!(null)]
    );
}

#[test]
#[ignore = "runs in the namespace"]
fn kill_ends_codex_while_the_model_is_silent() {
    kill_ends_an_agent_while_the_model_is_silent(Agent::Codex);
}

#[test]
#[ignore = "runs in the namespace"]
fn kill_ends_claude_while_the_model_is_silent() {
    kill_ends_an_agent_while_the_model_is_silent(Agent::Claude);
}

fn kill_ends_an_agent_while_the_model_is_silent(agent: Agent) {
    let lab = Lab::new(agent);
    let coven = lab.coven();
    lab.model.will([Answer::Hang]);
    let session = coven.launch("nonInteractive", "are you there?", &json!({}));
    lab.model.turn(1);
    session.kill();
    session.follow().until_exit();
    assert_eq!(session.record()["status"], "killed");
    assert_eq!(processes_of(&session), Vec::<String>::new());
}

/// A process that an agent starts. It holds the writing end of a pipe for as long as it lives.
struct Tool {
    name: &'static str,
    path: String,
    pipe: OwnedFd,
}

impl Tool {
    /// The pipe is in the project, where every sandbox lets a tool write.
    fn new(home: &Home, name: &'static str) -> Self {
        let path = home.project().join(name).display().to_string();
        mkfifoat(CWD, &path, Mode::RUSR | Mode::WUSR).expect("the project is empty");
        let pipe = openat(CWD, &path, OFlags::RDONLY | OFlags::NONBLOCK, Mode::empty())
            .expect("a reader waits for no writer");
        Self { name, path, pipe }
    }

    fn script(&self) -> String {
        format!("exec 3>{}; echo started >&3; exec sleep 100000", self.path)
    }

    fn await_start(&self) {
        let patience = Timespec::try_from(PATIENCE).expect("it is short");
        let mut readable = [PollFd::new(&self.pipe, PollFlags::IN)];
        let ready = poll(&mut readable, Some(&patience)).expect("the pipe can be polled");
        assert_eq!(ready, 1, "{} did not start", self.name);
    }

    fn assert_dead(self) {
        let mut pipe = File::from(self.pipe);
        let mut written = Vec::new();
        match pipe.read_to_end(&mut written) {
            Ok(_) => assert_eq!(written, b"started\n"),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                panic!("{} outlived the exit event", self.name);
            }
            Err(error) => panic!("the pipe of {} cannot be read: {error}", self.name),
        }
    }
}

/// What still carries the session's id in its environment.
fn processes_of(session: &Session<'_>) -> Vec<String> {
    let mark = format!("COVEN_SESSION_ID={}", session.id());
    std::fs::read_dir("/proc")
        .expect("proc is mounted")
        .filter_map(|entry| {
            let process = entry.ok()?.path();
            let environment = std::fs::read(process.join("environ")).ok()?;
            let marked = environment
                .split(|&byte| byte == 0)
                .any(|variable| variable == mark.as_bytes());
            let command = std::fs::read(process.join("cmdline")).ok()?;
            marked.then(|| {
                format!(
                    "{}: {}",
                    process.display(),
                    String::from_utf8_lossy(&command)
                )
            })
        })
        .collect()
}
