//! A daemon that dies on the way of the first session that it is asked for: this program again.

use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use coven::shim::Program;
use coven::{Engine, Hosting, OnTheWay, Options, Shims};
use coven_http::{ServeOptions, Server};
use rustix::process::{Signal, getpid, kill_process};

use crate::home::{Home, eventually};
use crate::leftovers;

/// In the environment of the daemon: its home, where it dies, and who holds its sessions.
const HOME: &str = "DYING_DAEMON_HOME";
const POINT: &str = "DYING_DAEMON_POINT";
const HOLDERS: &str = "DYING_DAEMON_HOLDERS";

/// It holds its sessions itself.
const ITSELF: &str = "itself";

pub(crate) struct DyingDaemon(Child);

impl DyingDaemon {
    /// One that serves a home, and dies at the point of this name (see `src/on_the_way.rs`).
    pub(crate) fn at(home: &Home, point: &str) -> Self {
        Self::holding_by(home, point, "shims")
    }

    /// One that holds its sessions itself: nobody knows whether one of which only the launch is on record ran.
    pub(crate) fn without_shims_at(home: &Home, point: &str) -> Self {
        Self::holding_by(home, point, ITSELF)
    }

    fn holding_by(home: &Home, point: &str, holders: &str) -> Self {
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["dying_daemon::serves_until_it_dies", "--exact", "--ignored"])
            .env(HOME, home.dir())
            .env(POINT, point)
            .env(HOLDERS, holders)
            .envs([leftovers::mark()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let socket = home.dir().join("coven.sock");
        eventually("a daemon", || UnixStream::connect(&socket).ok());
        Self(child)
    }

    /// Makes sure that it has died there.
    pub(crate) fn has_died(mut self) {
        let status = self.0.wait().unwrap();
        assert_eq!(status.signal(), Some(9), "{status}");
    }
}

#[test]
#[ignore = "it is no test, but the daemon that dies"]
fn serves_until_it_dies() {
    let (Some(home), Ok(point)) = (std::env::var_os(HOME), std::env::var(POINT)) else {
        return;
    };
    let mut options = Options::at(PathBuf::from(home));
    if std::env::var(HOLDERS).as_deref() != Ok(ITSELF) {
        options.hosting = Hosting::Shims(Shims::of(Program {
            path: env!("CARGO_BIN_EXE_coven").into(),
            ..Program::this()
        }));
    }
    options.on_the_way = OnTheWay::call(move |waypoint| {
        if format!("{waypoint:?}").starts_with(&point) {
            kill_process(getpid(), Signal::KILL).unwrap();
        }
    });
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let engine = Engine::open(options).await.unwrap();
        let server = Server::bind(engine, ServeOptions::default()).unwrap();
        let _ = server.run().await;
    });
}
