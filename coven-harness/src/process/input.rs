//! Writing to a process.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::AsyncWrite;

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
    /// It waits while the process does not read: the kernel holds some 22,000 bytes for a terminal, of
    /// which a process may read 4,095 at once, and 64 KiB for a pipe. A terminal in canonical mode keeps
    /// 4,095 bytes of a line and drops the rest of it, as it does for people. Cancelled, it may have
    /// written a part.
    ///
    /// # Errors
    /// `BrokenPipe`: nobody reads the pipe any more. A terminal takes what is written after its
    /// last process has ended, and it goes nowhere.
    pub async fn write(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let written = poll_fn(|cx| self.poll_write(cx, bytes)).await?;
            bytes = &bytes[written..];
        }
        Ok(())
    }

    /// Writes of `bytes`, which are some, what there is room for, by one write, and gives how many that
    /// is; at least one.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = match &mut self.sink {
            Sink::Terminal(writer) => Pin::new(writer).poll_write(cx, bytes),
            Sink::Pipe(stdin) => Pin::new(stdin).poll_write(cx, bytes),
        };
        match ready!(written)? {
            0 => Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
            written => Poll::Ready(Ok(written)),
        }
    }
}
