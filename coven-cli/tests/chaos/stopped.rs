//! A process that stands still.

use std::fs;

use rustix::process::{Pid, Signal, kill_process};

use crate::home::eventually;

/// A process of ours that is stopped, until this is dropped.
pub(crate) struct Stopped(Pid);

impl Stopped {
    /// Stops it, and waits until it stands still.
    pub(crate) fn process(pid: u64) -> Self {
        let process = Pid::from_raw(i32::try_from(pid).expect("an id")).expect("an id");
        kill_process(process, Signal::STOP).expect("it runs");
        let stopped = Self(process);
        eventually("it stands still", || (state(pid) == 'T').then_some(()));
        stopped
    }

    pub(crate) fn goes_on(self) {}
}

impl Drop for Stopped {
    fn drop(&mut self) {
        // One that was ended meanwhile is gone.
        let _ = kill_process(self.0, Signal::CONT);
    }
}

/// What the system says that a process's first thread does: `R` that it runs, `S` that it waits.
pub(crate) fn state(pid: u64) -> char {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("it runs");
    let after_name = stat.rsplit(')').next().expect("it has a name");
    after_name.trim_start().chars().next().expect("a state")
}
