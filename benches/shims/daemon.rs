//! The built daemon, whose sessions are held by shims. When it is dropped, they are ended with it.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use coven_http::client::Client;

use crate::place::Place;

const BINARY: &str = env!("CARGO_BIN_EXE_coven");

/// More than a healthy daemon takes to start.
const PATIENCE: Duration = Duration::from_secs(60);

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

    /// Kills it, and starts the next: how long until that answers, and until it has a connection to so
    /// many shims.
    pub(crate) async fn kill_and_start(&mut self, sessions: usize) -> (Duration, Duration) {
        self.process.kill().expect("it is ours");
        self.process.wait().expect("it is ours");
        let started = Instant::now();
        self.process = serve(&self.place.home());
        self.answers().await;
        let serves = started.elapsed();
        while self.open_files("socket:") < sessions {
            assert!(started.elapsed() < PATIENCE, "they are not taken over");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        (serves, started.elapsed())
    }

    /// How many of its open files are of a kind, by how the system names them.
    pub(crate) fn open_files(&self, kind: &str) -> usize {
        let files = fs::read_dir(format!("/proc/{}/fd", self.pid())).expect("it runs");
        let names = files.filter_map(|file| fs::read_link(file.ok()?.path()).ok());
        names
            .filter(|name| name.to_string_lossy().starts_with(kind))
            .count()
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
