//! A real daemon: an engine in a home of its own, served on a real socket, with agents that are
//! shell scripts in real terminals.

#![allow(dead_code, unreachable_pub)] // each test file uses a part of it

#[path = "../../../tests/shared/embedded_shim.rs"]
mod embedded_shim;
#[path = "../../../tests/shared/leftovers.rs"]
mod leftovers;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use coven::shim::Program;
use coven::{Engine, Hosting, Options, Shims};
use coven_http::client::Client;
use coven_http::wire::{Event, LaunchBody, Payload, SessionRecord};
use coven_http::{ServeOptions, Server, Stopped, Stopper, Timeouts};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::task::JoinHandle;

/// Generous: it only bounds a test that has failed.
pub const PATIENCE: Duration = Duration::from_secs(60);

pub async fn within<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(PATIENCE, future)
        .await
        .expect("it takes far too long")
}

/// An agent whose prompt is a script for `/bin/sh`.
const SHELL: &str = r#"
id = "shell"
label = "Shell"
executable = "/bin/sh"
install_hint = "install a shell"
[interactive]
args = ["-c", "{prompt}"]
[non_interactive]
args = ["-c", "{prompt}"]
"#;

/// One whose program is not there.
const MISSING: &str = r#"
id = "missing"
executable = "no-such-agent-anywhere"
install_hint = "npm install --global no-such-agent"
[interactive]
args = ["{prompt}"]
[non_interactive]
args = ["{prompt}"]
"#;

pub struct Daemon {
    pub dir: tempfile::TempDir,
    pub engine: Engine,
    pub client: Client,
    pub stopper: Stopper,
    pub running: JoinHandle<Stopped>,
}

/// An answer as it came over the socket.
#[derive(Debug)]
pub struct Raw {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Daemon {
    pub async fn start() -> Self {
        Self::with(Timeouts::default()).await
    }

    /// With its own patience.
    pub async fn with(timeouts: Timeouts) -> Self {
        Self::in_dir(Self::new_dir(), timeouts).await
    }

    /// With so long for its agents to end when it stops.
    pub async fn with_grace(grace: Duration) -> Self {
        Self::open(Self::new_dir(), Timeouts::default(), grace).await
    }

    pub fn new_dir() -> tempfile::TempDir {
        Self::new_dir_in(&std::env::temp_dir())
    }

    /// What [`Daemon::in_dir`] is given for a daemon that begins anew.
    pub fn new_dir_in(parent: &Path) -> tempfile::TempDir {
        let dir = tempfile::tempdir_in(parent).unwrap();
        fs::create_dir(dir.path().join("project")).unwrap();
        let harnesses = dir.path().join("home/harnesses");
        fs::create_dir_all(&harnesses).unwrap();
        fs::write(harnesses.join("shell.toml"), SHELL).unwrap();
        fs::write(harnesses.join("missing.toml"), MISSING).unwrap();
        dir
    }

    /// Over what an earlier daemon left.
    pub async fn in_dir(dir: tempfile::TempDir, timeouts: Timeouts) -> Self {
        Self::open(dir, timeouts, Duration::from_secs(1)).await
    }

    async fn open(dir: tempfile::TempDir, timeouts: Timeouts, grace: Duration) -> Self {
        Self::opened(dir, timeouts, |options| options.grace = grace).await
    }

    /// With its sessions in shims, which outlive it.
    pub async fn in_shims(dir: tempfile::TempDir) -> Self {
        let hosting = Hosting::Shims(Shims::of(Program {
            path: embedded_shim::path(),
            args: Vec::new(),
            environment: [leftovers::mark()].into_iter().collect(),
        }));
        Self::opened(dir, Timeouts::default(), |options| {
            options.hosting = hosting;
        })
        .await
    }

    async fn opened(
        dir: tempfile::TempDir,
        timeouts: Timeouts,
        change: impl FnOnce(&mut Options),
    ) -> Self {
        let home = dir.path().join("home");
        let mut options = Options::at(&home);
        change(&mut options);
        let engine = Engine::open(options).await.unwrap();
        let serve = ServeOptions {
            timeouts,
            drain: Duration::from_secs(2),
        };
        let server = Server::bind(engine.clone(), serve).unwrap();
        let stopper = server.stopper();
        Self {
            engine,
            client: Client::at_home(&home),
            stopper,
            running: tokio::spawn(server.run()),
            dir,
        }
    }

    pub async fn stop(self) -> tempfile::TempDir {
        self.stopper.stop();
        drop(within(self.running).await.unwrap());
        self.dir
    }

    pub fn home(&self) -> PathBuf {
        self.dir.path().join("home")
    }

    pub fn project(&self) -> PathBuf {
        self.dir.path().join("project")
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.project().join(name)
    }

    pub fn socket(&self) -> PathBuf {
        self.home().join("coven.sock")
    }

    pub async fn connect(&self) -> UnixStream {
        UnixStream::connect(self.socket()).await.unwrap()
    }

    pub fn body(&self, script: &str) -> LaunchBody {
        launch(&self.project(), script)
    }

    pub async fn launch(&self, script: &str) -> SessionRecord {
        within(self.client.launch(&self.body(script)))
            .await
            .unwrap()
    }

