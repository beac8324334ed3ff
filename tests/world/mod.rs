//! A real engine in a home of its own, and agents that are shell scripts in real terminals.

#![allow(dead_code, unreachable_pub, unused_imports)] // each test file uses a part of it

#[path = "../shared/leftovers.rs"]
pub mod leftovers;
#[path = "../shared/noise.rs"]
mod noise;

use std::fs;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use coven::harness::{
    About, CannotRun, CommandLine, ConversationPlan, IdentitySource, Keystroke, Stdin,
};
use coven::harness::{OutputMark, Wiring};
use coven::{
    Actor, Engine, Envelope, Error, Event, Harness, HarnessId, Launch, LaunchMode, LaunchRequest,
    Options, Prompt, Record, Refusal, Seq, SessionId, Source,
};
pub use noise::noise;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

/// Generous: it only bounds a test that has failed.
pub const PATIENCE: Duration = Duration::from_secs(60);

pub async fn within<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(PATIENCE, future)
        .await
        .expect("it takes far too long")
}

/// An agent whose prompt is a script for `/bin/sh`.
#[derive(Debug)]
pub struct Shell {
    about: About,
    identity: IdentitySource,
}

impl Shell {
    /// One that writes which conversation it runs.
    pub fn new(id: &str, executable: &str) -> Arc<Self> {
        let identity = IdentitySource::Output(OutputMark {
            banner: "Shell agent",
            label: "conversation: ",
            end: "end",
        });
        Self::known_by(identity, id, executable)
    }

    pub fn known_by(identity: IdentitySource, id: &str, executable: &str) -> Arc<Self> {
        let about = About {
            id: HarnessId::parse(id).unwrap(),
            label: "Shell".to_owned(),
            executable: executable.to_owned(),
            install_hint: "Install a shell.".to_owned(),
            source: Source::Bundled,
        };
        Arc::new(Self { about, identity })
    }
}

impl Harness for Shell {
    fn about(&self) -> &About {
        &self.about
    }

    /// A resumed conversation's id is in the variable `RESUMED`.
    fn command(
        &self,
        launch: &Launch,
        conversation: &ConversationPlan,
    ) -> Result<CommandLine, CannotRun> {
        let wiring = match launch.mode {
            LaunchMode::Interactive => Wiring::Terminal,
            LaunchMode::NonInteractive => Wiring::TerminalOutput { stdin: Stdin::Null },
            LaunchMode::Stream => Wiring::Pipes {
                first_line: self.stream_input("first"),
            },
        };
        let command = CommandLine::new(wiring)
            .args(["-c"])
            .prompt(launch.prompt.as_ref().map_or("", Prompt::as_str));
        Ok(match conversation {
            ConversationPlan::New { .. } => command,
            ConversationPlan::Resume { id } => command.variable("RESUMED", id.as_str()),
        })
    }

    fn submission(&self, text: &str) -> Result<Vec<Keystroke>, Refusal> {
        Ok(vec![
            Keystroke::Type(Bytes::copy_from_slice(text.as_bytes())),
            Keystroke::Pause(Duration::from_millis(1)),
            Keystroke::Type(Bytes::from_static(b"\n")),
        ])
    }

    fn identity(&self, _: LaunchMode) -> IdentitySource {
        self.identity
    }
}

/// An engine, and the temporary directory that is its world.
pub struct World {
    pub engine: Engine,
    pub dir: tempfile::TempDir,
}

impl World {
    pub async fn new() -> Self {
        Self::with(|_| {}).await
    }

