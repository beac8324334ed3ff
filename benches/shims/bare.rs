//! A terminal with nothing around it, in which what is typed comes back.

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use pty_process::blocking::{Command, Pty};
use std::process::Child;

pub(crate) struct Bare {
    terminal: Pty,
    child: Child,
}

impl Bare {
    pub(crate) fn open(script: &str, ready: &str) -> Self {
        let (terminal, pts) = pty_process::blocking::open().expect("a terminal");
        let child = Command::new("/bin/sh").args(["-c", script]).spawn(pts);
        let mut bare = Self {
            terminal,
            child: child.expect("it runs"),
        };
        let mut shown = Vec::new();
        while !shown.ends_with(ready.as_bytes()) {
            shown.push(bare.read());
        }
        bare
    }

    /// From a key until it is back.
    pub(crate) fn echo(&mut self, key: u8) -> Duration {
        let started = Instant::now();
        self.terminal.write_all(&[key]).expect("it is taken");
        while self.read() != key {}
        started.elapsed()
    }

    fn read(&mut self) -> u8 {
        let mut byte = [0];
        self.terminal.read_exact(&mut byte).expect("it is shown");
        byte[0]
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
