//! The built daemon, whose sessions are held by shims. When it is dropped, they are ended with it.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use coven_http::client::Client;
use futures_util::{StreamExt, TryStreamExt, stream};

use crate::place::Place;

const BINARY: &str = env!("CARGO_BIN_EXE_coven");

/// More than a healthy daemon takes to start.
const PATIENCE: Duration = Duration::from_secs(60);

/// Requests at once.
const AT_ONCE: usize = 16;

pub(crate) struct Daemon {
    pub(crate) place: Place,
    pub(crate) client: Client,
    process: Child,
}

impl Daemon {
    pub(crate) async fn open() -> Self {
        let place = Place::new();
        let client = Client::at_home(&place.home());
        let process = serve(&place.home());
        let daemon = Self {
            place,
            client,
            process,
        };
        daemon.answers().await;
        daemon
    }

    async fn answers(&self) {
        let served = self.client.served_within(PATIENCE).await;
        served.expect("the daemon answers");
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Kills it, and starts the next: how long until that answers, and until it has had each of these
    /// sessions typed into, which it can once it is connected to its shim.
    pub(crate) async fn kill_and_start(&mut self, sessions: &[String]) -> (Duration, Duration) {
        self.process.kill().expect("it is ours");
        self.process.wait().expect("it is ours");
        let started = Instant::now();
        self.process = serve(&self.place.home());
        self.answers().await;
        let serves = started.elapsed();
        let typed = stream::iter(sessions)
            .map(|id| self.client.input_once(id, "\n", "after-the-kill"))
            .buffer_unordered(AT_ONCE)
            .try_collect::<Vec<()>>();
        let typed = tokio::time::timeout(PATIENCE, typed).await;
        typed.expect("they are taken over").expect("all are live");
        (serves, started.elapsed())
    }

    pub(crate) fn open_files(&self) -> usize {
        let files = fs::read_dir(format!("/proc/{}/fd", self.pid()));
        files.expect("it runs").count()
    }

    /// The processes that hold these sessions.
    pub(crate) fn shims(&self, sessions: &[String]) -> Vec<u32> {
        let processes = fs::read_dir("/proc").expect("Linux");
        let pids = processes.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        pids.filter(|pid| held_by(*pid).is_some_and(|held| sessions.contains(&held)))
            .collect()
    }
}

/// The session that a process holds, where it is a shim.
fn held_by(pid: u32) -> Option<String> {
    let command = fs::read_to_string(format!("/proc/{pid}/cmdline")).ok()?;
    let mut words = command.split('\0').skip(1);
    (words.next()? == "shim").then_some(words.next()?.to_owned())
}

fn serve(home: &Path) -> Child {
    let mut command = Command::new(BINARY);
    command.args(["daemon", "serve"]).env("COVEN_HOME", home);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the daemon starts")
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let stopped = Command::new(BINARY)
            .args(["daemon", "stop", "--kill"])
            .env("COVEN_HOME", self.place.home())
            .stdout(Stdio::null())
            .status();
        if !stopped.is_ok_and(|status| status.success()) {
            eprintln!("the sessions of {} are left", self.place.home().display());
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
