//! The job that we are part of, as a shell with job control sees it.

use std::io;

use rustix::process::{self, Pid, Signal};

/// Stops our whole process group until its shell continues it; returns then. Does nothing where
/// no shell would continue it, as the system does with the stop signal of a terminal.
///
/// It is not that signal which is sent, since we catch it ourselves.
///
/// # Errors
/// When the signal cannot be sent.
pub(super) fn stop() -> io::Result<()> {
    if has_shell() {
        process::kill_current_process_group(Signal::STOP)?;
    }
    Ok(())
}

/// Whether our process group was started by a process of another group of our session: that is
/// the shell, or acts as one.
fn has_shell() -> bool {
    let group = process::getpgrp();
    let mut parent = process::getppid();
    while let Some(pid) = parent
        && process::getpgid(Some(pid)) == Ok(group)
    {
        parent = parent_of(pid);
    }
    parent.is_some_and(|pid| process::getsid(Some(pid)) == process::getsid(None))
}

fn parent_of(pid: Pid) -> Option<Pid> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name before it may hold anything, parentheses and blanks among it.
    let (_, after_name) = stat.rsplit_once(')')?;
    let parent = after_name.split_ascii_whitespace().nth(1)?;
    Pid::from_raw(parent.parse().ok()?)
}
