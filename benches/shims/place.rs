//! A home, and a project for its sessions, on the disk that is measured.

use std::fs;
use std::path::{Path, PathBuf};

use coven_http::client::Client;
use coven_http::wire::{LaunchBody, SessionRecord};
use tempfile::TempDir;

/// An agent whose prompt is a script for a shell.
const SHELL: &str = r#"
id = "shell"
executable = "/bin/sh"
install_hint = "it is there"
[interactive]
args = ["-c", "{prompt}"]
"#;

pub(crate) struct Place(TempDir);

impl Place {
    pub(crate) fn new() -> Self {
        let folder = match std::env::var_os("COVEN_BENCH_DIR") {
            Some(parent) => TempDir::new_in(parent),
            None => TempDir::new(),
        };
        let place = Self(folder.expect("a folder"));
        fs::create_dir_all(place.home().join("harnesses")).expect("a home");
        fs::create_dir(place.path("project")).expect("a project");
        fs::write(place.home().join("harnesses/shell.toml"), SHELL).expect("written");
        place
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn home(&self) -> PathBuf {
        self.path("home")
    }

    /// Launches a script, and returns with the record of a session that runs.
    pub(crate) async fn launch(&self, client: &Client, script: &str) -> SessionRecord {
        let body = LaunchBody {
            project_root: Some(text(&self.path("project"))),
            harness: Some("shell".to_owned()),
            prompt: Some(script.to_owned()),
            ..LaunchBody::default()
        };
        client.launch(&body).await.expect("it runs")
    }
}

fn text(path: &Path) -> String {
    path.to_str().expect("a path that is text").to_owned()
}
