//! Breaking an answer off: all that was given before is with its reader by then.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::sync::Notify;

use crate::app::Stopping;
use crate::reply::ReplyBody;

/// Says each time that all was written which was given of an answer until then.
#[derive(Clone, Debug, Default)]
pub(crate) struct Written(Arc<Notify>);

impl Written {
    /// All of it was written.
    pub(crate) fn tell(&self) {
        self.0.notify_waiters();
    }
}

/// A body whose error reaches the connection, which drops what it holds then, once all that came before is
/// written; or the daemon stops, which waits for no reader.
pub(crate) struct BreaksOff {
    body: ReplyBody,
    written: Written,
    stopping: Stopping,
    broken: Option<Broken>,
}

/// Why a body breaks off, and what is waited for before that.
struct Broken {
    error: io::Error,
    until: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl BreaksOff {
    pub(crate) fn new(body: ReplyBody, written: Written, stopping: Stopping) -> Self {
        Self {
            body,
            written,
            stopping,
            broken: None,
        }
    }

    fn broken(&self, error: io::Error) -> Broken {
        // It hears of what is written from now on.
        let written = self.written.0.clone().notified_owned();
        let mut stopping = self.stopping.clone();
        let until = async move {
            tokio::select! {
                () = written => {}
                _ = stopping.wait() => {}
            }
        };
        Broken {
            error,
            until: Box::pin(until),
        }
    }
}

impl Body for BreaksOff {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let mut broken = match self.broken.take() {
            Some(broken) => broken,
            None => match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                Some(Err(error)) => self.broken(error),
                given => return Poll::Ready(given),
            },
        };
        match broken.until.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(Some(Err(broken.error))),
            Poll::Pending => {
                self.broken = Some(broken);
                Poll::Pending
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.broken.is_none() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl fmt::Debug for BreaksOff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BreaksOff").finish_non_exhaustive()
    }
}
