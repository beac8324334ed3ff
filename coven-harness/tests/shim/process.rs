//! Processes that are looked at, stopped and ended from without.

use std::os::fd::OwnedFd;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};

use crate::support::{PATIENCE, within};

/// A process that may end, and may be no child of ours.
pub(crate) struct Process {
    pub(crate) pid: u32,
    raw: Pid,
    handle: OwnedFd,
}

impl Process {
    pub(crate) fn of(pid: u32) -> Self {
        let raw = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
        let handle = pidfd_open(raw, PidfdFlags::empty()).unwrap();
        Self { pid, raw, handle }
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

    /// Stops it; no thread of it runs any more when this is over.
    pub(crate) async fn stop(&self) {
        self.signal(Signal::STOP);
        self.until_stopped().await;
    }

    pub(crate) async fn until_stopped(&self) {
        within(async {
            while state(self.pid) != Some('T') {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }

    /// The pids of its children, reaped ones not among them.
    pub(crate) fn children(&self) -> Vec<String> {
        let list = format!("/proc/{0}/task/{0}/children", self.pid);
        let list = std::fs::read_to_string(list).unwrap();
        list.split_whitespace().map(str::to_owned).collect()
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
            // The end of some other child is a signal that may come to this thread.
            rustix::io::retry_on_intr(|| {
                poll(&mut [PollFd::new(&handle, PollFlags::IN)], Some(&patience))
            })
            .unwrap()
        });
        assert_eq!(ended.await.unwrap(), 1, "it does not end");
    }

    /// Waits until it is idle.
    pub(crate) async fn until_idle(&self) {
        let idle = async {
            while !self.is_idle() {
                tokio::task::yield_now().await;
            }
        };
        within(idle).await;
    }

    /// Whether it sleeps in a poll without a timer, as one does that has nothing to do.
    pub(crate) fn is_idle(&self) -> bool {
        self.polls().is_some_and(|timer| timer == "0x0")
    }

    /// Waits until it sleeps in a poll with a timer.
    pub(crate) async fn until_asleep(&self) {
        let asleep = async {
            while self.polls().is_none_or(|timer| timer == "0x0") {
                tokio::task::yield_now().await;
            }
        };
        within(asleep).await;
    }

    /// Where the timer of the poll is that it sleeps in.
    fn polls(&self) -> Option<String> {
        // On both, `ppoll` has its timer as the third argument.
        let ppoll = if cfg!(target_arch = "x86_64") {
            "271"
        } else {
            "73"
        };
        let call = std::fs::read_to_string(format!("/proc/{}/syscall", self.pid)).unwrap();
        let mut call = call.split_whitespace();
        (call.next() == Some(ppoll)).then(|| call.nth(2).map(str::to_owned))?
    }

    /// The leader of its session.
    pub(crate) fn session(&self) -> u32 {
        fields(self.pid).unwrap()[3].parse().unwrap()
    }

    /// How many files it has open.
    pub(crate) fn files(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.pid))
            .unwrap()
            .count()
    }

    /// Which number the next file would have that it opens.
    pub(crate) fn next_file(&self) -> u64 {
        let is_open = |number: &u64| {
            std::fs::symlink_metadata(format!("/proc/{}/fd/{number}", self.pid)).is_ok()
        };
        (0..).find(|number| !is_open(number)).unwrap()
    }

    /// Bytes of memory that it has for itself.
    pub(crate) fn private_bytes(&self) -> u64 {
        let rollup = std::fs::read_to_string(format!("/proc/{}/smaps_rollup", self.pid)).unwrap();
        let lines = rollup.lines().filter(|line| line.starts_with("Private_"));
        let kilobytes = lines.map(|line| {
            line.split_whitespace()
                .nth(1)
                .unwrap()
                .parse::<u64>()
                .unwrap()
        });
        kilobytes.sum::<u64>() << 10
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
