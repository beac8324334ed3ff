//! The PATH a person has in a new login shell.

use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{Mode, OFlags, open};
use rustix::process::{Pid, Signal, kill_process_group};

use super::Environment;
use crate::process::{self, Child, Spawn, Wiring};

/// How long the shell's start-up files may take.
const LIMIT: Duration = Duration::from_secs(3);

/// Prints the PATH between two marks, because start-up files print too. Every common shell
/// understands it, fish included.
const SCRIPT: &str = r#"printf '\n<coven-path>%s</coven-path>\n' "$PATH""#;
const MARKS: [&[u8]; 2] = [b"<coven-path>", b"</coven-path>"];

/// More output than this is not a PATH's.
const MAX_OUTPUT_BYTES: usize = 1 << 20;

/// The PATH of an interactive login shell (`SHELL`, else `/bin/sh`) started in `environment`:
/// version managers put the harnesses there. `None` when the shell fails, says nothing, or takes
/// longer than three seconds; then the caller's own PATH must do.
///
/// The shell has no terminal and is killed, with all of its process group, when time is up.
/// Needs a tokio runtime.
pub async fn login_path(environment: &Environment) -> Option<OsString> {
    let shell = environment
        .get("SHELL")
        .map_or_else(|| PathBuf::from("/bin/sh"), PathBuf::from);
    let mut child = process::spawn(Spawn {
        program: shell,
        args: ["-l", "-i", "-c", SCRIPT].map(OsString::from).to_vec(),
        environment: environment.clone(),
        directory: root()?,
        wiring: Wiring::Pipes,
        open_files: process::open_files_limit(),
    })
    .ok()?;
    child.input = None;
    let path = tokio::time::timeout(LIMIT, read_path(&mut child))
        .await
        .ok()
        .flatten();
    // The leader was never waited for, so the number is still its own. A shell that has answered
    // ends by itself, and what its start-up files put into the background is theirs.
    if path.is_none()
        && let Some(group) = i32::try_from(child.facts.pid).ok().and_then(Pid::from_raw)
    {
        let _ = kill_process_group(group, Signal::KILL);
    }
    path
}

fn root() -> Option<OwnedFd> {
    open(
        Path::new("/"),
        OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::PATH,
        Mode::empty(),
    )
    .ok()
}

/// Reads until the marks are complete: a background job may hold the pipe open for ever.
async fn read_path(child: &mut Child) -> Option<OsString> {
    let mut said = Vec::new();
    while said.len() <= MAX_OUTPUT_BYTES {
        let (_, bytes) = child.output.read().await.ok()??;
        said.extend_from_slice(&bytes);
        if let Some(path) = between_marks(&said) {
            return (!path.is_empty()).then(|| OsString::from_vec(path.to_vec()));
        }
    }
    None
}

fn between_marks(said: &[u8]) -> Option<&[u8]> {
    let find = |bytes: &[u8], mark: &[u8]| bytes.windows(mark.len()).position(|w| w == mark);
    let rest = &said[find(said, MARKS[0])? + MARKS[0].len()..];
    Some(&rest[..find(rest, MARKS[1])?])
}
