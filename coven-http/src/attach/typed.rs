//! What a viewer types.
//!
//! What a session does not take just now is kept, in order, and offered again. Once that is much, the
//! socket is not read on, so that the viewer waits too. Only two things are dropped: what a session
//! refuses for good, of which the viewer is told, and what it still has not taken [`LAST_OFFERS`]
//! after the viewer left. What a daemon that stops does not take is not refused: the viewer is told
//! that it stops, and one that has a key offers it to the next.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use coven::limits::MAX_INPUT_BYTES;
use coven::terminal::FromViewer as Keys;
use coven::{Code, InputId, TermSize};
use futures_util::StreamExt;
use futures_util::stream::SplitStream;
use hyper_tungstenite::HyperWebsocketStream;
use hyper_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use hyper_tungstenite::tungstenite::{Error as WsError, Message};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep_until, timeout};

use super::{Attached, Leaves, Named};
use crate::input_name;
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

/// What the viewer is told of what it typed.
pub(super) struct Tell {
    pub(super) controls: mpsc::Sender<FromDaemon>,
    /// How much was taken, to one that has a key.
    pub(super) taken: watch::Sender<u64>,
}

/// What is offered to the session at once.
struct Piece {
    bytes: Bytes,
    /// Of a viewer that has a key: what is taken with it, and its id.
    frame: Option<Frame>,
}

struct Frame {
    id: InputId,
    /// After its last byte, in all that was typed.
    end: u64,
}

/// What was typed and is not taken yet.
#[derive(Default)]
struct Untaken {
    pieces: VecDeque<Piece>,
    len_bytes: usize,
    /// When it is offered again, and after which pause.
    offer: Option<(Instant, Duration)>,
}

/// A viewer's hands.
struct Hands<'a> {
    attached: &'a Attached,
    tell: Tell,
    keys: Keys,
    /// Of all that a viewer with a key typed, how much has come.
    typed_bytes: u64,
    untaken: Untaken,
    /// When the sequence that is held back was a key.
    escape_at: Option<Instant>,
}

/// Passes on what the viewer types until it leaves or vanishes.
pub(super) async fn run(
    attached: &Attached,
    tell: Tell,
    leave: oneshot::Sender<Leaves>,
    stream: &mut SplitStream<HyperWebsocketStream>,
) {
    let mut hands = Hands::new(attached, tell);
    let leaves = hands.pass_on(stream).await;
    // What was typed before was typed to arrive.
    let _ = timeout(LAST_OFFERS, hands.offer_the_rest()).await;
    if let Some(leaves) = leaves {
        let _ = leave.send(leaves);
        // The showing half closes the socket; this half must not end before it.
        hands.tell.controls.closed().await;
    }
}

impl Untaken {
    /// Keeps it in pieces that a session can take: what was held back and a whole message together
    /// are more than one input may be.
    fn push(&mut self, mut bytes: Bytes) {
        self.len_bytes += bytes.len();
        while !bytes.is_empty() {
            let bytes = bytes.split_to(bytes.len().min(MAX_INPUT_BYTES));
            self.pieces.push_back(Piece { bytes, frame: None });
        }
    }

    /// Keeps what was in one message of a viewer that has a key: never more than one input may be.
    fn push_frame(&mut self, bytes: Bytes, frame: Frame) {
        self.len_bytes += bytes.len();
        let frame = Some(frame);
        self.pieces.push_back(Piece { bytes, frame });
    }

