//! A daemon that only says how it is: one of a version that does not exist, or one that is about
//! to end.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread::JoinHandle;

/// Answers requests on a home's socket.
pub(crate) struct FakeDaemon {
    socket: PathBuf,
    serving: JoinHandle<()>,
}

impl FakeDaemon {
    /// One of version `version`, without sessions.
    pub(crate) fn start(home: &Path, version: &str) -> Self {
        Self::serve(home, version, |connection, request| {
            let goes_on = !request.starts_with(b"STOP");
            if goes_on {
                let none = "{\"sessions\":[],\"next_cursor\":null}";
                answer(connection, "200 OK", none);
            }
            goes_on
        })
    }

    /// One whose log's writer is in `state`, for `last_error`.
    pub(crate) fn writing(home: &Path, state: &str, last_error: &str) -> Self {
        let health = health(env!("CARGO_PKG_VERSION"), &home.join("coven.sock"));
        let mut health: serde_json::Value = serde_json::from_str(&health).unwrap();
        health["eventWriter"]["state"] = state.into();
        health["eventWriter"]["lastError"] = last_error.into();
        Self::saying(home, health.to_string(), |_, request| {
            !request.starts_with(b"STOP")
        })
    }

    /// One that begins to end once it has said how it is: it refuses what is asked next, and is
    /// gone by the time that is known.
    pub(crate) fn leaving(home: &Path) -> Self {
        let socket = home.join("coven.sock");
        Self::serve(home, env!("CARGO_PKG_VERSION"), move |connection, _| {
            std::fs::remove_file(&socket).unwrap();
            let refusal = serde_json::json!({"error": {
                "code": "runtime_unavailable", "message": "the daemon is shutting down",
                "details": {"reason": "shutting_down"},
            }});
            answer(connection, "503 Service Unavailable", &refusal.to_string());
            false
        })
    }

