//! What a viewer types.
//!
//! What a session does not take just now is kept, in order, and offered again. Once that is much, the
//! socket is not read on, so that the viewer waits too. Only two things are dropped: what a session
//! refuses for good, of which the viewer is told, and what it still has not taken [`LAST_OFFERS`]
//! after the viewer left.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use coven::limits::MAX_INPUT_BYTES;
use coven::terminal::FromViewer as Keys;
use coven::{Code, TermSize, Unavailable};
use futures_util::StreamExt;
use futures_util::stream::SplitStream;
use hyper_tungstenite::HyperWebsocketStream;
use hyper_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use hyper_tungstenite::tungstenite::{Error as WsError, Message};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until, timeout};

use super::{Attached, Leaves};
use crate::limits;
use crate::wire::{FromDaemon, FromViewer};

/// How long the beginning of a sequence may wait for its end: after that it was a key, Escape.
const ESCAPE_PAUSE: Duration = Duration::from_millis(50);

/// How soon what was not taken is offered again at first; it doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(10);

/// How often what is not taken for long is offered again.
const LONGEST_PAUSE: Duration = Duration::from_millis(200);

/// How long what a viewer typed before it left is offered still. Then it is dropped.
const LAST_OFFERS: Duration = Duration::from_secs(2);

/// Frames that wait to be taken: a burst of keystrokes.
const MAX_UNTAKEN: usize = 1024;

/// What was typed and is not taken yet.
#[derive(Default)]
struct Untaken {
    pieces: VecDeque<Bytes>,
    len_bytes: usize,
    /// When it is offered again, and after which pause.
    offer: Option<(Instant, Duration)>,
}

/// A viewer's hands.
struct Hands<'a> {
    attached: &'a Attached,
    tell: mpsc::Sender<FromDaemon>,
    keys: Keys,
    untaken: Untaken,
    /// When the sequence that is held back was a key.
    escape_at: Option<Instant>,
}

/// Passes on what the viewer types until it leaves or vanishes.
pub(super) async fn run(
    attached: &Attached,
    tell: mpsc::Sender<FromDaemon>,
    leave: oneshot::Sender<Leaves>,
    stream: &mut SplitStream<HyperWebsocketStream>,
) {
    let mut hands = Hands {
        attached,
        tell,
        keys: Keys::new(),
        untaken: Untaken::default(),
        escape_at: None,
    };
    let leaves = hands.pass_on(stream).await;
    // What was typed before was typed to arrive.
    let _ = timeout(LAST_OFFERS, hands.offer_the_rest()).await;
    if let Some(leaves) = leaves {
        let _ = leave.send(leaves);
        // The showing half closes the socket; this half must not end before it.
        hands.tell.closed().await;
    }
}

impl Untaken {
    /// Keeps it in pieces that a session can take: what was held back and a whole message together
    /// are more than one input may be.
    fn push(&mut self, mut bytes: Bytes) {
        self.len_bytes += bytes.len();
        while !bytes.is_empty() {
            let piece = bytes.split_to(bytes.len().min(MAX_INPUT_BYTES));
            self.pieces.push_back(piece);
        }
    }

    fn pop(&mut self) {
        let taken = self.pieces.pop_front();
        self.len_bytes -= taken.map_or(0, |bytes| bytes.len());
        self.offer = None;
    }

    fn put_off(&mut self) {
        let pause = self.offer.map_or(FIRST_PAUSE, |(_, pause)| pause * 2);
        let pause = pause.min(LONGEST_PAUSE);
        self.offer = Some((Instant::now() + pause, pause));
    }

    fn has_room(&self) -> bool {
        self.len_bytes < limits::MAX_VIEWER_BACKLOG_BYTES && self.pieces.len() < MAX_UNTAKEN
    }
}