    /// Runs a script to its end.
    pub async fn run(&self, script: &str) -> (SessionRecord, Vec<Event>) {
        let id = self.launch(script).await.id;
        let events = self.to_the_end(&id).await;
        (self.client.session(&id).await.unwrap(), events)
    }

    pub async fn to_the_end(&self, id: &str) -> Vec<Event> {
        let mut follow = self.client.follow(id, None);
        let mut events = Vec::new();
        while let Some(event) = within(follow.next()).await.unwrap() {
            events.push(event);
        }
        events
    }

    /// A session's events as far as a place that is on record.
    pub async fn to_the_place(&self, id: &str, seq: u64) -> Vec<Event> {
        let mut follow = self.client.follow(id, None);
        let mut events = Vec::new();
        while let Some(event) = within(follow.next()).await.unwrap() {
            let ends = event.seq >= seq;
            if event.seq <= seq {
                events.push(event);
            }
            if ends {
                break;
            }
        }
        events
    }

    /// Waits until a session has written `text`.
    pub async fn until(&self, id: &str, text: &str) -> String {
        let mut follow = self.client.follow(id, None);
        let mut said = String::new();
        while let Some(event) = within(follow.next()).await.unwrap() {
            if let Payload::Output(output) = event.payload() {
                said.push_str(&output.data);
            }
            if said.contains(text) {
                return said;
            }
        }
        panic!("no {text:?} in {said:?}");
    }

    /// Sends bytes, closes the write side, and reads to the end.
    pub async fn raw(&self, bytes: &[u8]) -> Vec<u8> {
        let mut stream = self.connect().await;
        // The daemon may answer, and close, before it has read everything.
        let _ = stream.write_all(bytes).await;
        let _ = stream.shutdown().await;
        read_to_end(&mut stream).await
    }

    pub async fn request(&self, method: &str, path: &str, body: &str) -> Raw {
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: localhost\r\nuser-agent: test/1\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        Raw::parse(&self.raw(request.as_bytes()).await)
    }

    pub async fn get(&self, path: &str) -> Raw {
        let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n");
        Raw::parse(&self.raw(request.as_bytes()).await)
    }

    pub async fn post(&self, path: &str, body: &Value) -> Raw {
        self.request("POST", path, &body.to_string()).await
    }

    /// The body of a launch request as JSON.
    pub fn launch_json(&self, script: &str) -> Value {
        json!({
            "projectRoot": self.project().to_str().unwrap(),
            "harness": "shell",
            "prompt": script,
        })
    }
}

pub fn launch(project: &Path, script: &str) -> LaunchBody {
    let (mark, of_this_program) = leftovers::mark();
    let path = std::env::var("PATH").unwrap();
    let env = [("PATH", path.as_str()), (mark, of_this_program)];
    LaunchBody {
        project_root: Some(project.to_str().unwrap().to_owned()),
        harness: Some("shell".to_owned()),
        prompt: Some(script.to_owned()),
        env: Some(
            env.map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
        ),
        ..LaunchBody::default()
    }
}

pub async fn read_to_end(stream: &mut UnixStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    // A connection that is closed with bytes unread ends with a reset, after what was sent.
    let _ = within(stream.read_to_end(&mut bytes)).await;
    bytes
}

impl Raw {
    /// Checks the framing too: one length, nothing after the body.
    pub fn parse(bytes: &[u8]) -> Self {
        let end = bytes
            .windows(4)
            .position(|four| four == b"\r\n\r\n")
            .unwrap_or_else(|| panic!("no head in {:?}", String::from_utf8_lossy(bytes)));
        let head = String::from_utf8(bytes[..end].to_vec())
            .unwrap()
            .to_lowercase();
        let body = bytes[end + 4..].to_vec();
        let status = head[9..12].parse().unwrap();
        let raw = Self { status, head, body };
        if status != 204 {
            let lengths: Vec<&str> = raw.headers("content-length");
            assert_eq!(lengths, [raw.body.len().to_string()], "{raw:?}");
        }
        assert!(raw.headers("transfer-encoding").is_empty(), "{raw:?}");
        raw
    }

    pub fn headers(&self, name: &str) -> Vec<&str> {
        self.head
            .lines()
            .filter_map(|line| line.split_once(": "))
            .filter_map(|(found, value)| (found == name).then_some(value))
            .collect()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }

    /// The stable code of an error.
    pub fn code(&self) -> String {
        self.json()["error"]["code"]
            .as_str()
            .unwrap_or_else(|| panic!("no error in {self:?}"))
            .to_owned()
    }

    #[track_caller]
    pub fn is_error(&self, status: u16, code: &str) {
        assert_eq!(
            (self.status, self.code().as_str()),
            (status, code),
            "{self:?}"
        );
        let error = &self.json()["error"];
        assert!(error["message"].as_str().is_some_and(|m| !m.is_empty()));
    }
}

/// Bytes that no text tool likes: every byte value, lone ESC, cut UTF-8; the same for one seed.
pub fn noise(seed: u64, len_bytes: usize) -> Vec<u8> {
    let mut state = seed | 1;
    let mut bytes = Vec::with_capacity(len_bytes + 16);
    while bytes.len() < len_bytes {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
        if state.is_multiple_of(7) {
            bytes.extend_from_slice(b"\x1b");
        }
        if state.is_multiple_of(11) {
            bytes.extend_from_slice("é🙂".as_bytes());
        }
    }
    bytes.truncate(len_bytes);
    bytes
}
