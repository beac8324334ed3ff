//! Learning how a process ended.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use coven_core::Exit;

/// Waits for one process, and for no other child of this program.
///
/// Until it has told of the end, it holds the process's terminal open at the process's side.
/// Dropped before, it leaves the process running; the runtime reaps it later.
#[derive(Debug)]
pub struct ExitWatch {
    child: tokio::process::Child,
    /// The process's end of its terminal: the output must not end while the process can open the
    /// terminal anew.
    terminal: Option<OwnedFd>,
}

impl ExitWatch {
    pub(super) fn new(child: tokio::process::Child, terminal: Option<OwnedFd>) -> Self {
        Self { child, terminal }
    }

    /// How the process ended, as soon as it has; its output may go on after that, and that of a
    /// terminal does not end before this is told. From then on its process id may belong to another
    /// process. Ask again and the answer is the same.
    ///
    /// # Errors
    /// Those of `waitid`, of which none is known to happen to a child of ours.
    pub async fn wait(&mut self) -> io::Result<Exit> {
        let ended = self.child.wait().await;
        self.terminal = None;
        Ok(exit(ended?))
    }
}

fn exit(status: ExitStatus) -> Exit {
    match (status.code(), status.signal()) {
        (Some(code), _) => Exit::Code { code },
        (None, Some(signal)) => Exit::Signal { signal },
        (None, None) => unreachable!("a process that ended has a code or a signal"),
    }
}
