//! One request and its answer, on a connection of its own.

use std::io;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::{Method, Request, Response, StatusCode, header};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::task::JoinHandle;

use super::Error;
use super::error::Answer;
use crate::app::App;
use crate::connection;
use crate::peer::{self, Stranger};
use crate::wire::ErrorBody;

/// Bytes of an answer that is read whole: far over any that a daemon gives.
const MAX_ANSWER_BYTES: usize = 64 << 20;

/// How long to wait for room in a daemon's queue of connections.
const QUEUE_PAUSE: Duration = Duration::from_millis(5);

/// Names what is asked, so that it is done once however often it is asked.
pub(super) const IDEMPOTENCY_KEY: header::HeaderName =
    header::HeaderName::from_static("idempotency-key");

/// Who answers.
#[derive(Clone, Debug)]
pub(super) enum Peer {
    /// The daemon at this socket.
    Socket(PathBuf),
    /// An engine of this process.
    Engine(Arc<App>),
}

impl Peer {
    pub(super) fn socket(&self) -> &Path {
        match self {
            Self::Socket(socket) => socket,
            Self::Engine(app) => Path::new(&app.daemon.socket),
        }
    }
}

/// A request, before it is sent.
#[derive(Clone)]
pub(super) struct Ask {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) headers: Vec<(header::HeaderName, String)>,
    pub(super) body: Option<Vec<u8>>,
    /// Whether a daemon that is well may take long to answer it.
    pub(super) is_slow: bool,
}

/// An answer's head, its body still to come. Dropping it closes the connection.
pub(super) struct Open {
    pub(super) response: Response<Incoming>,
    pub(super) what: String,
    connection: Connection,
}

/// The task that drives a connection; it ends with its owner.
pub(super) struct Connection(JoinHandle<()>);

impl Drop for Connection {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Ask {
    pub(super) fn new(method: Method, path: impl Into<String>) -> Self {
        Self {
            method,
            path: format!("/api/v1{}", path.into()),
            headers: Vec::new(),
            body: None,
            is_slow: false,
        }
    }

    pub(super) fn get(path: impl Into<String>) -> Self {
        Self::new(Method::GET, path)
    }

    pub(super) fn post(path: impl Into<String>) -> Self {
        Self::new(Method::POST, path)
    }

    pub(super) fn json<T: serde::Serialize>(mut self, body: &T) -> Self {
        let json = serde_json::to_vec(body).expect("a wire type has a JSON form");
        self.headers
            .push((header::CONTENT_TYPE, "application/json".to_owned()));
        self.body = Some(json);
        self
    }

