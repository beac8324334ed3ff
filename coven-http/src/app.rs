//! `App`: what every request has to do with. `Call`: one request.

use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError};

use coven::{Actor, Engine, SessionId};
use hyper::Request;
use hyper::header::{HeaderName, USER_AGENT};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use crate::body::{Body, Room};
use crate::connection::Switch;
use crate::error::Error;
use crate::limits;
use crate::peer::Peer;
use crate::query::Query;
use crate::server::Timeouts;
use crate::wire::Daemon;

/// What every request has to do with.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) engine: Engine,
    pub(crate) daemon: Daemon,
    pub(crate) timeouts: Timeouts,
    pub(crate) room: Arc<Room>,
    streams: Arc<Semaphore>,
    stage: Stop,
    held: Mutex<Vec<OwnedFd>>,
}

/// One request.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) app: Arc<App>,
    pub(crate) peer: Peer,
    pub(crate) switch: Arc<Switch>,
    pub(crate) request: Request<()>,
    pub(crate) body: Body,
    /// The part of the path that the route names, if it names one.
    pub(crate) param: Option<String>,
}

/// How far the daemon has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Serving,
    /// The engine stops. Streams end; requests are still answered, most of them with that.
    Stopping,
    /// The engine has stopped. What was asked is answered; nothing more is.
    Closing,
}

/// Leave for one stream. Held for as long as the stream is open.
#[derive(Debug)]
pub(crate) struct StreamPermit(#[allow(dead_code)] OwnedSemaphorePermit);

/// Makes the daemon stop. It keeps nothing of it alive.
#[derive(Clone, Debug)]
pub(crate) struct Stop(watch::Sender<Stage>);

/// Resolves when the daemon stops.
#[derive(Clone, Debug)]
pub(crate) struct Stopping(watch::Receiver<Stage>);

impl App {
    pub(crate) fn new(engine: Engine, daemon: Daemon, timeouts: Timeouts) -> Self {
        Self {
            engine,
            daemon,
            timeouts,
            room: Arc::new(Room::new(limits::MAX_BODIES_BYTES)),
            streams: Arc::new(Semaphore::new(limits::MAX_STREAMS)),
            stage: Stop(watch::Sender::new(Stage::Serving)),
            held: Mutex::new(Vec::new()),
        }
    }

    /// What makes it stop.
    pub(crate) fn stop(&self) -> &Stop {
        &self.stage
    }

    /// Ends connections that have asked nothing.
    pub(crate) fn close(&self) {
        self.stage.reach(Stage::Closing);
    }

    pub(crate) fn is_stopping(&self) -> bool {
        *self.stage.0.borrow() >= Stage::Stopping
    }

    pub(crate) fn stopping(&self) -> Stopping {
        Stopping(self.stage.0.subscribe())
    }

    /// Leave for one stream.
    pub(crate) fn stream(&self) -> Result<StreamPermit, Error> {
        self.streams
            .clone()
            .try_acquire_owned()
            .map(StreamPermit)
            .map_err(|_| Error::too_many("streams"))
    }

    /// Keeps a connection open until the daemon has stopped.
    pub(crate) fn hold(&self, connection: OwnedFd) {
        self.held
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(connection);
    }

    pub(crate) fn take_held(&self) -> Vec<OwnedFd> {
        std::mem::take(&mut self.held.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Stop {
    /// Begins to stop: streams end, and what is asked from now on is refused.
    pub(crate) fn begin(&self) {
        self.reach(Stage::Stopping);
    }

    fn reach(&self, stage: Stage) {
        self.0.send_if_modified(|now| {
            let goes_on = *now < stage;
            *now = stage.max(*now);
            goes_on
        });
    }
}

impl Stopping {
    /// The engine stops.
    pub(crate) async fn wait(&mut self) {
        self.reached(Stage::Stopping).await;
    }

    /// The engine has stopped.
    pub(crate) async fn closing(&mut self) {
        self.reached(Stage::Closing).await;
    }

    async fn reached(&mut self, stage: Stage) {
        // An error means that the sender is gone, and with it the daemon.
        let _ = self.0.wait_for(|now| *now >= stage).await;
    }
}

impl Call {
    pub(crate) fn engine(&self) -> &Engine {
        &self.app.engine
    }

    pub(crate) fn query(&self) -> Query<'_> {
        Query::new(self.request.uri().query())
    }

    pub(crate) fn header(&self, name: HeaderName) -> Option<&str> {
        self.request.headers().get(name)?.to_str().ok()
    }

    /// The part of the path that the route names.
    pub(crate) fn param(&self) -> &str {
        self.param.as_deref().unwrap_or_default()
    }

    /// The session that the path names. A text that cannot be an id is one that is not found.
    pub(crate) fn session(&self) -> Result<SessionId, Error> {
        SessionId::parse(self.param()).map_err(|_| Error::no_session(self.param()))
    }

    /// Who asks.
    pub(crate) fn actor(&self) -> Actor {
        let client = self.header(USER_AGENT).map(|name| {
            // A header that is text is ASCII.
            let most = coven::limits::MAX_CLIENT_NAME_BYTES;
            name.get(..most).unwrap_or(name).to_owned()
        });
        Actor {
            uid: self.peer.uid,
            pid: self.peer.pid,
            client,
        }
    }
}
