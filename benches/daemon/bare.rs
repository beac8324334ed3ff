//! The limit: a process in a terminal, with nothing around it.

use std::io::{ErrorKind, Read};
use std::path::Path;
use std::process::Child;
use std::time::{Duration, Instant};

use pty_process::Size;
use pty_process::blocking::{Command, Pty};

/// Opens a terminal and starts a process in it: fork and exec, done when the exec is.
pub(crate) fn start(program: &str, args: &[&str]) -> (Pty, Child) {
    let (pty, pts) = pty_process::blocking::open().expect("a terminal");
    pty.resize(Size::new(24, 80)).expect("a size");
    let child = Command::new(program)
        .args(args)
        .spawn(pts)
        .expect("a process");
    (pty, child)
}

/// Reads all that a process writes and throws it away; how long that took, and how much it was.
pub(crate) fn drain(program: &str, script: &str, file: &Path) -> (Duration, u64) {
    let started = Instant::now();
    let file = file.to_str().expect("a path that is text");
    let (mut pty, mut child) = start(program, &["-c", script, file]);
    let mut total = drain_to_error(&mut pty);
    // The first EIO can come while the last bytes are still on their way through the terminal.
    child.wait().expect("its end");
    total += drain_to_error(&mut pty);
    (started.elapsed(), total)
}

fn drain_to_error(pty: &mut Pty) -> u64 {
    let mut buffer = vec![0; 64 * 1024];
    let mut total = 0;
    loop {
        match pty.read(&mut buffer) {
            Ok(0) => return total,
            Ok(read) => total += read as u64,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            // EIO: nobody has the other side open any more.
            Err(_) => return total,
        }
    }
}
