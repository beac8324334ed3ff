//! A terminal's size and modes, apart from its bytes.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use coven_core::TermSize;
use rustix::io::Errno;
use rustix::termios::{LocalModes, tcgetattr};

use crate::pty;

/// The terminal of a child: its size and modes. It keeps the terminal from being hung up.
#[derive(Debug)]
pub struct Terminal {
    master: OwnedFd,
}

impl Terminal {
    pub(super) fn new(master: OwnedFd) -> Self {
        Self { master }
    }

    /// Sets the size. The terminal's foreground processes get SIGWINCH if it is another one.
    ///
    /// # Errors
    /// Those of `TIOCSWINSZ`, of which none is known to happen to an open terminal.
    pub fn resize(&self, size: TermSize) -> io::Result<()> {
        pty::resize(&self.master, size)
    }

    /// Whether a line is being read without echo: somebody is asked for a password, and what is
    /// typed now must not be recorded.
    ///
    /// # Errors
    /// Those of reading the modes, of which none is known to happen to an open terminal.
    pub fn secret_entry(&self) -> io::Result<bool> {
        secret_entry(&self.master)
    }

    /// Types what a terminal answers to a process that is typed nothing else, if it listens: if
    /// the terminal neither echoes, which would put the answer into the output, nor waits for the
    /// end of a line, which no answer has. False where it does not listen, or has no room left; it
    /// waits for neither. `reply` is all typed or not at all, as far as it is under 4 KiB.
    ///
    /// Between the look at the modes and the typing the process may change them, and see an echo
    /// after all: programs that ask switch both off before, and on again after the answer.
    ///
    /// # Errors
    /// Those of reading the modes and of `write`, of which none is known to happen to an open
    /// terminal.
    pub fn answer(&self, reply: &[u8]) -> io::Result<bool> {
        answer(&self.master, reply)
    }
}

/// [`Terminal::secret_entry`] of this master.
pub(crate) fn secret_entry(master: impl AsFd) -> io::Result<bool> {
    let modes = tcgetattr(master)?.local_modes;
    Ok(modes.contains(LocalModes::ICANON) && !modes.contains(LocalModes::ECHO))
}

/// [`Terminal::answer`] by this master, which does not block.
pub(crate) fn answer(master: impl AsFd, reply: &[u8]) -> io::Result<bool> {
    let modes = tcgetattr(&master)?.local_modes;
    if modes.intersects(LocalModes::ICANON | LocalModes::ECHO) {
        return Ok(false);
    }
    match rustix::io::write(master, reply) {
        Ok(_) => Ok(true),
        Err(Errno::AGAIN | Errno::INTR) => Ok(false),
        Err(errno) => Err(errno.into()),
    }
}
