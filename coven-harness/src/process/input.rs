//! Writing to a process.

use std::io;

use tokio::io::AsyncWriteExt;

/// What a process reads: its terminal, or its stdin pipe. Dropping it closes that pipe; a
/// terminal stays as it is.
#[derive(Debug)]
pub struct Input {
    sink: Sink,
}

#[derive(Debug)]
enum Sink {
    Terminal(pty_process::OwnedWritePty),
    Pipe(tokio::process::ChildStdin),
}

impl Input {
    pub(super) fn terminal(writer: pty_process::OwnedWritePty) -> Self {
        Self {
            sink: Sink::Terminal(writer),
        }
    }

    pub(super) fn pipe(stdin: tokio::process::ChildStdin) -> Self {
        Self {
            sink: Sink::Pipe(stdin),
        }
    }

    /// Writes all of `bytes`, as they are. Two calls are never joined into one write.
    ///
    /// It waits while the process does not read: the kernel holds about 4 KiB for a terminal and
    /// 64 KiB for a pipe. A terminal in canonical mode keeps 4,095 bytes of a line and drops the
    /// rest of it, as it does for people. Cancelled, it may have written a part.
    ///
    /// # Errors
    /// `BrokenPipe`: nobody reads the pipe any more. A terminal takes what is written after its
    /// last process has ended, and it goes nowhere.
    pub async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.sink {
            Sink::Terminal(writer) => writer.write_all(bytes).await,
            Sink::Pipe(stdin) => stdin.write_all(bytes).await,
        }
    }
}
