//! Pseudoterminals, and what a child does between fork and exec.
//!
//! The only file of Coven with unsafe code: pty-process takes descriptors of ours only through
//! unsafe constructors, and whatever runs between fork and exec is unsafe by nature. Each block
//! says why it is sound.

#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use coven_core::TermSize;
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::process::{Resource, Rlimit};
use rustix::pty::{OpenptFlags, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{InputModes, OptionalActions, Winsize, tcgetattr, tcsetattr, tcsetwinsize};

/// Both ends of a new pseudoterminal, of which no child inherits anything by accident.
pub(crate) struct Pair {
    /// Our end, for reading and writing.
    pub(crate) master: pty_process::Pty,
    /// Our end once more, for its size and modes.
    pub(crate) control: OwnedFd,
    /// The child's end. It must be gone from this process when the child runs, or the end of
    /// output never shows.
    pub(crate) slave: pty_process::Pts,
}

/// What a child gets back that this process may have changed for itself.
#[derive(Clone, Copy)]
pub(crate) struct Inherited {
    /// The limit of open files.
    pub(crate) open_files: Rlimit,
}

/// Opens a pseudoterminal of `size` in the kernel's default (cooked) mode, with UTF-8 erase.
///
/// Needs a tokio runtime. Every descriptor is close-on-exec from the moment it exists, so that a
/// child spawned meanwhile by another thread cannot keep this terminal open.
pub(crate) fn open(size: TermSize) -> io::Result<Pair> {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let master = openpt(flags)?;
    unlockpt(&master)?;
    let slave = ioctl_tiocgptpeer(&master, flags)?;
    resize(&master, size)?;
    let mut modes = tcgetattr(&slave)?;
    modes.input_modes |= InputModes::IUTF8;
    tcsetattr(&slave, OptionalActions::Now, &modes)?;
    fcntl_setfl(&master, fcntl_getfl(&master)? | OFlags::NONBLOCK)?;
    let control = master.try_clone()?;
    // SAFETY: `master` is open, owned by us, a pseudoterminal's master, and non-blocking;
    // `slave` is open, owned by us, and the other end of it. Both are given away here.
    let (master, slave) = unsafe {
        (
            pty_process::Pty::from_fd(master),
            pty_process::Pts::from_fd(slave),
        )
    };
    Ok(Pair {
        master: master.map_err(io_error)?,
        control,
        slave,
    })
}

/// Sets a terminal's size; its foreground processes get SIGWINCH if that changes it.
pub(crate) fn resize(terminal: impl AsFd, size: TermSize) -> io::Result<()> {
    let size = Winsize {
        ws_row: size.rows(),
        ws_col: size.cols(),
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    Ok(tcsetwinsize(terminal, size)?)
}

/// Spawns `command` in `directory` as the leader of a new session whose controlling terminal is
/// `slave`, which is also every standard stream that `command` does not set.
pub(crate) fn spawn_on_terminal(
    command: pty_process::Command,
    slave: pty_process::Pts,
    directory: OwnedFd,
    inherited: Inherited,
) -> io::Result<tokio::process::Child> {
    // SAFETY: `before_exec` keeps to async-signal-safe calls.
    let command = unsafe { command.pre_exec(move || before_exec(&directory, inherited)) };
    command.spawn(slave).map_err(io_error)
}

/// Spawns `command` in `directory` as the leader of a new session without a terminal.
pub(crate) fn spawn_without_terminal(
    mut command: tokio::process::Command,
    directory: OwnedFd,
    inherited: Inherited,
) -> io::Result<tokio::process::Child> {
    let set_up = move || {
        rustix::process::setsid()?;
        before_exec(&directory, inherited)
    };
    // SAFETY: `set_up` is one system call and `before_exec`, both async-signal-safe.
    unsafe { command.pre_exec(set_up) };
    command.spawn()
}

/// Runs in the child of a fork of a process with many threads: system calls only, no allocation,
/// no lock. The standard library has emptied the signal mask and restored SIGPIPE before.
fn before_exec(directory: &OwnedFd, inherited: Inherited) -> io::Result<()> {
    rustix::process::fchdir(directory)?;
    rustix::process::setrlimit(Resource::Nofile, inherited.open_files)?;
    // A daemon started with nohup, or from a script's background, ignores signals that an agent
    // must not: an ignored one stays ignored over exec.
    for signal in 1..=libc::SIGRTMAX() {
        // SAFETY: async-signal-safe, and no handler of ours is looked at again in this process.
        // It fails for SIGKILL, SIGSTOP and those the C library keeps, which is as it should be.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
    close_others_on_exec();
    Ok(())
}

/// Marks everything but the standard streams close-on-exec: whatever a library, or whoever
/// started this process, left open is not the agent's to have.
fn close_others_on_exec() {
    // SAFETY: one system call without pointers; it only sets flags, so that the pipe over which
    // a failed exec is reported stays open until then. Before Linux 5.11 it fails, and what we
    // open ourselves is close-on-exec anyway.
    unsafe {
        libc::syscall(
            libc::SYS_close_range,
            3,
            libc::c_uint::MAX,
            libc::CLOSE_RANGE_CLOEXEC,
        );
    }
}

fn io_error(error: pty_process::Error) -> io::Error {
    match error {
        pty_process::Error::Io(error) => error,
        pty_process::Error::Rustix(errno) => errno.into(),
        other => io::Error::other(other),
    }
}
