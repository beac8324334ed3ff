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
    login_path_within(environment, LIMIT).await
}

async fn login_path_within(environment: &Environment, limit: Duration) -> Option<OsString> {
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
    let path = tokio::time::timeout(limit, read_path(&mut child))
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

#[cfg(test)]
mod tests {
    use std::fs;
    use std::process::Command;

    use super::*;

    /// The environment of a person whose shell is `/bin/sh` with this `.profile`.
    fn person(home: &Path, profile: &str) -> Environment {
        fs::write(home.join(".profile"), profile).unwrap();
        let home = home.to_str().unwrap();
        [
            ("HOME", home),
            ("SHELL", "/bin/sh"),
            ("PATH", "/usr/bin:/bin"),
        ]
        .into_iter()
        .collect()
    }

    /// Written by another process: a file that this one has open for writing cannot be executed.
    fn shell(home: &Path, script: &str) -> Environment {
        let path = home.join("shell");
        let make = r#"printf '#!/bin/sh\n%s\n' "$1" > "$0" && chmod 755 "$0""#;
        let made = Command::new("/bin/sh")
            .args(["-c", make])
            .arg(&path)
            .arg(script)
            .status();
        assert!(made.unwrap().success());
        let mut environment = person(home, "");
        environment.set("SHELL", path);
        environment
    }

    #[tokio::test]
    async fn it_is_what_the_start_up_files_make_of_it_whatever_else_they_print() {
        let home = tempfile::tempdir().unwrap();
        let profile = "echo welcome; echo oops >&2; PATH=/from/profile:$PATH; sleep 20 &";
        let path = login_path(&person(home.path(), profile)).await.unwrap();
        assert!(
            path.to_str().unwrap().starts_with("/from/profile:"),
            "{path:?}"
        );
    }

    #[tokio::test]
    async fn there_is_none_from_a_shell_that_fails_or_is_missing() {
        let home = tempfile::tempdir().unwrap();
        assert_eq!(login_path(&shell(home.path(), "exit 1")).await, None);
        let missing = [("SHELL", "/no/such/shell")].into_iter().collect();
        assert_eq!(login_path(&missing).await, None);
    }

    #[tokio::test]
    async fn a_shell_that_takes_too_long_is_killed_with_what_it_started() {
        let home = tempfile::tempdir().unwrap();
        let gate = home.path().join("gate");
        assert!(
            Command::new("mkfifo")
                .arg(&gate)
                .status()
                .unwrap()
                .success()
        );
        // While one of the two lives, the gate has a writer and no end.
        let script = format!("exec 9> {}; sleep 600 & sleep 601", gate.display());
        let environment = shell(home.path(), &script);
        let hung = tokio::task::spawn_blocking(move || fs::read(gate).unwrap());
        assert_eq!(
            login_path_within(&environment, Duration::from_millis(300)).await,
            None
        );
        let end = tokio::time::timeout(Duration::from_secs(60), hung).await;
        assert_eq!(end.expect("they live").unwrap(), b"");
    }
}
