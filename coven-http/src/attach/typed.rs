//! What a viewer types.

use std::time::Duration;

use bytes::Bytes;
use coven::terminal::FromViewer as Keys;
use coven::{Code, TermSize};
use futures_util::StreamExt;
use futures_util::stream::SplitStream;
use hyper_tungstenite::HyperWebsocketStream;
use hyper_tungstenite::tungstenite::{Error as WsError, Message};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::{Attached, Note, REDRAW_PAUSE, other_size};
use crate::wire::{FromDaemon, FromViewer};

/// How long the beginning of a sequence may wait for its end: after that it was a key, Escape.
const ESCAPE_PAUSE: Duration = Duration::from_millis(50);

/// A viewer's hands.
struct Hands<'a> {
    attached: &'a Attached,
    notes: mpsc::Sender<Note>,
    keys: Keys,
    /// When the sequence that is held back was a key.
    escape_at: Option<Instant>,
    /// When the terminal gets its size back, and which.
    redraw_at: Option<(Instant, TermSize)>,
}

/// Forces a redraw, then passes on what the viewer types until it leaves or vanishes.
pub(super) async fn run(
    attached: &Attached,
    redraw: Option<TermSize>,
    notes: mpsc::Sender<Note>,
    stream: &mut SplitStream<HyperWebsocketStream>,
) {
    let mut hands = Hands {
        attached,
        notes,
        keys: Keys::new(),
        escape_at: None,
        redraw_at: None,
    };
    if let Some(size) = redraw {
        hands.begin_redraw(size).await;
    }
    loop {
        tokio::select! {
            message = stream.next() => match message {
                Some(Ok(Message::Binary(bytes))) => hands.type_bytes(bytes).await,
                Some(Ok(Message::Text(text))) => {
                    if hands.control(&text).await.is_break() {
                        return hands.until_told().await;
                    }
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
                Some(Err(WsError::Capacity(_))) => {
                    hands.refuse(Code::InputTooLarge, "a frame is over the limit of 1 MiB");
                    let _ = hands.notes.send(Note::Leave).await;
                    return hands.until_told().await;
                }
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
            },
            () = at(hands.escape_at) => {
                let key = hands.keys.flush();
                hands.escape_at = None;
                hands.input(key).await;
            }
            () = at(hands.redraw_at.map(|(at, _)| at)) => hands.finish_redraw().await,
        }
    }
}

impl Hands<'_> {
    async fn type_bytes(&mut self, bytes: Bytes) {
        let keys = self.keys.pass(bytes);
        self.escape_at = self.keys.holds().then(|| Instant::now() + ESCAPE_PAUSE);
        self.input(keys).await;
    }

    async fn input(&mut self, bytes: Bytes) {
        if bytes.is_empty() {
            return;
        }
        let Attached { engine, id, by, .. } = self.attached;
        if let Err(error) = engine.input(id, bytes, by.clone()).await {
            self.refuse(error.code(), &error.to_string());
        }
    }

    async fn control(&mut self, text: &str) -> std::ops::ControlFlow<()> {
        match serde_json::from_str(text) {
            Ok(FromViewer::Resize { cols, rows }) => match TermSize::parse(cols, rows) {
                Ok(size) => {
                    self.redraw_at = None;
                    self.resize(size).await;
                }
                Err(refusal) => self.refuse(refusal.code(), &refusal.to_string()),
            },
            Ok(FromViewer::Detach) => {
                let _ = self.notes.send(Note::Leave).await;
                return std::ops::ControlFlow::Break(());
            }
            Err(_) => self.refuse(Code::InvalidRequest, "the frame is not a control frame"),
        }
        std::ops::ControlFlow::Continue(())
    }

    async fn begin_redraw(&mut self, size: TermSize) {
        let Attached { engine, id, by, .. } = self.attached;
        // A session without a terminal, or one that has just ended, draws nothing.
        if engine
            .resize(id, other_size(size), by.clone())
            .await
            .is_ok()
        {
            self.redraw_at = Some((Instant::now() + REDRAW_PAUSE, size));
        }
    }

    async fn finish_redraw(&mut self) {
        if let Some((_, size)) = self.redraw_at.take() {
            let Attached { engine, id, by, .. } = self.attached;
            let _ = engine.resize(id, size, by.clone()).await;
        }
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
        let _ = self.notes.try_send(Note::Tell(error));
    }

    /// The showing half closes the socket; this half must not end before it.
    async fn until_told(&self) {
        self.notes.closed().await;
    }
}

async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => std::future::pending().await,
    }
}
