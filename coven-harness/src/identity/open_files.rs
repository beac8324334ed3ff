//! Finding a conversation's id among the files a harness holds open.

use std::collections::VecDeque;

use coven_core::{ConversationId, ProcessFacts};

use super::OpenFileMark;
use crate::platform;
use crate::process::is_running;

/// How many processes are looked at: a harness and a wrapper or two, not all its tools.
const MAX_PROCESSES: usize = 64;

/// How many open files of one process are looked at.
const MAX_FILES: usize = 1024;

/// Looks through the open files of `process` and its descendants, and gives what `mark` recognises
/// in the one nearest to it: the harness itself or, where that is only a wrapper, the child it
/// runs; not another agent that it started as a tool. Nothing is found once `process` has ended:
/// its id may be another's by then.
///
/// Blocks for some looks at `/proc`, of the order of a millisecond. Processes that end meanwhile,
/// or belong to somebody else, are passed over.
pub fn find_open(process: &ProcessFacts, mark: OpenFileMark) -> Option<ConversationId> {
    let mut waiting = VecDeque::from([process.pid]);
    for _ in 0..MAX_PROCESSES {
        let pid = waiting.pop_front()?;
        let files: Vec<_> = platform::open_files(pid).take(MAX_FILES).collect();
        if let Some(id) = mark(&files) {
            return is_running(process).then_some(id);
        }
        waiting.extend(platform::children(pid));
    }
    None
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::path::{Path, PathBuf};
    use std::process::{Command, Stdio};

    use super::*;
    use crate::process::facts;

    fn named(files: &[PathBuf]) -> Option<ConversationId> {
        let name = files
            .iter()
            .find_map(|file| file.to_str()?.strip_suffix(".thread"));
        ConversationId::parse("identity", Path::new(name?).file_name()?.to_str()?).ok()
    }

    #[test]
    fn the_file_that_a_wrappers_child_holds_open_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("my-thread.thread");
        // A shell that runs a shell that holds the file, until its stdin ends.
        let script = r#"sh -c 'exec 3>"$0"; echo; read line' "$1"; true"#;
        let mut wrapper = Command::new("/bin/sh")
            .args(["-c", script, "sh", file.to_str().unwrap()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut output = BufReader::new(wrapper.stdout.take().unwrap());
        output.read_line(&mut line).unwrap();

        let facts = facts::of(wrapper.id()).unwrap();
        assert_eq!(find_open(&facts, named).unwrap().as_str(), "my-thread");
        let start_time = facts.start_time + 1;
        let another = ProcessFacts {
            start_time,
            ..facts.clone()
        };
        assert_eq!(find_open(&another, named), None, "its id is another's");

        drop(wrapper.stdin.take());
        wrapper.wait().unwrap();
        assert_eq!(find_open(&facts, named), None);
    }
}
