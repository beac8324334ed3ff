//! Real processes for the tests, run by `/bin/sh`.

#![allow(dead_code, unreachable_pub, unused_imports)] // each test file uses a part of it

#[path = "../../../tests/shared/leftovers.rs"]
mod leftovers;
#[path = "../../../tests/shared/noise.rs"]
mod noise;

use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use coven_core::{Channel, Exit, SessionId, TermSize};
use coven_harness::environment::Environment;
use coven_harness::process::{Child, Output, Spawn, Stdin, Wiring, open_files_limit, spawn};

pub(crate) use leftovers::mark;
pub use noise::noise;

/// Generous: it only bounds a test that has failed.
pub const PATIENCE: Duration = Duration::from_secs(60);

pub fn size(cols: i64, rows: i64) -> TermSize {
    TermSize::parse(cols, rows).unwrap()
}

pub fn in_terminal() -> Wiring {
    Wiring::Terminal {
        size: TermSize::DEFAULT,
    }
}

pub fn terminal_output(stdin: Stdin) -> Wiring {
    Wiring::TerminalOutput {
        size: size(80, 24),
        stdin,
    }
}

pub const SUCCESS: Exit = Exit::Code { code: 0 };

pub fn directory(path: impl AsRef<Path>) -> OwnedFd {
    std::fs::File::open(path).unwrap().into()
}

/// A session id of one test alone.
pub fn session() -> SessionId {
    SessionId::parse(&uuid::Uuid::new_v4().to_string()).unwrap()
}

/// `script` for `/bin/sh`, in the root directory, with `arguments` as `$1` and so on.
pub fn shell(script: &str, arguments: &[&str], wiring: Wiring) -> Spawn {
    shell_in(&session(), script, arguments, wiring)
}

pub fn shell_in(session: &SessionId, script: &str, arguments: &[&str], wiring: Wiring) -> Spawn {
    Spawn {
        program: PathBuf::from("/bin/sh"),
        args: ["-c", script, "sh"]
            .iter()
            .chain(arguments)
            .map(OsString::from)
            .collect(),
        environment: Environment::of_this_process().for_session(
            session,
            Path::new("/"),
            [leftovers::mark()],
        ),
        directory: directory("/"),
        wiring,
        open_files: open_files_limit(),
    }
}

pub fn run(script: &str, wiring: Wiring) -> Child {
    spawn(shell(script, &[], wiring)).unwrap()
}

/// Runs `script` to the end of its output and of itself.
pub async fn told(script: &str, wiring: Wiring) -> (String, Exit) {
    let mut child = run(script, wiring);
    let bytes = all(&mut child).await;
    (
        String::from_utf8_lossy(&bytes).into_owned(),
        exit(&mut child).await,
    )
}

pub async fn exit(child: &mut Child) -> Exit {
    within(child.exit.wait()).await.unwrap()
}

/// All output to its end, of whatever channel, and the end of the process itself.
pub async fn all(child: &mut Child) -> Vec<u8> {
    let Child { output, exit, .. } = child;
    let reading = async {
        let mut bytes = Vec::new();
        while let Some((_, more)) = within(output.read()).await.unwrap() {
            bytes.extend_from_slice(&more);
        }
        bytes
    };
    let (bytes, _) = tokio::join!(reading, async { within(exit.wait()).await.unwrap() });
    bytes
}

/// Reads until `text` has come, and gives all up to the end of that read.
pub async fn until(output: &mut Output, text: &str) -> String {
    let mut bytes = Vec::new();
    loop {
        let said = String::from_utf8_lossy(&bytes).into_owned();
        if said.contains(text) {
            return said;
        }
        let more = within(output.read()).await.unwrap();
        bytes.extend_from_slice(&more.unwrap_or_else(|| panic!("no {text:?} in {said:?}")).1);
    }
}

/// Output of one channel, to the end of all.
pub async fn by_channel(output: &mut Output) -> Vec<(Channel, Vec<u8>)> {
    let mut parts: Vec<(Channel, Vec<u8>)> = Vec::new();
    while let Some((channel, more)) = within(output.read()).await.unwrap() {
        match parts.iter_mut().find(|(of, _)| *of == channel) {
            Some((_, bytes)) => bytes.extend_from_slice(&more),
            None => parts.push((channel, more.to_vec())),
        }
    }
    parts
}

pub async fn within<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(PATIENCE, future)
        .await
        .expect("it takes far too long")
}
