//! Finding a conversation's id among the files a harness holds open.

use std::collections::VecDeque;
use std::fs;
use std::path::{Path, PathBuf};

use coven_core::ConversationId;

use super::OpenFileMark;

/// How many processes are looked at: a harness and a wrapper or two, not all its tools.
const MAX_PROCESSES: usize = 64;

/// How many open files of one process are looked at.
const MAX_FILES: usize = 1024;

/// Looks through the open files of process `pid` and its descendants, and gives what `mark`
/// recognises in the one nearest to `pid`: the harness itself or, where that is only a wrapper,
/// the child it runs; not another agent that it started as a tool.
///
/// Blocks for some looks at `/proc`, of the order of a millisecond. Processes that end meanwhile,
/// or belong to somebody else, are passed over.
pub fn find_open(pid: u32, mark: OpenFileMark) -> Option<ConversationId> {
    let mut waiting = VecDeque::from([pid]);
    for _ in 0..MAX_PROCESSES {
        let pid = waiting.pop_front()?;
        let process = PathBuf::from(format!("/proc/{pid}"));
        if let Some(id) = mark(&open_files(&process)) {
            return Some(id);
        }
        waiting.extend(children(&process));
    }
    None
}

fn open_files(process: &Path) -> Vec<PathBuf> {
    let links = fs::read_dir(process.join("fd")).into_iter().flatten();
    links
        .take(MAX_FILES)
        .filter_map(|link| fs::read_link(link.ok()?.path()).ok())
        .collect()
}

fn children(process: &Path) -> Vec<u32> {
    let threads = fs::read_dir(process.join("task")).into_iter().flatten();
    threads
        .filter_map(|thread| fs::read_to_string(thread.ok()?.path().join("children")).ok())
        .flat_map(|pids| {
            pids.split_ascii_whitespace()
                .filter_map(|pid| pid.parse().ok())
                .collect::<Vec<_>>()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::process::{Command, Stdio};

    use super::*;

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

        let found = find_open(wrapper.id(), named);
        assert_eq!(found.unwrap().as_str(), "my-thread");

        drop(wrapper.stdin.take());
        wrapper.wait().unwrap();
        assert_eq!(find_open(wrapper.id(), named), None);
    }
}
