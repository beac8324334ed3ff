//! Learning how a process ended.

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use coven_core::Exit;

/// Waits for one process, and for no other child of this program.
///
/// Dropped before the end, it leaves the process running; the runtime reaps it later.
#[derive(Debug)]
pub struct ExitWatch {
    child: tokio::process::Child,
}

impl ExitWatch {
    pub(super) fn new(child: tokio::process::Child) -> Self {
        Self { child }
    }

    /// How the process ended, as soon as it has; its output may go on after that. From then on
    /// its process id may belong to another process. Ask again and the answer is the same.
    ///
    /// # Errors
    /// Those of `waitid`, of which none is known to happen to a child of ours.
    pub async fn wait(&mut self) -> io::Result<Exit> {
        Ok(exit(self.child.wait().await?))
    }
}

fn exit(status: ExitStatus) -> Exit {
    match (status.code(), status.signal()) {
        (Some(code), _) => Exit::Code { code },
        (None, Some(signal)) => Exit::Signal { signal },
        (None, None) => unreachable!("a process that ended has a code or a signal"),
    }
}
