//! A terminal's size and modes, apart from its bytes.

use std::io;
use std::os::fd::OwnedFd;

use coven_core::TermSize;
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
        let modes = tcgetattr(&self.master)?.local_modes;
        Ok(modes.contains(LocalModes::ICANON) && !modes.contains(LocalModes::ECHO))
    }
}
