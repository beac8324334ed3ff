//! Processes that are looked at, stopped and ended from without.

use std::os::fd::OwnedFd;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};

use crate::support::PATIENCE;

/// A process that may end, and may be no child of ours.
pub(crate) struct Process {
    raw: Pid,
    handle: OwnedFd,
}

impl Process {
    pub(crate) fn of(pid: u32) -> Self {
        let raw = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
        let handle = pidfd_open(raw, PidfdFlags::empty()).unwrap();
        Self { raw, handle }
    }

    /// The process that has `word` among its arguments and is stopped, as soon as there is one.
    pub(crate) async fn stopped(word: &str) -> Self {
        loop {
            for entry in std::fs::read_dir("/proc").unwrap() {
                let name = entry.unwrap().file_name();
                let Some(pid) = name.to_str().and_then(|name| name.parse().ok()) else {
                    continue;
                };
                let line = std::fs::read_to_string(format!("/proc/{pid}/cmdline"));
                if line.is_ok_and(|line| line.contains(word)) && state(pid) == Some('T') {
                    return Self::of(pid);
                }
            }
            tokio::task::yield_now().await;
        }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.raw, signal).unwrap();
    }

    pub(crate) async fn kill(&self) {
        self.signal(Signal::KILL);
        self.until_ended().await;
    }

    /// Waits until it has ended, reaped or not.
    pub(crate) async fn until_ended(&self) {
        let handle = self.handle.try_clone().unwrap();
        let ended = tokio::task::spawn_blocking(move || {
            let patience = Timespec::try_from(PATIENCE).unwrap();
            poll(&mut [PollFd::new(&handle, PollFlags::IN)], Some(&patience)).unwrap()
        });
        assert_eq!(ended.await.unwrap(), 1, "it does not end");
    }
}

/// R, S, T and so on; none of who is gone.
fn state(pid: u32) -> Option<char> {
    fields(pid)?.first()?.chars().next()
}

/// What `/proc/PID/stat` says, from the state on.
fn fields(pid: u32) -> Option<Vec<String>> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, fields) = stat.rsplit_once(") ")?;
    Some(fields.split_whitespace().map(str::to_owned).collect())
}
