//! Pseudoterminals, and what a child does between fork and exec.
//!
//! Nearly all unsafe code of Coven is here: pty-process takes descriptors of ours only through
//! unsafe constructors, whatever runs between fork and exec is unsafe by nature, and so are the
//! few calls by which a shim sets itself apart. Each block says why it is sound.

#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsFd, FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::Command;

use coven_core::TermSize;
use rustix::fs::{Mode, OFlags, fcntl_getfl, fcntl_setfl};
use rustix::process::{Resource, Rlimit};
use rustix::termios::{InputModes, OptionalActions, Winsize, tcgetattr, tcsetattr, tcsetwinsize};

use crate::platform;

/// Both ends of a new pseudoterminal, of which no child inherits anything by accident.
pub(crate) struct Pair {
    /// Our end, which does not block.
    pub(crate) master: OwnedFd,
    /// The child's end. A copy of it is to be kept until the child has ended, and no longer.
    /// Without it the terminal reads as ended at any moment in which no process has that end open;
    /// as long as it is there, the end of output never shows.
    pub(crate) slave: OwnedFd,
}

/// What a child gets back that this process may have changed for itself.
#[derive(Clone, Copy)]
pub(crate) struct Inherited {
    /// The limit of open files.
    pub(crate) open_files: Rlimit,
    /// Which rights new files do not get, where it is not what this process has.
    pub(crate) umask: Option<Mode>,
}

/// Opens a pseudoterminal of `size` in the kernel's default (cooked) mode, with UTF-8 erase.
///
/// Every descriptor is close-on-exec from the moment it exists, so that a child spawned meanwhile
/// by another thread cannot keep this terminal open.
pub(crate) fn open(size: TermSize) -> io::Result<Pair> {
    let (master, slave) = platform::open_terminal()?;
    resize(&master, size)?;
    let mut modes = tcgetattr(&slave)?;
    modes.input_modes |= InputModes::IUTF8;
    tcsetattr(&slave, OptionalActions::Now, &modes)?;
    fcntl_setfl(&master, fcntl_getfl(&master)? | OFlags::NONBLOCK)?;
    Ok(Pair { master, slave })
}

