//! Reading what a process writes.

use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use coven_core::Channel;
use tokio::io::{AsyncRead, AsyncReadExt};

/// The most bytes one [`Output::read`] gives.
pub const MAX_READ_BYTES: usize = 64 * 1024;

/// A terminal seldom gives more at once (its own buffer is a page, less a byte).
const TERMINAL_READ_BYTES: usize = 4 * 1024;

/// All that a process and its descendants write: to the terminal, or to two pipes.
///
/// As long as nobody reads, the writers wait, after some 20 KB in a terminal and 64 KB in a pipe.
#[derive(Debug)]
pub struct Output {
    /// Those that have not ended; the first is asked first.
    sources: Vec<Source>,
}

struct Source {
    channel: Channel,
    reader: Box<dyn AsyncRead + Send + Sync + Unpin>,
    buffer: BytesMut,
}

impl Output {
    pub(super) fn terminal(reader: pty_process::OwnedReadPty) -> Self {
        Self {
            sources: vec![Source::new(Channel::Tty, reader)],
        }
    }

    pub(super) fn pipes(
        stdout: tokio::process::ChildStdout,
        stderr: tokio::process::ChildStderr,
    ) -> Self {
        let stdout = Source::new(Channel::Stdout, stdout);
        Self {
            sources: vec![stdout, Source::new(Channel::Stderr, stderr)],
        }
    }

    /// Waits for output and gives what there is, at most [`MAX_READ_BYTES`] of one channel and
    /// never none; `None` once no process can write any more. Between two pipes the order of
    /// writing is not known.
    ///
    /// Pipes may end before the process does, or long after it. A terminal ends once
    /// [`ExitWatch::wait`](super::ExitWatch::wait) has told of the process's end, or was dropped,
    /// and no process has the terminal open: so wait for both at once. Until then a process may
    /// let go of it and open it anew (`/dev/tty`); those that are left after that may not, and lost
    /// it as their controlling terminal anyway. Only a process with the right to hang up its own
    /// terminal (`vhangup`) can end it before.
    ///
    /// Cancelled, it has lost nothing.
    ///
    /// # Errors
    /// Those of `read`, of which none is known to happen to a terminal or a pipe; the end of a
    /// terminal (EIO) is no error here.
    pub async fn read(&mut self) -> io::Result<Option<(Channel, Bytes)>> {
        poll_fn(|cx| self.poll_read(cx)).await
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<(Channel, Bytes)>>> {
        let mut place = 0;
        while let Some(source) = self.sources.get_mut(place) {
            let channel = source.channel;
            match source.poll_read(cx)? {
                Poll::Ready(Some(bytes)) => {
                    // The others first next time, so that a flood on one cannot hide them.
                    self.sources[place..].rotate_left(1);
                    return Poll::Ready(Ok(Some((channel, bytes))));
                }
                Poll::Ready(None) => drop(self.sources.remove(place)),
                Poll::Pending => place += 1,
            }
        }
        if self.sources.is_empty() {
            Poll::Ready(Ok(None))
        } else {
            Poll::Pending
        }
    }
}

impl Source {
    fn new(channel: Channel, reader: impl AsyncRead + Send + Sync + Unpin + 'static) -> Self {
        Self {
            channel,
            reader: Box::new(reader),
            buffer: BytesMut::new(),
        }
    }

    /// One read. What is given away is a slice of the buffer: nothing is copied.
    ///
    /// Just one: the kernel moves the next bytes up while these are worked on. To ask for more
    /// at once is to find nothing yet, and to go to sleep, 15,000 times a second in a flood.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<Bytes>>> {
        if self.buffer.capacity() < TERMINAL_READ_BYTES {
            self.buffer.reserve(MAX_READ_BYTES);
        }
        let mut was_hung_up = false;
        loop {
            match ready!(pin!(self.reader.read_buf(&mut self.buffer)).poll(cx)) {
                Ok(1..) => return Poll::Ready(Ok(Some(self.buffer.split().freeze()))),
                Ok(0) => return Poll::Ready(Ok(None)),
                // What was written while this read looked may lie behind the first EIO.
                Err(error) if is_hangup(&error) && !was_hung_up => was_hung_up = true,
                Err(error) if is_hangup(&error) => return Poll::Ready(Ok(None)),
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

/// A terminal's master reads EIO while no process, this one included, has the other end open.
fn is_hangup(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::EIO)
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source")
            .field("channel", &self.channel)
            .finish_non_exhaustive()
    }
}
