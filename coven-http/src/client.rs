//! A typed client: every route, over the daemon's Unix socket.
//!
//! Each call opens a connection of its own, so a [`Client`] is only an address: clone it, share
//! it, keep it for ever. A call that only reads is made anew where its connection breaks, as that of a
//! daemon that dies does.

mod about;
mod again;
mod attach;
mod away;
mod driving;
mod error;
mod exchange;
mod follow;
mod launching;
mod output;
mod reading;
mod sessions;
mod sse;
mod viewer;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use coven::Engine;
use hyper::StatusCode;
use serde::de::DeserializeOwned;

pub use attach::{Attach, AttachReader, AttachWriter, Frame};
pub use error::{Answer, Cursor, Departure, Error};
pub use follow::Follow;
pub use launching::Registered;
pub use output::Output;
pub use reading::EventsQuery;
pub use sessions::SessionsQuery;
pub use viewer::{TooMuchTyped, Viewer, ViewerReader, ViewerWriter};

use crate::SOCKET_NAME;
use crate::app::App;
use crate::wire::Accepted;
use exchange::{Ask, Open, Peer};

/// How long a call may take unless [`Client::timeout`] says otherwise: over the slowest launch.
const TIMEOUT: Duration = Duration::from_secs(60);

/// How long an answer may take to begin unless [`Client::patience`] says otherwise: over what a
/// daemon that is alive needs on a busy machine.
const PATIENCE: Duration = Duration::from_secs(10);

/// The daemon at a socket, or an engine of this process that answers as one.
#[derive(Clone, Debug)]
pub struct Client {
    peer: Peer,
    name: String,
    timeout: Duration,
    patience: Duration,
}

/// What came of an action.
type Outcome<T> = Result<T, Error>;

impl Client {
    /// The daemon at `socket`. Nothing is opened yet.
    pub fn new(socket: impl Into<PathBuf>) -> Self {
        Self::of(Peer::Socket(socket.into()))
    }

    /// An engine of this process, which answers everything as a daemon would, without a socket: for
    /// who reads a home that no daemon has open. Answers are waited for however long they take.
    /// Call it within the tokio runtime that the calls are made in.
    pub fn of_engine(engine: Engine) -> Self {
        let endless = Duration::MAX;
        let peer = Peer::Engine(Arc::new(App::of_process(engine)));
        Self::of(peer).timeout(endless).patience(endless)
    }

    fn of(peer: Peer) -> Self {
        Self {
            peer,
            name: concat!("coven-http/", env!("CARGO_PKG_VERSION")).to_owned(),
            timeout: TIMEOUT,
            patience: PATIENCE,
        }
    }

    /// The daemon of the Coven home at `home`.
    pub fn at_home(home: &Path) -> Self {
        Self::new(home.join(SOCKET_NAME))
    }

    /// The same, calling itself `name`: what it does is recorded under that name.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// The same, waiting at most `timeout` for each whole answer (60 s unless this says
    /// otherwise), and for the head of a stream. Streams have no bound after that.
    #[must_use]
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// The same, waiting at most `patience` for an answer to begin (10 s unless this says
    /// otherwise), but where the daemon itself may wait for something before it answers: launches,
    /// kills, deletions, the shutdown, and what it learns from the harnesses' own programs. Those
    /// have the bound of [`Client::timeout`] alone.
    #[must_use]
    pub const fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// The socket; where there would be one, for an engine of this process.
    pub fn socket(&self) -> &Path {
        self.peer.socket()
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Outcome<T> {
        self.call(Ask::get(path)).await
    }

    async fn accepted(&self, ask: Ask) -> Outcome<()> {
        self.call::<Accepted>(ask).await.map(|_| ())
    }

    async fn call<T: DeserializeOwned>(&self, ask: Ask) -> Outcome<T> {
        let what = format!("{} {}", ask.method, ask.path);
        let (_, body) = self.whole(ask).await?;
        exchange::parse(&what, &body)
    }

    async fn whole(&self, ask: Ask) -> Outcome<(StatusCode, Bytes)> {
        again::whole(&self.peer, &self.name, self.timeout, self.head(&ask), ask).await
    }

    async fn open(&self, ask: Ask) -> Outcome<Open> {
        exchange::open(&self.peer, &self.name, self.head(&ask), ask).await
    }

    /// How long the answer to `ask` may take to begin.
    fn head(&self, ask: &Ask) -> Duration {
        if ask.is_slow {
            self.timeout
        } else {
            self.timeout.min(self.patience)
        }
    }
}
