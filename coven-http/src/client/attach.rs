//! Attaching to a session's terminal.

use bytes::Bytes;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use hyper::header;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error as WsError, Message};

use super::exchange::{Ask, Connection, IDEMPOTENCY_KEY};
use super::{Client, Error};
use crate::wire::{FromDaemon, FromViewer};

/// A message of the daemon may be the whole opening view.
const MAX_MESSAGE_BYTES: usize = 16 << 20;

type Socket = WebSocketStream<TokioIo<Upgraded>>;

/// An open attach: both halves, to be used from two tasks or one.
#[derive(Debug)]
pub struct Attach {
    /// What the session writes.
    pub reader: AttachReader,
    /// What the viewer types.
    pub writer: AttachWriter,
    /// Those of the answer.
    pub(super) headers: header::HeaderMap,
}

/// What the session writes.
pub struct AttachReader {
    stream: SplitStream<Socket>,
    _connection: Connection,
}

/// What the viewer types.
pub struct AttachWriter {
    sink: SplitSink<Socket, Message>,
}

/// One frame from the daemon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// Bytes for the viewer's terminal, as they are.
    Bytes(Bytes),
    /// Control. The first frame of all is [`FromDaemon::Hello`].
    Control(FromDaemon),
}

/// Where a viewer that has a key goes on.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) key: String,
    /// Bytes of all that it typed that come before what it will type.
    pub(super) typed_bytes: u64,
    /// The last place that it was told to be shown.
    pub(super) shown: Option<u64>,
}

impl Attach {
    pub(super) async fn open(client: &Client, id: &str) -> Result<Self, Error> {
        Self::ask(client, Ask::get(format!("/sessions/{id}/attach"))).await
    }

    pub(super) async fn open_at(client: &Client, id: &str, place: Place) -> Result<Self, Error> {
        let Place {
            key,
            typed_bytes,
            shown,
        } = place;
        let mut path = format!("/sessions/{id}/attach?typed={typed_bytes}");
        if let Some(seq) = shown {
            path.push_str(&format!("&afterSeq={seq}"));
        }
        Self::ask(client, Ask::get(path).header(IDEMPOTENCY_KEY, key)).await
    }

    async fn ask(client: &Client, ask: Ask) -> Result<Self, Error> {
        let ask = ask
            .header(header::CONNECTION, "Upgrade")
            .header(header::UPGRADE, "websocket")
            .header(header::SEC_WEBSOCKET_VERSION, "13")
            .header(header::SEC_WEBSOCKET_KEY, generate_key());
        let (response, connection) = client.open(ask).await?.into_upgrade();
        let headers = response.headers().clone();
        let upgraded = hyper::upgrade::on(response)
            .await
            .map_err(|error| Error::Broken {
                reason: error.to_string(),
            })?;
        let config = WebSocketConfig::default()
            .max_message_size(Some(MAX_MESSAGE_BYTES))
            .max_frame_size(Some(MAX_MESSAGE_BYTES));
        let socket =
            WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Client, Some(config))
                .await;
        let (sink, stream) = socket.split();
        Ok(Self {
            reader: AttachReader {
                stream,
                _connection: connection,
            },
            writer: AttachWriter { sink },
            headers,
        })
    }
}

impl AttachReader {
    /// The next frame; `None` when the socket is closed. Can be cancelled and called again.
    ///
    /// # Errors
    /// [`Error::Broken`]: attach again to go on.
    pub async fn next(&mut self) -> Result<Option<Frame>, Error> {
        loop {
            let message = match self.stream.next().await {
                None | Some(Err(WsError::ConnectionClosed | WsError::AlreadyClosed)) => {
                    return Ok(None);
                }
                Some(message) => message.map_err(broken)?,
            };
            match message {
                Message::Binary(bytes) => return Ok(Some(Frame::Bytes(bytes))),
                Message::Text(text) => {
                    // A control frame of a newer daemon is not ours to understand.
                    if let Ok(control) = serde_json::from_str(&text) {
                        return Ok(Some(Frame::Control(control)));
                    }
                }
                // The end of the stream comes after it; reading on answers it.
                Message::Close(_) => {}
                Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
            }
        }
    }
}

impl AttachWriter {
    /// Types `bytes`, exactly.
    ///
    /// # Errors
    /// [`Error::Broken`]: whether they arrived is not known.
    pub async fn type_bytes(&mut self, bytes: Bytes) -> Result<(), Error> {
        self.sink.send(Message::Binary(bytes)).await.map_err(broken)
    }

    /// Tells the size of the viewer's window; the session's terminal takes it.
    ///
    /// # Errors
    /// [`Error::Broken`].
    pub async fn resize(&mut self, cols: u16, rows: u16) -> Result<(), Error> {
        let resize = FromViewer::Resize {
            cols: cols.into(),
            rows: rows.into(),
        };
        self.control(&resize).await
    }

    /// Has the session's program draw its screen anew.
    ///
    /// # Errors
    /// [`Error::Broken`].
    pub async fn redraw(&mut self) -> Result<(), Error> {
        self.control(&FromViewer::Redraw).await
    }

    /// Leaves. The session goes on; the reader gets [`FromDaemon::Detached`] and then its end.
    ///
    /// # Errors
    /// [`Error::Broken`]: it is left all the same.
    pub async fn detach(&mut self) -> Result<(), Error> {
        self.control(&FromViewer::Detach).await
    }

    async fn control(&mut self, control: &FromViewer) -> Result<(), Error> {
        let text = serde_json::to_string(control).expect("a control frame has a JSON form");
        self.sink
            .send(Message::Text(text.into()))
            .await
            .map_err(broken)
    }
}

#[allow(clippy::needless_pass_by_value)] // so that it can be given to map_err
fn broken(error: WsError) -> Error {
    Error::Broken {
        reason: error.to_string(),
    }
}

impl std::fmt::Debug for AttachReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AttachReader").finish_non_exhaustive()
    }
}

impl std::fmt::Debug for AttachWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AttachWriter").finish_non_exhaustive()
    }
}
