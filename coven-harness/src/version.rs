//! Asking an executable for its version.

use std::path::Path;
use std::time::Duration;

use coven_core::Exit;
use rustix::process::Rlimit;

use crate::environment::Environment;
use crate::process::Question;

/// A program that takes longer does something else. Those on Node take up to a second.
const PATIENCE: Duration = Duration::from_secs(5);

/// A longer answer is none.
const MAX_ANSWER_BYTES: usize = 4096;

/// Characters of a version that are told.
const MAX_CHARS: usize = 80;

/// What `program --version` says of its version: the first word that starts with a digit, or else
/// the first line.
///
/// `program` is an absolute path, run in this environment, in the root directory and without
/// input; `open_files` is its limit of open files, as of
/// [`login_path`](crate::environment::login_path). `None` when it cannot be run, fails, or says nothing within 5 seconds; then it is killed
/// with the processes it started, as it is where the future is dropped. Must be called within a
/// tokio runtime.
pub async fn version(
    program: &Path,
    environment: &Environment,
    open_files: Rlimit,
) -> Option<String> {
    let arguments = &["--version"];
    let question = Question::ask(program.to_owned(), arguments, environment, open_files).ok()?;
    tokio::time::timeout(PATIENCE, answer(question))
        .await
        .ok()?
}

async fn answer(mut question: Question) -> Option<String> {
    let mut said = Vec::new();
    while let Some(bytes) = question.heard().await {
        said.extend_from_slice(&bytes);
        if said.len() > MAX_ANSWER_BYTES {
            return None;
        }
    }
    match question.ended().await? {
        Exit::Code { code: 0 } => told(&String::from_utf8_lossy(&said)),
        Exit::Code { .. } | Exit::Signal { .. } => None,
    }
}

fn told(answer: &str) -> Option<String> {
    let line = answer.lines().find(|line| !line.trim().is_empty())?;
    let starts_with_digit = |word: &&str| word.starts_with(|c: char| c.is_ascii_digit());
    let version = line.split_whitespace().find(starts_with_digit);
    let shown = version.unwrap_or(line).chars().filter(|c| !c.is_control());
    Some(shown.take(MAX_CHARS).collect())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;

    use super::*;
    use crate::platform::{Handle, until_one_ended};
    use crate::process::open_files_limit;

    struct Script(tempfile::TempDir);

    impl Script {
        /// Written by another process: a child that some other test forks meanwhile would hold a
        /// file of ours open for writing, and such a file cannot be executed.
        fn new(text: &str) -> Self {
            let script = Self(tempfile::tempdir().unwrap());
            let write = r#"printf '#!/bin/sh\n%s\n' "$1" > "$0" && chmod 700 "$0""#;
            let writer = std::process::Command::new("/bin/sh")
                .args(["-c", write])
                .arg(script.path())
                .arg(text)
                .status();
            assert!(writer.unwrap().success());
            script
        }

        fn path(&self) -> PathBuf {
            self.0.path().join("agent")
        }

        async fn version(&self) -> Option<String> {
            self.version_under(open_files_limit()).await
        }

        async fn version_under(&self, open_files: Rlimit) -> Option<String> {
            version(&self.path(), &Environment::of_this_process(), open_files).await
        }
    }

    #[tokio::test]
    async fn the_first_word_with_a_digit_is_the_version() {
        for (answer, expected) in [
            ("codex-cli 0.169.0", "0.169.0"),
            ("2.1.197 (Claude Code)", "2.1.197"),
            ("Agent nightly", "Agent nightly"),
        ] {
            let script = Script::new(&format!("[ \"$*\" = --version ] && echo '{answer}'"));
            assert_eq!(script.version().await.as_deref(), Some(expected));
        }
    }

    #[tokio::test]
    async fn a_program_that_fails_or_says_nothing_or_is_missing_has_none() {
        for script in ["echo 1.0; exit 1", "true", "echo 1.0; kill -9 $$"] {
            assert_eq!(Script::new(script).version().await, None, "{script}");
        }
        let environment = Environment::of_this_process();
        let missing = version(Path::new("/nonexistent"), &environment, open_files_limit());
        assert_eq!(missing.await, None);
    }

    #[tokio::test]
    async fn a_program_has_the_limit_of_open_files_it_is_given() {
        let few = Rlimit {
            current: Some(77),
            ..open_files_limit()
        };
        let script = Script::new("ulimit -n");
        assert_eq!(script.version_under(few).await.as_deref(), Some("77"));
    }

    #[tokio::test]
    async fn a_program_that_never_stops_talking_is_not_listened_to() {
        let script = Script::new("echo 1.2.3; exec cat /dev/zero");
        assert_eq!(script.version().await, None);
    }

    #[tokio::test]
    async fn a_program_that_hangs_is_killed_with_what_it_started() {
        let script = Script::new("sleep 1000 & echo $! >\"$0.pid\"; wait");
        assert_eq!(script.version().await, None);
        let pid = fs::read_to_string(script.0.path().join("agent.pid")).unwrap();
        // Gone already, or about to be.
        if let Ok(process) = Handle::open(pid.trim().parse().unwrap()) {
            let ended = || until_one_ended(std::iter::once(&process), Duration::from_secs(30));
            // A signal may interrupt the wait.
            assert!((0..3).any(|_| ended().unwrap()[0]));
        }
    }
}
