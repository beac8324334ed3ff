//! The sessions whose tasks run, and the way to them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use coven_core::{Actor, InputId, Labels, SessionId, TermSize, Title};
use tokio::sync::{mpsc, oneshot, watch};

use crate::attach::LiveView;
use crate::{Error, Record};

/// Requests that may wait for one session's task.
const MAILBOX_MESSAGES: usize = 64;

/// What is asked of a live session.
#[derive(Debug)]
pub(crate) enum Request {
    Input {
        data: Bytes,
        id: Option<InputId>,
    },
    Submit {
        text: String,
        id: Option<InputId>,
    },
    Resize {
        size: TermSize,
    },
    Kill,
    Edit {
        title: Option<Title>,
        labels: Option<Labels>,
    },
    Trim {
        offset: u64,
        len_bytes: u64,
        sha256: [u8; 32],
    },
}

/// A request, who asks, and where the answer goes. Dropped unanswered, it was not carried out:
/// the session ended before its turn.
#[derive(Debug)]
pub(crate) struct Ask {
    pub(crate) request: Request,
    pub(crate) by: Option<Actor>,
    pub(crate) reply: oneshot::Sender<Result<Record, Error>>,
}

/// What a session's task is told.
#[derive(Debug)]
pub(crate) enum Message {
    /// Carry this out.
    Ask(Ask),
    /// Show the terminal as it is on record now.
    View(oneshot::Sender<LiveView>),
    /// Have the program draw its screen anew.
    Redraw,
    /// The engine is leaving: kill what still lives by force, record its loss, and end.
    Abandon,
    /// The engine is leaving: let go of a session that a shim holds, which goes on.
    Leave,
}

/// The tasks of live sessions.
#[derive(Clone, Debug)]
pub(crate) struct Running {
    mailboxes: Arc<Mutex<HashMap<SessionId, mpsc::Sender<Message>>>>,
    count: watch::Sender<usize>,
}

impl Default for Running {
    fn default() -> Self {
        Self {
            mailboxes: Arc::default(),
            count: watch::Sender::new(0),
        }
    }
}

impl Running {
    /// Enters a session, until the given entry is dropped.
    pub(crate) fn enter(&self, session: SessionId) -> (Entry, mpsc::Receiver<Message>) {
        let (sender, mailbox) = mpsc::channel(MAILBOX_MESSAGES);
        let mut mailboxes = self.lock();
        mailboxes.insert(session.clone(), sender);
        self.count.send_replace(mailboxes.len());
        drop(mailboxes);
        let running = self.clone();
        (Entry { running, session }, mailbox)
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        *self.count.borrow()
    }

    pub(crate) fn ids(&self) -> Vec<SessionId> {
        self.lock().keys().cloned().collect()
    }

    /// Returns once there are none.
    pub(crate) async fn none_left(&self) {
        let mut count = self.count.subscribe();
        // The sender is `self`'s: it cannot be gone.
        let _ = count.wait_for(|count| *count == 0).await;
    }

    /// Tells a session's task; false when it has none, or has just ended.
    pub(crate) async fn tell(&self, id: &SessionId, message: Message) -> bool {
        let sender = self.lock().get(id).cloned();
        match sender {
            Some(sender) => sender.send(message).await.is_ok(),
            None => false,
        }
    }

    /// Asks a session's task; `None` when it has none, or it ended before the request's turn.
    pub(crate) async fn ask(
        &self,
        id: &SessionId,
        request: Request,
        by: Option<Actor>,
    ) -> Option<Result<Record, Error>> {
        let (reply, answer) = oneshot::channel();
        let ask = Ask { request, by, reply };
        self.tell(id, Message::Ask(ask)).await.then_some(())?;
        answer.await.ok()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SessionId, mpsc::Sender<Message>>> {
        self.mailboxes
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// A session's place among the running ones.
#[derive(Debug)]
pub(crate) struct Entry {
    running: Running,
    session: SessionId,
}

impl Drop for Entry {
    fn drop(&mut self) {
        let mut mailboxes = self.running.lock();
        mailboxes.remove(&self.session);
        self.running.count.send_replace(mailboxes.len());
    }
}
