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
use rustix::termios::{InputModes, OptionalActions, Winsize, tcgetattr, tcsetattr, tcsetwinsize};

use crate::platform;

/// Both ends of a new pseudoterminal, of which no child inherits anything by accident.
pub(crate) struct Pair {
    /// Our end, for reading and writing.
    pub(crate) master: pty_process::Pty,
    /// Our end once more, for its size and modes.
    pub(crate) control: OwnedFd,
    /// The child's end.
    pub(crate) slave: pty_process::Pts,
    /// The child's end once more, to be kept until the child has ended, and no longer. Without it
    /// the terminal reads as ended at any moment in which no process has that end open; as long
    /// as it is there, the end of output never shows.
    pub(crate) hold: OwnedFd,
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
    let (master, slave) = platform::open_terminal()?;
    resize(&master, size)?;
    let mut modes = tcgetattr(&slave)?;
    modes.input_modes |= InputModes::IUTF8;
    tcsetattr(&slave, OptionalActions::Now, &modes)?;
    fcntl_setfl(&master, fcntl_getfl(&master)? | OFlags::NONBLOCK)?;
    let (control, hold) = (master.try_clone()?, slave.try_clone()?);
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
        hold,
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

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread;

    use super::*;

    const SPAWNERS: usize = 3;
    const SPAWNS_EACH: usize = 700;

    /// A leaked master keeps a terminal open for ever: the end of its output never comes, and
    /// hanging it up does not reach its processes.
    #[tokio::test]
    async fn children_spawned_meanwhile_by_other_threads_inherit_neither_end() {
        let done = AtomicBool::new(false);
        let runtime = tokio::runtime::Handle::current();
        let opened = thread::scope(|scope| {
            let opener = scope.spawn(|| {
                let _runtime = runtime.enter();
                let mut opened = 0;
                while !done.load(Ordering::Relaxed) {
                    drop(open(TermSize::DEFAULT).unwrap());
                    opened += 1;
                }
                opened
            });
            let spawner = || (0..SPAWNS_EACH).for_each(|_| assert_no_terminal_in_a_child());
            let spawners = [(); SPAWNERS].map(|()| scope.spawn(spawner));
            let results = spawners.map(thread::ScopedJoinHandle::join);
            done.store(true, Ordering::Relaxed);
            results.into_iter().for_each(|result| result.unwrap());
            opener.join().unwrap()
        });
        assert!(
            opened > SPAWNS_EACH,
            "only {opened} terminals were opened meanwhile"
        );
    }

    fn assert_no_terminal_in_a_child() {
        let mut list = Command::new("ls");
        list.args(["-l", "/proc/self/fd"])
            .stdin(Stdio::null())
            .stderr(Stdio::null());
        let files = String::from_utf8(list.output().unwrap().stdout).unwrap();
        assert!(
            !files.contains("/ptmx") && !files.contains("/pts"),
            "{files}"
        );
    }

    #[tokio::test]
    async fn a_new_terminal_is_cooked_has_its_size_and_erases_whole_characters() {
        let size = TermSize::parse(100, 30).unwrap();
        let pair = open(size).unwrap();
        let window = rustix::termios::tcgetwinsize(&pair.slave).unwrap();
        assert_eq!((window.ws_col, window.ws_row), (100, 30));
        let modes = tcgetattr(&pair.slave).unwrap();
        assert!(modes.input_modes.contains(InputModes::IUTF8));
        assert!(
            modes
                .local_modes
                .contains(rustix::termios::LocalModes::ICANON)
        );
    }
}