    fn pop(&mut self) -> Option<Frame> {
        self.offer = None;
        let Piece { bytes, frame } = self.pieces.pop_front()?;
        self.len_bytes -= bytes.len();
        frame
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

impl<'a> Hands<'a> {
    fn new(attached: &'a Attached, tell: Tell) -> Self {
        Self {
            attached,
            tell,
            keys: Keys::new(),
            typed_bytes: attached.named.as_ref().map_or(0, |named| named.typed_bytes),
            untaken: Untaken::default(),
            escape_at: None,
        }
    }

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
        let Some(Named { key, .. }) = &self.attached.named else {
            let keys = self.keys.pass(bytes);
            self.escape_at = self.keys.holds().then(|| Instant::now() + ESCAPE_PAUSE);
            return self.input(keys).await;
        };
        let id = input_name::of_frame(&self.attached.id, key, self.typed_bytes);
        self.typed_bytes += bytes.len() as u64;
        // Nothing is held back beyond its message: what is typed under an id is the same each time.
        let mut keys = BytesMut::from(self.keys.pass(bytes));
        keys.extend_from_slice(&self.keys.flush());
        let end = self.typed_bytes;
        self.untaken.push_frame(keys.freeze(), Frame { id, end });
        if self.untaken.offer.is_none() {
            self.offer().await;
        }
    }

    async fn input(&mut self, bytes: Bytes) {
        self.untaken.push(bytes);
        if self.untaken.offer.is_none() {
            self.offer().await;
        }
    }

    /// Offers the session what it has not taken yet, until it takes no more just now.
    async fn offer(&mut self) {
        while let Some(piece) = self.untaken.pieces.front() {
            match self.give(piece).await {
                Ok(()) => {}
                Err(error) if self.passes(&error) => return self.untaken.put_off(),
                Err(error) => self.refuse(error.code(), &error.to_string()),
            }
            if let Some(Frame { end, .. }) = self.untaken.pop() {
                self.tell.taken.send_replace(end);
            }
        }
    }

    async fn give(&self, piece: &Piece) -> Result<(), coven::Error> {
        let attached = self.attached;
        if piece.bytes.is_empty() {
            // All of it was answers of the viewer's terminal.
            return Ok(());
        }
        let name = piece.frame.as_ref().map(|frame| frame.id);
        let (bytes, by) = (piece.bytes.clone(), attached.by.clone());
        attached.engine.input(&attached.id, bytes, name, by).await
    }

    /// Whether the same may be taken a little later, if not by this daemon then by the next: a viewer that comes
    /// again asks that for what this one has not said it took.
    fn passes(&self, error: &coven::Error) -> bool {
        let Attached { engine, named, .. } = self.attached;
        let is_unavailable = matches!(error, coven::Error::Unavailable { .. });
        is_unavailable || (named.is_some() && engine.health().shutting_down)
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
            reason: None,
        };
        let _ = self.tell.controls.try_send(error);
    }
}

async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use coven::{Actor, Engine, IdempotencyKey, Options, SessionId};

    use super::*;
    use crate::app::App;

    #[tokio::test]
    async fn what_is_typed_while_the_daemon_stops_is_neither_taken_nor_refused() {
        let dir = tempfile::tempdir().unwrap();
        let options = Options::at(dir.path().join("home"));
        let app = App::of_process(Engine::open(options).await.unwrap());
        app.engine.leave().await;
        let named = Named {
            key: IdempotencyKey::parse("viewer").unwrap(),
            typed_bytes: 0,
        };
        for named in [Some(named), None] {
            let attached = Attached {
                engine: app.engine.clone(),
                named,
                id: SessionId::parse("one").unwrap(),
                by: Actor {
                    uid: 0,
                    pid: None,
                    client: None,
                },
                stopping: app.stopping(),
                heartbeat: Duration::from_secs(1),
                permit: app.stream().unwrap(),
            };
            let (tell, mut controls) = mpsc::channel(1);
            let (take, taken) = watch::channel(0);
            let told = Tell {
                controls: tell,
                taken: take,
            };
            let mut hands = Hands::new(&attached, told);
            for text in ["a", "bc"] {
                hands.type_bytes(Bytes::from(text)).await;
            }
            hands.offer().await;
            assert!(!taken.has_changed().unwrap());
            assert!(controls.try_recv().is_err());
            assert_eq!(hands.untaken.len_bytes, 3);
        }
    }
}
