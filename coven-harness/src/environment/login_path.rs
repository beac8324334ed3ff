//! The PATH a person has in a new login shell.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::time::Duration;

use rustix::process::Rlimit;

use super::Environment;
use crate::process::Question;

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
/// `open_files` is its limit of open files:
/// [`open_files_limit`](crate::process::open_files_limit), asked before this program raised its own.
/// The shell has no terminal. It is killed, with all of its process group, when time is up or the
/// future is dropped. Needs a tokio runtime.
pub async fn login_path(environment: &Environment, open_files: Rlimit) -> Option<OsString> {
    login_path_within(environment, open_files, LIMIT).await
}

async fn login_path_within(
    environment: &Environment,
    open_files: Rlimit,
    limit: Duration,
) -> Option<OsString> {
    let shell = environment
        .get("SHELL")
        .map_or_else(|| PathBuf::from("/bin/sh"), PathBuf::from);
    let mut question =
        Question::ask(shell, &["-l", "-i", "-c", SCRIPT], environment, open_files).ok()?;
    let path = tokio::time::timeout(limit, read_path(&mut question));
    let path = path.await.ok().flatten()?;
    // A shell that has answered ends by itself, and what its start-up files put into the
    // background is theirs.
    question.leave();
    Some(path)
}

/// Reads until the marks are complete: a background job may hold the pipe open for ever.
async fn read_path(shell: &mut Question) -> Option<OsString> {
    let mut said = Vec::new();
    while said.len() <= MAX_OUTPUT_BYTES {
        said.extend_from_slice(&shell.heard().await?);
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
    use std::path::Path;
    use std::process::Command;

    use tokio::io::AsyncReadExt;
    use tokio::net::unix::pipe;

    use super::*;
    use crate::process::open_files_limit;

    async fn asked(environment: &Environment) -> Option<OsString> {
        login_path(environment, open_files_limit()).await
    }

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
        let path = asked(&person(home.path(), profile)).await.unwrap();
        assert!(
            path.to_str().unwrap().starts_with("/from/profile:"),
            "{path:?}"
        );
    }

    #[tokio::test]
    async fn there_is_none_from_a_shell_that_fails_or_is_missing() {
        let home = tempfile::tempdir().unwrap();
        assert_eq!(asked(&shell(home.path(), "exit 1")).await, None);
        let missing = [("SHELL", "/no/such/shell")].into_iter().collect();
        assert_eq!(asked(&missing).await, None);
    }

    #[tokio::test]
    async fn a_shell_that_takes_too_long_is_killed_with_what_it_started() {
        let hanging = Hanging::new();
        let path = login_path_within(&hanging.environment, open_files_limit(), SOON).await;
        assert_eq!(path, None);
        hanging.ends().await;
    }

    #[tokio::test]
    async fn a_shell_that_nobody_waits_for_any_more_is_killed() {
        let hanging = Hanging::new();
        let asked = login_path_within(&hanging.environment, open_files_limit(), PATIENCE);
        assert!(tokio::time::timeout(SOON, asked).await.is_err());
        hanging.ends().await;
    }

    const SOON: Duration = Duration::from_millis(300);
    const PATIENCE: Duration = Duration::from_secs(60);

    /// A shell that does not answer, and another process that it starts. Both hold a pipe open.
    struct Hanging {
        environment: Environment,
        gate: pipe::Receiver,
        /// Without a writer of ours, a pipe that the two never opened would not tell its end.
        held: pipe::Sender,
        _home: tempfile::TempDir,
    }

    impl Hanging {
        fn new() -> Self {
            let home = tempfile::tempdir().unwrap();
            let path = home.path().join("gate");
            let made = Command::new("mkfifo").arg(&path).status();
            assert!(made.unwrap().success());
            let script = format!("exec 9<> {}; sleep 600 & sleep 601", path.display());
            let environment = shell(home.path(), &script);
            Self {
                environment,
                gate: pipe::OpenOptions::new().open_receiver(&path).unwrap(),
                held: pipe::OpenOptions::new().open_sender(&path).unwrap(),
                _home: home,
            }
        }

        /// While one of the two lives, the gate has a writer and no end.
        async fn ends(mut self) {
            drop(self.held);
            let mut nothing = [0];
            let end = tokio::time::timeout(PATIENCE, self.gate.read(&mut nothing)).await;
            assert_eq!(end.expect("they live").unwrap(), 0);
        }
    }
}
