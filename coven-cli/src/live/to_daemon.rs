//! `ToDaemon`: what waits to be told to the daemon, so that nobody waits for the daemon.

use bytes::Bytes;
use coven::TermSize;
use coven_http::client::AttachWriter;
use tokio::sync::{Notify, mpsc};

/// Pieces of typing that may wait. A terminal gives up to 4 KiB at once, so a paste of 1 MiB;
/// whoever pastes more waits for the daemon.
const MOST_WAITING: usize = 256;

/// The near end.
#[derive(Debug)]
pub(super) struct ToDaemon {
    typed: mpsc::Sender<Bytes>,
    /// The last one counts: one that waits is enough.
    size: Notify,
    redraw: Notify,
    leave: Notify,
}

/// What was typed and is not sent yet.
pub(super) type Waiting = mpsc::Receiver<Bytes>;

impl ToDaemon {
    /// Nothing to tell yet.
    pub(super) fn new() -> (Self, Waiting) {
        let (typed, waiting) = mpsc::channel(MOST_WAITING);
        let to_daemon = Self {
            typed,
            size: Notify::new(),
            redraw: Notify::new(),
            leave: Notify::new(),
        };
        (to_daemon, waiting)
    }

    /// Keys for the agent. Waits only while very many wait.
    pub(super) async fn type_bytes(&self, data: Vec<u8>) {
        // Nobody sends any more: then the view is over, and that is told elsewhere.
        let _ = self.typed.send(Bytes::from(data)).await;
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
                Some(data) = waiting.recv() => writer.type_bytes(data).await,
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