/// A terminal's master for a tokio runtime, in which this must be called. It does not block.
pub(crate) fn within_runtime(master: OwnedFd) -> io::Result<pty_process::Pty> {
    // SAFETY: `master` is open, owned by us, a pseudoterminal's master, and non-blocking. It is
    // given away here.
    let master = unsafe { pty_process::Pty::from_fd(master) };
    master.map_err(|error| match error {
        pty_process::Error::Io(error) => error,
        pty_process::Error::Rustix(errno) => errno.into(),
        other => io::Error::other(other),
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

/// Has `command` run in `directory` as the leader of a new session, whose controlling terminal is
/// `terminal`, if there is one. Its standard streams are the caller's to set.
pub(crate) fn lead_session(
    command: &mut Command,
    terminal: Option<OwnedFd>,
    directory: OwnedFd,
    inherited: Inherited,
) {
    let set_up = move || {
        rustix::process::setsid()?;
        if let Some(terminal) = &terminal {
            rustix::process::ioctl_tiocsctty(terminal)?;
        }
        before_exec(&directory, inherited)
    };
    // SAFETY: `set_up` is two system calls and `before_exec`, all async-signal-safe.
    unsafe { command.pre_exec(set_up) };
}

/// Runs in the child of a fork of a process with many threads: system calls only, no allocation,
/// no lock.
fn before_exec(directory: &OwnedFd, inherited: Inherited) -> io::Result<()> {
    rustix::process::fchdir(directory)?;
    rustix::process::setrlimit(Resource::Nofile, inherited.open_files)?;
    if let Some(umask) = inherited.umask {
        rustix::process::umask(umask);
    }
    // A daemon started with nohup, or from a script's background, ignores signals that an agent
    // must not: an ignored one stays ignored over exec.
    for signal in 1..=libc::SIGRTMAX() {
        // SAFETY: async-signal-safe, and no handler of ours is looked at again in this process.
        // It fails for SIGKILL, SIGSTOP and those the C library keeps, which is as it should be.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
    deliver_all_signals()?;
    close_others_on_exec();
    Ok(())
}

/// Blocks no signal: what a shim reads instead of having it delivered, and what was blocked where a daemon was
/// started, is blocked over exec, too.
fn deliver_all_signals() -> io::Result<()> {
    // SAFETY: both calls are async-signal-safe; the set is initialised before it is used, and outlives them.
    let changed = unsafe {
        let mut none = std::mem::zeroed::<libc::sigset_t>();
        libc::sigemptyset(&raw mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut())
    };
    match changed {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
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

/// Closes everything but the standard streams: what a careless starter left open is not to be kept
/// open for as long as this process lives. Only for the start of `main`, when nothing is open yet
/// that anybody would miss.
pub(crate) fn close_inherited() {
    // SAFETY: one system call without pointers. Nothing in this process owns a descriptor yet but
    // the standard streams. Before Linux 5.9 it fails, and what we open is close-on-exec anyway.
    unsafe { libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, 0) };
}

/// Ignores what ends a process when its terminal or its peer goes away, somebody presses keys or
/// sends what means nothing to it, or a limit is reached, which then shows as an error.
pub(crate) fn ignore_what_ends_others() {
    for signal in [
        libc::SIGHUP,
        libc::SIGINT,
        libc::SIGQUIT,
        libc::SIGPIPE,
        libc::SIGALRM,
        libc::SIGVTALRM,
        libc::SIGPROF,
        libc::SIGUSR1,
        libc::SIGUSR2,
        libc::SIGIO,
        libc::SIGPWR,
        libc::SIGXCPU,
        libc::SIGXFSZ,
    ] {
        // SAFETY: no handler is installed, and nothing relies on the one before.
        unsafe { libc::signal(signal, libc::SIG_IGN) };
    }
}

/// Has what this process writes beyond its limit of the size of a file fail (`EFBIG`), instead of ending the process
/// (SIGXFSZ). What it starts has the signal's own effect again. For the start of the `main` of a program that keeps a
/// log, which then takes no more and says why.
pub fn fail_beyond_file_size_limit() {
    extern "C" fn nothing(_signal: libc::c_int) {}
    // SAFETY: the handler does nothing, and nothing relies on the one before. Unlike a signal that is ignored, one
    // that is handled is not over exec.
    unsafe { libc::signal(libc::SIGXFSZ, nothing as *const () as libc::sighandler_t) };
}

/// What a signal says to a process with one thread that waits for descriptors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// Children have ended.
    Children,
    /// It is to end.
    End,
}

/// Signals that are read instead of delivered, by a process with one thread.
pub(crate) struct Signals(OwnedFd);

impl Signals {
    /// Watches for SIGCHLD and SIGTERM from here on.
    pub(crate) fn watched() -> io::Result<Self> {
        // SAFETY: the set is initialised before it is used, and lives longer than the calls that
        // read it; the descriptor is a new one that nobody else owns.
        unsafe {
            // Where it is ignored, the kernel forgets how children end.
            libc::signal(libc::SIGCHLD, libc::SIG_DFL);
            let mut set = std::mem::zeroed::<libc::sigset_t>();
            libc::sigemptyset(&raw mut set);
            libc::sigaddset(&raw mut set, libc::SIGCHLD);
            libc::sigaddset(&raw mut set, libc::SIGTERM);
            if libc::sigprocmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut()) != 0 {
                return Err(io::Error::last_os_error());
            }
            match libc::signalfd(-1, &raw const set, libc::SFD_NONBLOCK | libc::SFD_CLOEXEC) {
                -1 => Err(io::Error::last_os_error()),
                fd => Ok(Self(OwnedFd::from_raw_fd(fd))),
            }
        }
    }

    /// Where to wait for them.
    pub(crate) const fn fd(&self) -> &OwnedFd {
        &self.0
    }

    /// Those that have come, which are taken.
    pub(crate) fn take(&self) -> Vec<Told> {
        let mut told = Vec::new();
        let mut signal = [0; size_of::<libc::signalfd_siginfo>()];
        while let Ok(size) = rustix::io::read(&self.0, &mut signal[..])
            && size == signal.len()
        {
            // `ssi_signo`, its first field.
            let number = signal.first_chunk().copied().map(u32::from_ne_bytes);
            let is_end = number == u32::try_from(libc::SIGTERM).ok();
            told.push(if is_end { Told::End } else { Told::Children });
        }
        told
    }
}

#[cfg(test)]
mod tests {
    use std::process::Stdio;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread;

    use super::*;

    const SPAWNERS: usize = 3;
    const SPAWNS_EACH: usize = 700;

    /// A leaked master keeps a terminal open for ever: the end of its output never comes, and
    /// hanging it up does not reach its processes.
    #[test]
    fn children_spawned_meanwhile_by_other_threads_inherit_neither_end() {
        let done = AtomicBool::new(false);
        let opened = thread::scope(|scope| {
            let opener = scope.spawn(|| {
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

    #[test]
    fn a_new_terminal_is_cooked_has_its_size_and_erases_whole_characters() {
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