impl Hands<'_> {
    /// Passes on what comes, until the viewer leaves, or (`None`) has vanished.
    async fn pass_on(&mut self, stream: &mut SplitStream<HyperWebsocketStream>) -> Option<Leaves> {
        loop {
            tokio::select! {
                message = stream.next(), if self.untaken.has_room() => match message {
                    Some(Ok(Message::Binary(bytes))) => self.type_bytes(bytes).await,
                    Some(Ok(Message::Text(text))) => {
                        if self.control(&text).await.is_break() {
                            return Some(Leaves::InOrder);
                        }
                    }
                    Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
                    Some(Err(WsError::Capacity(_))) => {
                        self.refuse(Code::InputTooLarge, "a frame is over the limit of 1 MiB");
                        return Some(Leaves::InOrder);
                    }
                    Some(Ok(Message::Close(_))) => return Some(Leaves::Closed),
                    Some(Err(WsError::Utf8(_))) => {
                        return Some(Leaves::Garbled { code: CloseCode::Invalid });
                    }
                    // A connection that breaks off is one too: then nobody hears the answer.
                    Some(Err(WsError::Protocol(_))) => {
                        return Some(Leaves::Garbled { code: CloseCode::Protocol });
                    }
                    Some(Err(_)) | None => return None,
                },
                () = at(self.escape_at) => {
                    let key = self.keys.flush();
                    self.escape_at = None;
                    self.input(key).await;
                }
                () = at(self.untaken.offer.map(|(at, _)| at)) => self.offer().await,
            }
        }
    }

    async fn type_bytes(&mut self, bytes: Bytes) {
        let keys = self.keys.pass(bytes);
        self.escape_at = self.keys.holds().then(|| Instant::now() + ESCAPE_PAUSE);
        self.input(keys).await;
    }

    async fn input(&mut self, bytes: Bytes) {
        self.untaken.push(bytes);
        if self.untaken.offer.is_none() {
            self.offer().await;
        }
    }

    /// Offers the session what it has not taken yet, until it takes no more just now.
    async fn offer(&mut self) {
        let Attached { engine, id, by, .. } = self.attached;
        while let Some(bytes) = self.untaken.pieces.front() {
            match engine.input(id, bytes.clone(), by.clone()).await {
                Ok(()) => self.untaken.pop(),
                Err(error) if passes(&error) => return self.untaken.put_off(),
                Err(error) => {
                    self.refuse(error.code(), &error.to_string());
                    self.untaken.pop();
                }
            }
        }
    }

    async fn offer_the_rest(&mut self) {
        while !self.untaken.pieces.is_empty() {
            at(self.untaken.offer.map(|(at, _)| at)).await;
            self.offer().await;
        }
    }

    async fn control(&mut self, text: &str) -> std::ops::ControlFlow<()> {
        match serde_json::from_str(text) {
            Ok(FromViewer::Resize { cols, rows }) => match TermSize::parse(cols, rows) {
                Ok(size) => self.resize(size).await,
                Err(refusal) => self.refuse(refusal.code(), &refusal.to_string()),
            },
            Ok(FromViewer::Redraw) => self.attached.engine.redraw(&self.attached.id).await,
            Ok(FromViewer::Detach) => return std::ops::ControlFlow::Break(()),
            Err(_) => self.refuse(Code::InvalidRequest, "the frame is not a control frame"),
        }
        std::ops::ControlFlow::Continue(())
    }

    async fn resize(&mut self, size: TermSize) {
        let Attached { engine, id, by, .. } = self.attached;
        if let Err(error) = engine.resize(id, size, by.clone()).await {
            self.refuse(error.code(), &error.to_string());
        }
    }

    /// Tells the viewer what was refused, unless it does not read.
    fn refuse(&self, code: Code, message: &str) {
        let error = FromDaemon::Error {
            code: code.as_str().to_owned(),
            message: message.to_owned(),
        };
        let _ = self.tell.try_send(error);
    }
}

/// Whether the same input may be taken a little later.
fn passes(error: &coven::Error) -> bool {
    match error {
        coven::Error::Unavailable { reason } => *reason != Unavailable::ShuttingDown,
        _ => false,
    }
}

async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => std::future::pending().await,
    }
}