    /// One that breaks off the first connection that somebody makes, as a daemon that is killed does, and
    /// leaves its socket.
    pub(crate) fn breaking_off(home: &Path) -> Self {
        let socket = home.join("coven.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        let serving = std::thread::spawn(move || {
            let connection = listener.accept().unwrap();
            drop(listener);
            drop(connection);
        });
        Self { socket, serving }
    }

    /// One that dies of the first launch: it takes it, and is gone without an answer.
    pub(crate) fn dying(home: &Path) -> Self {
        let socket = home.join("coven.sock");
        Self::serve(
            home,
            env!("CARGO_PKG_VERSION"),
            move |connection, request| {
                if request.starts_with(b"POST /api/v1/sessions ") {
                    std::fs::remove_file(&socket).unwrap();
                    return false;
                }
                let none = "{\"harnesses\":[]}";
                answer(connection, "200 OK", none);
                true
            },
        )
    }

    /// One that stands before the daemon of the home `real`, passes on what it is asked, and dies of the
    /// first request that is no `GET` of a path that ends in `path`, once that is answered: nobody hears
    /// the answer.
    /// From then on that daemon serves this home as well.
    pub(crate) fn losing_the_answer(home: &Path, real: &Path, path: &str) -> Self {
        let path = path.to_owned();
        let (socket, real) = (home.join("coven.sock"), real.join("coven.sock"));
        let version = env!("CARGO_PKG_VERSION");
        Self::serve(home, version, move |connection, request| {
            let mut daemon = UnixStream::connect(&real).unwrap();
            daemon.write_all(request).unwrap();
            let answered = read(&mut daemon);
            let mut words = request.split(|byte| *byte == b' ');
            let is_read = words.next() == Some(b"GET");
            if !is_read && words.next().unwrap().ends_with(path.as_bytes()) {
                std::fs::remove_file(&socket).unwrap();
                std::fs::hard_link(&real, &socket).unwrap();
                return false;
            }
            // Who asked may be gone.
            let _ = connection.write_all(&answered);
            true
        })
    }

    /// One that stands before the daemon of the home `real`, passes on what it is asked, and dies in the
    /// middle of its answer to the first request of a path that ends in `path`. From then on that daemon
    /// serves this home as well.
    pub(crate) fn cutting_the_answer(home: &Path, real: &Path, path: &'static str) -> Self {
        let (socket, real) = (home.join("coven.sock"), real.join("coven.sock"));
        let version = env!("CARGO_PKG_VERSION");
        Self::serve(home, version, move |connection, request| {
            let mut daemon = UnixStream::connect(&real).unwrap();
            daemon.write_all(request).unwrap();
            daemon.shutdown(Shutdown::Write).unwrap();
            let mut answered = Vec::new();
            daemon.read_to_end(&mut answered).unwrap();
            let asked = request.split(|byte| *byte == b' ').nth(1).unwrap();
            let is_cut = asked.ends_with(path.as_bytes());
            if is_cut {
                std::fs::remove_file(&socket).unwrap();
                std::fs::hard_link(&real, &socket).unwrap();
                answered.truncate(answered.len() / 2);
            }
            // Who asked may be gone.
            let _ = connection.write_all(&answered);
            !is_cut
        })
    }

    /// One that stands before the daemon of the home `real`, and passes on what it is asked, but for which sessions
    /// there are: who asks for that waits for ever. It is gone once that daemon was told to stop.
    pub(crate) fn listing_nothing(home: &Path, real: &Path) -> Self {
        let (socket, real) = (home.join("coven.sock"), real.join("coven.sock"));
        let listener = UnixListener::bind(&socket).unwrap();
        let serving = std::thread::spawn(move || {
            let mut unanswered = Vec::new();
            for connection in listener.incoming() {
                let mut connection = connection.unwrap();
                let request = read(&mut connection);
                if request.starts_with(b"GET /api/v1/sessions?") {
                    unanswered.push(connection);
                    continue;
                }
                let mut daemon = UnixStream::connect(&real).unwrap();
                daemon.write_all(&request).unwrap();
                // Who asked may be gone.
                let _ = connection.write_all(&read(&mut daemon));
                if request.starts_with(b"POST /api/v1/internal/lifecycle/shutdown ") {
                    return;
                }
            }
        });
        Self { socket, serving }
    }

    /// One that dies of the first thing that it is asked, whatever that is.
    pub(crate) fn dying_of_a_question(home: &Path) -> Self {
        let socket = home.join("coven.sock");
        // That of a daemon that died before.
        let _ = std::fs::remove_file(&socket);
        Self::serve(home, env!("CARGO_PKG_VERSION"), move |_, _| {
            std::fs::remove_file(&socket).unwrap();
            false
        })
    }

    /// One that stands before the daemon of the home `real`, and tells whatever is launched that the
    /// session `vain` is it, which never ran.
    pub(crate) fn launching_in_vain(home: &Path, real: &Path, vain: &str) -> Launching {
        let (real, vain) = (real.join("coven.sock"), vain.to_owned());
        let (tell, keys) = mpsc::channel();
        let daemon = Self::serve(
            home,
            env!("CARGO_PKG_VERSION"),
            move |connection, request| {
                if request.starts_with(b"STOP") {
                    return false;
                }
                let record = format!("GET /api/v1/sessions/{vain} HTTP/1.1\r\nhost: x\r\n\r\n");
                let is_launch = request.starts_with(b"POST /api/v1/sessions ");
                if is_launch {
                    tell.send(key(request)).unwrap();
                }
                let asked = if is_launch {
                    record.as_bytes()
                } else {
                    request
                };
                let mut daemon = UnixStream::connect(&real).unwrap();
                daemon.write_all(asked).unwrap();
                connection.write_all(&read(&mut daemon)).unwrap();
                true
            },
        );
        Launching { daemon, keys }
    }

    /// Says how it is, and leaves the rest to `other`, until that returns false.
    fn serve(
        home: &Path,
        version: &str,
        other: impl Fn(&mut UnixStream, &[u8]) -> bool + Send + 'static,
    ) -> Self {
        let health = health(version, &home.join("coven.sock"));
        Self::saying(home, health, other)
    }

    fn saying(
        home: &Path,
        health: String,
        other: impl Fn(&mut UnixStream, &[u8]) -> bool + Send + 'static,
    ) -> Self {
        let socket = home.join("coven.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        let serving = std::thread::spawn(move || {
            for connection in listener.incoming() {
                let mut connection = connection.unwrap();
                let request = read(&mut connection);
                let asks = |path: &[u8]| request.windows(path.len()).any(|part| part == path);
                if asks(b"/health") {
                    answer(&mut connection, "200 OK", &health);
                } else if asks(b"/api-version") {
                    let version = "{\"apiVersion\":\"v1\",\"supportedApiVersions\":[\"v1\"]}";
                    answer(&mut connection, "200 OK", version);
                } else if !other(&mut connection, &request) {
                    return;
                }
            }
        });
        Self { socket, serving }
    }

    /// Stops one that goes on.
    pub(crate) fn stop(self) {
        let mut last = UnixStream::connect(&self.socket).unwrap();
        last.write_all(b"STOP\r\n\r\n").unwrap();
        self.serving.join().unwrap();
        std::fs::remove_file(&self.socket).unwrap();
    }

    /// Waits for one that leaves.
    pub(crate) fn wait(self) {
        self.serving.join().unwrap();
    }
}

/// One that launches in vain, and under which keys it was asked to.
pub(crate) struct Launching {
    daemon: FakeDaemon,
    keys: mpsc::Receiver<String>,
}

impl Launching {
    /// Stops it; gives the keys.
    pub(crate) fn stop_and_tell(self) -> Vec<String> {
        self.daemon.stop();
        self.keys.iter().collect()
    }
}

/// The key in a request's head.
fn key(request: &[u8]) -> String {
    let text = String::from_utf8_lossy(request);
    let mut lines = text.lines();
    let key = lines.find_map(|line| line.strip_prefix("idempotency-key: "));
    key.expect("it has one").to_owned()
}

/// One request with its body; what came of it, where it ends too soon.
fn read(connection: &mut UnixStream) -> Vec<u8> {
    let mut request = Vec::new();
    let mut byte = [0];
    while !request.ends_with(b"\r\n\r\n") {
        if connection.read(&mut byte).unwrap_or(0) == 0 {
            return request;
        }
        request.push(byte[0]);
    }
    let head = String::from_utf8(request.clone()).unwrap().to_lowercase();
    let len = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; len.map_or(0, |len| len.parse().unwrap())];
    connection.read_exact(&mut body).unwrap();
    request.extend(body);
    request
}

fn answer(connection: &mut UnixStream, status: &str, body: &str) {
    let len = body.len();
    // Who asked may be gone.
    let _ = write!(
        connection,
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {len}\r\n\r\n{body}"
    );
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
