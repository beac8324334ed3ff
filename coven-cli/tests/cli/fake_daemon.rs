//! A daemon that only answers how it is, for versions that do not exist.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

/// Answers every request on the home's socket with the same health, as version `version`.
pub(crate) struct FakeDaemon {
    socket: PathBuf,
    serving: JoinHandle<()>,
}

impl FakeDaemon {
    pub(crate) fn start(home: &Path, version: &str) -> Self {
        let socket = home.join("coven.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        let health = health(version, &socket);
        let serving = std::thread::spawn(move || {
            for connection in listener.incoming() {
                if !answer(connection.unwrap(), &health) {
                    return;
                }
            }
        });
        Self { socket, serving }
    }

    pub(crate) fn stop(self) {
        let mut last = UnixStream::connect(&self.socket).unwrap();
        last.write_all(b"STOP\r\n\r\n").unwrap();
        self.serving.join().unwrap();
        std::fs::remove_file(&self.socket).unwrap();
    }
}

/// Answers one request; `false` when it is the one to stop.
fn answer(mut connection: UnixStream, health: &str) -> bool {
    let mut request = Vec::new();
    let mut byte = [0];
    while !request.ends_with(b"\r\n\r\n") {
        if connection.read(&mut byte).unwrap_or(0) == 0 {
            return true;
        }
        request.push(byte[0]);
    }
    if request.starts_with(b"STOP") {
        return false;
    }
    let asks = |path: &[u8]| request.windows(path.len()).any(|part| part == path);
    let body = if asks(b"/health") {
        health
    } else if asks(b"/api-version") {
        "{\"apiVersion\":\"v1\",\"supportedApiVersions\":[\"v1\"]}"
    } else {
        "{\"sessions\":[],\"next_cursor\":null}"
    };
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    connection
        .write_all(format!("{head}{body}").as_bytes())
        .is_ok()
}

fn health(version: &str, socket: &Path) -> String {
    serde_json::json!({
        "ok": true, "apiVersion": "coven.daemon.v1", "covenVersion": version, "capabilities": {},
        "daemon": {"pid": 1, "startedAt": "2026-01-01T00:00:00.000000000Z", "socket": socket},
        "eventWriter": {"state": "healthy", "queuedEvents": 0, "queuedBytes": 0,
            "capacityBytes": 1, "droppedOutputEvents": 0, "droppedOutputBytes": 0,
            "connectionOpens": 1, "transactions": 0, "committedEvents": 0}
    })
    .to_string()
}
