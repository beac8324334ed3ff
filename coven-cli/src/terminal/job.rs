//! The job that we are part of, as a shell with job control sees it.

use std::io;

use rustix::process::{self, Signal};

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
    let Some(us) = Kin::of("self") else {
        return false;
    };
    let mut parent = us.parent();
    while let Some(kin) = &parent
        && kin.group == us.group
    {
        parent = kin.parent();
    }
    parent.is_some_and(|shell| shell.session == us.session)
}

/// Where a process stands among the others: `proc_pid_stat(5)`.
///
/// An id is 0 where it belongs to a process outside our PID namespace, as in a container. The
/// typed system calls have no value for that.
struct Kin {
    parent: i32,
    group: i32,
    session: i32,
}

impl Kin {
    /// None where there is no such process, or no `/proc`.
    fn of(process: &str) -> Option<Self> {
        let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
        // The name before it may hold anything, parentheses and blanks among it.
        let (_, after_name) = stat.rsplit_once(')')?;
        let mut ids = after_name
            .split_ascii_whitespace()
            .skip(1)
            .map_while(|id| id.parse().ok());
        Some(Self {
            parent: ids.next()?,
            group: ids.next()?,
            session: ids.next()?,
        })
    }

    fn parent(&self) -> Option<Self> {
        Self::of(&self.parent.to_string())
    }
}