    pub(super) fn header(mut self, name: header::HeaderName, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// The same, which a daemon that is well may take long to answer.
    pub(super) fn slow(mut self) -> Self {
        self.is_slow = true;
        self
    }

    pub(super) fn what(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    fn into_request(self, client: &str) -> Result<Request<Full<Bytes>>, Error> {
        let what = self.what();
        let mut request = Request::builder()
            .method(self.method)
            .uri(self.path)
            .header(header::HOST, "localhost")
            .header(header::USER_AGENT, client);
        for (name, value) in self.headers {
            request = request.header(name, value);
        }
        request
            .body(Full::new(Bytes::from(self.body.unwrap_or_default())))
            .map_err(|error| Error::Garbled {
                what,
                reason: format!("it cannot be asked: {error}"),
            })
    }
}

/// Sends a request and reads the answer's head, within `timeout`. An answer that is not a success
/// is read whole, within `timeout` too, and becomes an [`Error::Answer`].
pub(super) async fn open(
    peer: &Peer,
    client: &str,
    timeout: Duration,
    ask: Ask,
) -> Result<Open, Error> {
    let what = ask.what();
    let exchange = async {
        let opened = send(peer, client, ask).await?;
        let status = opened.response.status();
        if status.is_success() || status == StatusCode::SWITCHING_PROTOCOLS {
            return Ok(opened);
        }
        let what = opened.what.clone();
        let body = opened.whole().await?;
        Err(answer(status, &body, &what))
    };
    in_time(timeout, peer, what, exchange).await
}

/// What comes of an exchange that may take so long.
pub(super) async fn in_time<T>(
    timeout: Duration,
    peer: &Peer,
    what: String,
    exchange: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    tokio::time::timeout(timeout, exchange)
        .await
        .unwrap_or_else(|_| {
            Err(Error::Timeout {
                socket: peer.socket().to_owned(),
                what,
                after: timeout,
            })
        })
}

/// Sends a request and reads the whole answer, its head within `head`.
pub(super) async fn once(
    peer: &Peer,
    client: &str,
    head: Duration,
    ask: Ask,
) -> Result<(StatusCode, Bytes), Error> {
    let opened = open(peer, client, head, ask).await?;
    let status = opened.response.status();
    Ok((status, opened.whole().await?))
}

/// Sends a request and reads until the daemon closes the connection, which it does once it has
/// stopped. An answer that is not a success becomes an [`Error::Answer`].
///
/// Written by hand: an HTTP client closes its connection when the answer is whole.
pub(super) async fn until_eof(
    peer: &Peer,
    client: &str,
    timeout: Duration,
    ask: Ask,
) -> Result<(), Error> {
    let what = ask.what();
    let body = ask.body.unwrap_or_default();
    let head = format!(
        "{what} HTTP/1.1\r\nhost: localhost\r\nuser-agent: {client}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let exchange = async {
        let mut stream = connect(peer).await?;
        let mut answer = Vec::new();
        let told = async {
            stream.write_all(head.as_bytes()).await?;
            stream.write_all(&body).await?;
            stream
                .take(MAX_ANSWER_BYTES as u64)
                .read_to_end(&mut answer)
                .await
        };
        told.await.map_err(|error| Error::Broken {
            reason: error.to_string(),
        })?;
        answered(&what, &answer)
    };
    in_time(timeout, peer, what.clone(), exchange).await
}

/// Whether a whole answer, head and body, is a success.
fn answered(what: &str, raw: &[u8]) -> Result<(), Error> {
    let garbled = || Error::Garbled {
        what: what.to_owned(),
        reason: "it is not an HTTP answer".to_owned(),
    };
    if raw.is_empty() {
        return Err(Error::Broken {
            reason: "it ended without an answer".to_owned(),
        });
    }
    let head_end = raw.windows(4).position(|four| four == b"\r\n\r\n");
    let (head, body) = raw.split_at(head_end.ok_or_else(garbled)? + 4);
    let status = head
        .strip_prefix(b"HTTP/1.1 ")
        .and_then(|rest| StatusCode::from_bytes(rest.get(..3)?).ok())
        .ok_or_else(garbled)?;
    if status.is_success() {
        Ok(())
    } else {
        Err(answer(status, body, what))
    }
}

/// Reads a JSON answer.
pub(super) fn parse<T: DeserializeOwned>(what: &str, body: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(body).map_err(|error| Error::Garbled {
        what: what.to_owned(),
        reason: error.to_string(),
    })
}

impl Open {
    /// The rest of the answer.
    pub(super) async fn whole(self) -> Result<Bytes, Error> {
        let body = Limited::new(self.response.into_body(), MAX_ANSWER_BYTES);
        let collected = body.collect().await.map_err(|error| Error::Broken {
            reason: error.to_string(),
        })?;
        Ok(collected.to_bytes())
    }

    /// The answer's body to read piece by piece, and what keeps its connection going.
    pub(super) fn into_stream(self) -> (Incoming, Connection) {
        (self.response.into_body(), self.connection)
    }

    /// The answer itself, to be upgraded, and what keeps its connection going.
    pub(super) fn into_upgrade(self) -> (Response<Incoming>, Connection) {
        (self.response, self.connection)
    }
}

async fn send(peer: &Peer, client: &str, ask: Ask) -> Result<Open, Error> {
    let what = ask.what();
    let request = ask.into_request(client)?;
    let stream = connect(peer).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(broken)?;
    let connection = Connection(tokio::spawn(async move {
        // Its error reaches whoever reads the answer.
        let _ = connection.with_upgrades().await;
    }));
    let response = sender.send_request(request).await.map_err(broken)?;
    Ok(Open {
        response,
        what,
        connection,
    })
}

/// A connection to whoever answers.
async fn connect(peer: &Peer) -> Result<UnixStream, Error> {
    match peer {
        Peer::Socket(socket) => connect_to(socket).await,
        Peer::Engine(app) => within(app).map_err(|source| Error::Unreachable {
            socket: peer.socket().to_owned(),
            source,
        }),
    }
}

/// A connection that an engine of this process answers at.
fn within(app: &Arc<App>) -> io::Result<UnixStream> {
    let (ours, theirs) = UnixStream::pair()?;
    tokio::spawn(connection::serve(Arc::clone(app), theirs));
    Ok(ours)
}

/// A connection to a daemon of our own user: what is sent may hold secrets.
async fn connect_to(socket: &Path) -> Result<UnixStream, Error> {
    check(socket)?;
    let stream = reach(socket).await?;
    match peer::check(&stream) {
        Ok(_) => Ok(stream),
        Err(Stranger::OtherUser { uid }) => Err(Error::Stranger {
            socket: socket.to_owned(),
            uid,
        }),
        Err(Stranger::Unknown(source)) => Err(Error::Unreachable {
            socket: socket.to_owned(),
            source,
        }),
    }
}

/// Makes sure that a socket, if anything, lies at the path: a link is not followed, for it may lead
/// to the daemon of another home.
fn check(socket: &Path) -> Result<(), Error> {
    let Ok(metadata) = std::fs::symlink_metadata(socket) else {
        // Connecting tells why.
        return Ok(());
    };
    let kind = metadata.file_type();
    let found = if kind.is_socket() {
        return Ok(());
    } else if kind.is_symlink() {
        "a symbolic link"
    } else if kind.is_dir() {
        "a directory"
    } else {
        "another file"
    };
    Err(Error::NotASocket {
        socket: socket.to_owned(),
        found,
    })
}

/// A daemon whose queue of connections is full is there, and gets to them.
async fn reach(socket: &Path) -> Result<UnixStream, Error> {
    loop {
        match UnixStream::connect(socket).await {
            Ok(stream) => return Ok(stream),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                tokio::time::sleep(QUEUE_PAUSE).await;
            }
            Err(source) => {
                return Err(Error::Unreachable {
                    socket: socket.to_owned(),
                    source,
                });
            }
        }
    }
}

#[allow(clippy::needless_pass_by_value)] // so that it can be given to map_err
fn broken(error: hyper::Error) -> Error {
    Error::Broken {
        reason: error.to_string(),
    }
}

pub(super) fn answer(status: StatusCode, body: &[u8], what: &str) -> Error {
    let Ok(ErrorBody { error }) = serde_json::from_slice(body) else {
        return Error::Garbled {
            what: what.to_owned(),
            reason: format!("status {status} without an error envelope"),
        };
    };
    Error::Answer(Box::new(Answer {
        status: status.as_u16(),
        code: coven::Code::parse(&error.code),
        code_text: error.code,
        message: error.message,
        details: error.details,
    }))
}
