//! What a viewer types, kept until the daemon says that it was taken.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use coven::limits::MAX_INPUT_BYTES;
use tokio::sync::Notify;

use crate::client::attach::AttachWriter;

/// Typed bytes that may wait to be taken: far over any paste.
const MOST_WAITING_BYTES: usize = 64 << 20;

/// What the viewer types. Nothing of this waits for the daemon.
#[derive(Clone, Debug)]
pub struct ViewerWriter {
    typed: Arc<Typed>,
}

/// More is typed than may wait: the daemon takes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the daemon has not taken {MOST_WAITING_BYTES} bytes that were typed")]
pub struct TooMuchTyped;

/// What is to be told to the daemon.
#[derive(Debug)]
pub(super) struct Typed {
    /// What the viewer is called by, whatever connection it has.
    key: String,
    waiting: Mutex<Waiting>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    /// Bytes that were taken, of all that were typed.
    taken_bytes: u64,
    /// What was typed and is not known to be taken, as it was cut when it was sent first: it is sent
    /// again in the same pieces.
    pieces: VecDeque<Bytes>,
    len_bytes: usize,
    /// How many of the pieces were sent on this connection.
    sent: usize,
    /// The last one counts.
    size: Option<(u16, u16)>,
    redraw: bool,
    detach: Detach,
}

/// Whether the viewer leaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Detach {
    #[default]
    Stays,
    Leaves,
    /// And that was sent on this connection.
    Told,
}

/// What is to be sent next.
enum Next {
    Resize { cols: u16, rows: u16 },
    Redraw,
    Type { bytes: Bytes },
    Detach,
}

impl ViewerWriter {
    pub(super) const fn of(typed: Arc<Typed>) -> Self {
        Self { typed }
    }

    /// Types `bytes`, exactly: they arrive once, whatever happens to the connection. What is given
    /// here ends with a whole key.
    ///
    /// # Errors
    /// When 64 MiB wait already. Nothing of these is typed then.
    pub fn type_bytes(&self, mut bytes: Bytes) -> Result<(), TooMuchTyped> {
        let mut waiting = self.typed.waiting();
        if waiting.len_bytes + bytes.len() > MOST_WAITING_BYTES {
            return Err(TooMuchTyped);
        }
        waiting.len_bytes += bytes.len();
        while !bytes.is_empty() {
            let piece = bytes.split_to(bytes.len().min(MAX_INPUT_BYTES));
            waiting.pieces.push_back(piece);
        }
        self.typed.changed.notify_one();
        Ok(())
    }

    /// Tells the size of the viewer's window; the session's terminal takes it.
    pub fn resize(&self, cols: u16, rows: u16) {
        self.typed.waiting().size = Some((cols, rows));
        self.typed.changed.notify_one();
    }

    /// Has the session's program draw its screen anew.
    pub fn redraw(&self) {
        self.typed.waiting().redraw = true;
        self.typed.changed.notify_one();
    }

    /// Leaves, once all that was typed is sent. The session goes on; the reader gets
    /// [`FromDaemon::Detached`](crate::wire::FromDaemon::Detached) and then its end.
    pub fn detach(&self) {
        self.typed.waiting().detach = Detach::Leaves;
        self.typed.changed.notify_one();
    }

    /// Bytes that were typed and are not known to be taken.
    pub fn untaken_bytes(&self) -> usize {
        self.typed.waiting().len_bytes
    }
}

impl Default for Typed {
    fn default() -> Self {
        Self {
            key: tokio_tungstenite::tungstenite::handshake::client::generate_key(),
            waiting: Mutex::default(),
            changed: Notify::new(),
        }
    }
}

impl Typed {
    pub(super) fn key(&self) -> String {
        self.key.clone()
    }

    /// A connection begins: all that is not known to be taken is sent on it. Gives how much is.
    pub(super) fn begin(&self) -> u64 {
        let mut waiting = self.waiting();
        waiting.sent = 0;
        if waiting.detach == Detach::Told {
            waiting.detach = Detach::Leaves;
        }
        waiting.taken_bytes
    }

    /// The daemon has taken the first `bytes` of all that was typed.
    pub(super) fn taken(&self, bytes: u64) {
        let mut waiting = self.waiting();
        while let Some(piece) = waiting.pieces.front() {
            let len_bytes = piece.len();
            if waiting.taken_bytes + len_bytes as u64 > bytes {
                return;
            }
            waiting.taken_bytes += len_bytes as u64;
            waiting.len_bytes -= len_bytes;
            waiting.sent = waiting.sent.saturating_sub(1);
            waiting.pieces.pop_front();
        }
    }

    /// Sends what there is as it comes. Returns once the daemon has been told that the viewer
    /// leaves and its answer has been read, which is to say never: the reader ends first.
    pub(super) async fn send_on(&self, mut writer: AttachWriter) {
        loop {
            let sent = match self.next() {
                None => {
                    self.changed.notified().await;
                    continue;
                }
                Some(Next::Resize { cols, rows }) => writer.resize(cols, rows).await,
                Some(Next::Redraw) => writer.redraw().await,
                Some(Next::Type { bytes }) => writer.type_bytes(bytes).await,
                Some(Next::Detach) => writer.detach().await,
            };
            if sent.is_err() {
                return std::future::pending().await;
            }
        }
    }

    fn next(&self) -> Option<Next> {
        let mut waiting = self.waiting();
        if let Some((cols, rows)) = waiting.size.take() {
            return Some(Next::Resize { cols, rows });
        }
        if std::mem::take(&mut waiting.redraw) {
            return Some(Next::Redraw);
        }
        if let Some(bytes) = waiting.pieces.get(waiting.sent).cloned() {
            waiting.sent += 1;
            return Some(Next::Type { bytes });
        }
        if waiting.detach == Detach::Leaves {
            waiting.detach = Detach::Told;
            return Some(Next::Detach);
        }
        None
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(typed: &Typed) -> Vec<Bytes> {
        std::iter::from_fn(|| match typed.next() {
            Some(Next::Type { bytes }) => Some(bytes),
            _ => None,
        })
        .collect()
    }

    #[test]
    fn what_is_not_known_to_be_taken_is_sent_again_in_the_same_pieces() {
        let typed = Arc::new(Typed::default());
        let writer = ViewerWriter::of(Arc::clone(&typed));
        for text in ["ab", "c", "def"] {
            writer.type_bytes(Bytes::from(text)).unwrap();
        }
        assert_eq!(typed.begin(), 0);
        assert_eq!(sent(&typed), ["ab", "c", "def"]);
        typed.taken(2);
        // In the middle of a piece, which is a daemon's mistake: the piece counts as not taken.
        typed.taken(4);
        assert_eq!(writer.untaken_bytes(), 3);
        assert_eq!(typed.begin(), 3);
        assert_eq!(sent(&typed), ["def"]);
        writer.type_bytes(Bytes::from("g")).unwrap();
        assert_eq!(sent(&typed), ["g"]);
        typed.taken(7);
        assert_eq!((writer.untaken_bytes(), typed.begin()), (0, 7));
    }

    #[test]
    fn a_message_is_no_larger_than_one_input_may_be_and_what_waits_is_bounded() {
        let typed = Arc::new(Typed::default());
        let writer = ViewerWriter::of(Arc::clone(&typed));
        writer
            .type_bytes(Bytes::from(vec![b'x'; MOST_WAITING_BYTES]))
            .unwrap();
        assert_eq!(writer.type_bytes(Bytes::from("y")), Err(TooMuchTyped));
        assert!(
            sent(&typed)
                .iter()
                .all(|piece| piece.len() == MAX_INPUT_BYTES)
        );
    }
}
