//! `ToDaemon`: what waits to be told to the daemon, so that nobody waits for the daemon.

use std::cell::Cell;

use bytes::Bytes;
use coven::TermSize;
use coven_http::client::AttachWriter;
use tokio::sync::{Notify, mpsc};

use crate::exit::Exit;
use crate::failure::Failure;

/// Typed bytes that may wait. The keys that leave come after them and must be heard, so what
/// comes before is taken however much the daemon lags behind: far over any paste.
const MOST_WAITING_BYTES: usize = 64 << 20;

/// The near end.
#[derive(Debug)]
pub(super) struct ToDaemon {
    /// Bounded by `waiting_bytes`.
    typed: mpsc::UnboundedSender<Bytes>,
    waiting_bytes: Cell<usize>,
    /// The last one counts: one that waits is enough.
    size: Notify,
    redraw: Notify,
    leave: Notify,
}

/// What was typed and is not sent yet.
pub(super) type Waiting = mpsc::UnboundedReceiver<Bytes>;

impl ToDaemon {
    /// Nothing to tell yet.
    pub(super) fn new() -> (Self, Waiting) {
        let (typed, waiting) = mpsc::unbounded_channel();
        let to_daemon = Self {
            typed,
            waiting_bytes: Cell::new(0),
            size: Notify::new(),
            redraw: Notify::new(),
            leave: Notify::new(),
        };
        (to_daemon, waiting)
    }

    /// Keys for the agent. Does not wait.
    ///
    /// # Errors
    /// When too many wait already.
    pub(super) fn type_bytes(&self, data: Vec<u8>) -> Result<(), Failure> {
        let waiting_bytes = self.waiting_bytes.get() + data.len();
        if waiting_bytes > MOST_WAITING_BYTES {
            return Err(Failure::new(
                Exit::Unreachable,
                format!(
                    "the daemon has not taken {MOST_WAITING_BYTES} bytes that were typed; see \
                     `coven daemon status`"
                ),
            ));
        }
        self.waiting_bytes.set(waiting_bytes);
        // Nobody sends any more: then the view is over, and that is told elsewhere.
        let _ = self.typed.send(Bytes::from(data));
        Ok(())
    }

    /// The window's size.
    pub(super) fn tell_size(&self) {
        self.size.notify_one();
    }

    /// That the agent draw its screen anew.
    pub(super) fn ask_for_redraw(&self) {
        self.redraw.notify_one();
    }

    /// That we leave, once all that was typed is sent.
    pub(super) fn leave(&self) {
        self.leave.notify_one();
    }

    /// Sends all this to `writer` as it comes; returns once the daemon has been told that we
    /// leave. A socket that cannot be written ends its reader too, and that is where it is told.
    pub(super) async fn send(
        &self,
        waiting: &mut Waiting,
        mut writer: AttachWriter,
        size: impl Fn() -> Option<TermSize>,
    ) {
        loop {
            let sent = tokio::select! {
                biased;
                () = self.size.notified() => match size() {
                    Some(size) => writer.resize(size.cols(), size.rows()).await,
                    None => Ok(()),
                },
                () = self.redraw.notified() => writer.redraw().await,
                Some(data) = waiting.recv() => {
                    self.waiting_bytes.update(|waiting| waiting - data.len());
                    writer.type_bytes(data).await
                }
                () = self.leave.notified() => {
                    let _ = writer.detach().await;
                    return;
                }
            };
            if sent.is_err() {
                return std::future::pending().await;
            }
        }
    }
}
