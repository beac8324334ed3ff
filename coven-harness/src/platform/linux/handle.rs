//! `Handle`: a hold on one process, which no other can take the place of.

use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// A pidfd. It takes a file descriptor.
#[derive(Debug)]
pub(crate) struct Handle(OwnedFd);

/// Why there is none.
#[derive(Debug)]
pub(crate) enum NoHandle {
    /// There is no such process any more.
    Gone,
    /// There are too many open files or no memory, or the system gives none at all: a kernel before
    /// Linux 5.3, a sandbox that forbids it.
    Refused(io::Error),
}

impl Handle {
    /// Takes hold of the process that has this id now.
    pub(crate) fn open(pid: u32) -> Result<Self, NoHandle> {
        let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
        let pidfd = pidfd_open(pid.ok_or(NoHandle::Gone)?, PidfdFlags::empty());
        pidfd.map(Self).map_err(|errno| match errno {
            // INVAL: a thread of some process has the id by now.
            Errno::SRCH | Errno::INVAL => NoHandle::Gone,
            errno => NoHandle::Refused(errno.into()),
        })
    }

    /// Signals it. Fails if it has ended, or is another user's.
    pub(crate) fn signal(&self, signal: Signal) -> io::Result<()> {
        Ok(pidfd_send_signal(&self.0, signal)?)
    }

    /// Waits until it has ended, reaped or not, within a tokio runtime.
    pub(crate) async fn ended(self) -> io::Result<()> {
        #[expect(
            deprecated,
            reason = "sound for what owns its descriptor, and free of unsafe code"
        )]
        let pidfd = AsyncFd::with_interest(self.0, Interest::READABLE)?;
        pidfd.readable().await.map(drop)
    }
}

/// Waits, at most as long as `timeout`, for one of these processes to end, and says of each
/// whether it has: reaped or not.
pub(crate) fn until_one_ended<'a>(
    processes: impl Iterator<Item = &'a Handle>,
    timeout: Duration,
) -> io::Result<Vec<bool>> {
    let mut fds: Vec<PollFd<'_>> = processes
        .map(|process| PollFd::new(&process.0, PollFlags::IN))
        .collect();
    let timeout = Timespec::try_from(timeout).map_err(io::Error::other)?;
    match poll(&mut fds, Some(&timeout)) {
        Ok(_) | Err(Errno::INTR) => {}
        Err(errno) => return Err(errno.into()),
    }
    Ok(fds.iter().map(|fd| !fd.revents().is_empty()).collect())
}