    pub async fn with(change: impl FnOnce(&mut Options)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("project")).unwrap();
        let mut options = options(dir.path());
        change(&mut options);
        let engine = Engine::open(options).await.unwrap();
        Self { engine, dir }
    }

    pub fn project(&self) -> PathBuf {
        self.dir.path().join("project")
    }

    /// A file of the project.
    pub fn path(&self, name: &str) -> PathBuf {
        self.project().join(name)
    }

    pub fn request(&self, script: &str) -> LaunchRequest {
        request(&self.project(), script)
    }

    pub async fn launch(&self, script: &str) -> Record {
        within(self.engine.launch(self.request(script), me()))
            .await
            .unwrap()
    }

    pub async fn launch_id(&self, script: &str) -> SessionId {
        self.launch(script).await.session.id.clone()
    }

    /// Launches a script in another mode than a terminal's.
    pub async fn launch_in(&self, mode: &str, script: &str) -> SessionId {
        let request = LaunchRequest {
            launch_mode: Some(mode.to_owned()),
            ..self.request(script)
        };
        let launched = within(self.engine.launch(request, me())).await;
        launched.unwrap().session.id.clone()
    }

    /// Runs a script to its end and gives its record and what it wrote.
    pub async fn run(&self, script: &str) -> (Record, Vec<u8>) {
        let id = self.launch_id(script).await;
        let events = self.to_the_end(&id).await;
        (self.engine.get(&id).await.unwrap(), written(&events))
    }

    /// All events of a session that will end.
    pub async fn to_the_end(&self, id: &SessionId) -> Vec<Envelope> {
        let mut follow = self.engine.follow(id, Seq::ZERO);
        let mut events = Vec::new();
        while let Some(page) = within(follow.next()).await.unwrap() {
            events.extend(page);
        }
        events
    }

    /// The same of one whose oldest output may be gone: waits until all is told.
    pub async fn to_the_end_of_what_is_left(&self, id: &SessionId) {
        let mut follow = self.engine.follow(id, Seq::ZERO);
        while within(follow.next()).await.unwrap().is_some() {}
    }

    /// Waits until a session has written `text`, and gives all it wrote until then.
    pub async fn until(&self, id: &SessionId, text: &str) -> String {
        let mut follow = self.engine.follow(id, Seq::ZERO);
        let mut events = Vec::new();
        while let Some(page) = within(follow.next()).await.unwrap() {
            events.extend(page);
            let said = String::from_utf8_lossy(&written(&events)).into_owned();
            if said.contains(text) {
                return said;
            }
        }
        let said = String::from_utf8_lossy(&written(&events)).into_owned();
        panic!("no {text:?} in {said:?}");
    }

    /// Waits until an event of a session is as wanted.
    pub async fn until_event(&self, id: &SessionId, wanted: impl Fn(&Event) -> bool) {
        let mut follow = self.engine.follow(id, Seq::ZERO);
        while let Some(page) = within(follow.next()).await.unwrap() {
            if page.iter().any(|envelope| wanted(&envelope.event)) {
                return;
            }
        }
        panic!("the session ended without it");
    }

    pub async fn input(&self, id: &SessionId, data: &str) -> Result<(), Error> {
        let data = Bytes::copy_from_slice(data.as_bytes());
        within(self.engine.input(id, data, None, me())).await
    }
}

pub fn options(dir: &Path) -> Options {
    let mut options = Options::at(dir.join("home"));
    options.harnesses = vec![Shell::new("shell", "/bin/sh")];
    options.grace = Duration::from_secs(1);
    options
}

pub fn request(project: &Path, script: &str) -> LaunchRequest {
    let (mark, of_this_program) = leftovers::mark();
    let path = std::env::var("PATH").unwrap();
    let env = [("PATH", path.as_str()), (mark, of_this_program)];
    LaunchRequest {
        project_root: Some(project.to_str().unwrap().to_owned()),
        harness: Some("shell".to_owned()),
        prompt: Some(script.to_owned()),
        env: Some(
            env.map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
        ),
        ..LaunchRequest::default()
    }
}

pub fn me() -> Actor {
    Actor {
        uid: rustix::process::getuid().as_raw(),
        pid: Some(std::process::id()),
        client: Some("test".to_owned()),
    }
}

/// What a session wrote, from its events. Every offset is checked on the way.
pub fn written(events: &[Envelope]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for envelope in events {
        if let Event::Output { offset, data, .. } = &envelope.event {
            assert_eq!(*offset, bytes.len() as u64, "output is missing");
            bytes.extend_from_slice(data);
        }
    }
    bytes
}

/// What a session was typed, from its events.
pub fn kinds(events: &[Envelope]) -> Vec<coven::EventKind> {
    events
        .iter()
        .map(|envelope| envelope.event.kind())
        .collect()
}

/// A process of which the end can be awaited, whoever's child it is.
pub struct Held(OwnedFd);

impl Held {
    pub fn open(pid: u32) -> Self {
        let pid = Pid::from_raw(pid.cast_signed()).unwrap();
        Self(pidfd_open(pid, PidfdFlags::empty()).unwrap())
    }

    pub async fn ended(self) {
        let patience = Timespec::try_from(PATIENCE).unwrap();
        let wait = move || poll(&mut [PollFd::new(&self.0, PollFlags::IN)], Some(&patience));
        let ended = tokio::task::spawn_blocking(wait).await.unwrap();
        assert_eq!(ended, Ok(1), "it lives on");
    }
}

pub fn is_alive(pid: u32) -> bool {
    match fs::read_to_string(format!("/proc/{pid}/stat")) {
        Ok(stat) => !matches!(
            stat.rsplit(')')
                .next()
                .and_then(|rest| rest.trim().chars().next()),
            Some('Z' | 'X')
        ),
        Err(_) => false,
    }
}
