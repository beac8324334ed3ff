//! A daemon on a home of its own, gone when it is dropped.

use std::fs;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{http, leftovers};

/// A shell that runs the first argument's script on the prompt, which is a file or a number.
const MANIFESTS: [(&str, &str); 3] = [
    ("idle", "exec sleep \\\"$0\\\""),
    ("flood-cooked", "exec cat \\\"$0\\\""),
    ("flood-raw", "stty raw -echo; exec cat \\\"$0\\\""),
];

/// More than a healthy daemon takes to start or to stop.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Home {
    daemon: Child,
    socket: PathBuf,
    folder: TempDir,
}

impl Home {
    /// Starts a daemon and waits until it answers.
    pub(crate) fn open() -> Self {
        let folder = match std::env::var_os("COVEN_BENCH_DIR") {
            Some(parent) => TempDir::new_in(parent),
            None => TempDir::new(),
        }
        .expect("a folder");
        let home = folder.path().join("home");
        fs::create_dir_all(home.join("harnesses")).expect("a home");
        fs::create_dir(folder.path().join("project")).expect("a project");
        for (id, script) in MANIFESTS {
            let manifest = format!(
                "id = \"{id}\"\nexecutable = \"/bin/sh\"\ninstall_hint = \"it is there\"\n\
                 [interactive]\nargs = [\"-c\", \"{script}\", \"{{prompt}}\"]\n",
            );
            fs::write(home.join("harnesses").join(format!("{id}.toml")), manifest)
                .expect("written");
        }
        let daemon = Command::new(binary())
            .args(["daemon", "serve"])
            .env("COVEN_HOME", &home)
            .envs([leftovers::mark()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the daemon starts");
        let socket = home.join("coven.sock");
        let answers = until(PATIENCE, || UnixStream::connect(&socket).ok());
        assert!(answers.is_some(), "the daemon does not answer");
        Self {
            daemon,
            socket,
            folder,
        }
    }

    pub(crate) fn socket(&self) -> &Path {
        &self.socket
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.daemon.id()
    }

    /// Launches, and returns with the record of a session that runs.
    pub(crate) fn launch(&self, harness: &str, prompt: &str) -> Value {
        let body = json!({
            "projectRoot": self.folder.path().join("project"),
            "harness": harness,
            "prompt": prompt,
        });
        http::json(&self.socket, "POST", "/api/v1/sessions", Some(&body))
    }

    pub(crate) fn record(&self, id: &str) -> Value {
        http::json(&self.socket, "GET", &format!("/api/v1/sessions/{id}"), None)
    }

    /// Waits until a session has ended, and gives its record.
    pub(crate) fn ended(&self, id: &str) -> Value {
        until(Duration::MAX, || {
            let record = self.record(id);
            (!record["ended_at"].is_null()).then_some(record)
        })
        .expect("it waits for ever")
    }

    pub(crate) fn kill(&self, id: &str) {
        http::json(
            &self.socket,
            "POST",
            &format!("/api/v1/sessions/{id}/kill"),
            None,
        );
        self.ended(id);
    }
}

fn binary() -> String {
    std::env::var("COVEN_BIN").expect("COVEN_BIN names the binary of coven")
}

impl Drop for Home {
    /// Has the daemon stop, and end its sessions, which would outlive it; and makes it after a while.
    fn drop(&mut self) {
        let _ = Command::new(binary())
            .args(["daemon", "stop", "--kill"])
            .env("COVEN_HOME", self.folder.path().join("home"))
            .stdout(Stdio::null())
            .status();
        if until(PATIENCE, || self.daemon.try_wait().ok().flatten()).is_none() {
            let _ = self.daemon.kill();
            let _ = self.daemon.wait();
        }
    }
}

/// What is looked for, if it comes within `patience`.
///
/// It looks every 5 ms: a thread that was woken instead, or a stream that was read, would take
/// part in what is measured.
fn until<T>(patience: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let started = Instant::now();
    loop {
        match look() {
            None if started.elapsed() < patience => std::thread::sleep(Duration::from_millis(5)),
            found => return found,
        }
    }
}
