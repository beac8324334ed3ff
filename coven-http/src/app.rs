//! `App`: what every request has to do with. `Call`: one request.

use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError};

use coven::{Actor, Engine, IdempotencyKey, Refusal, SessionId};
use data_encoding::HEXLOWER;
use hyper::Request;
use hyper::header::{HeaderName, HeaderValue};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use crate::body::{Body, Room};
use crate::connection::Switch;
use crate::error::Error;
use crate::limits;
use crate::peer::Peer;
use crate::query::Query;
use crate::reply::Reply;
use crate::server::Timeouts;
use crate::wire::{Daemon, SessionsAtStop};
use crate::{LOG, SOCKET_NAME};

/// What every request has to do with.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) engine: Engine,
    pub(crate) daemon: Daemon,
    pub(crate) timeouts: Timeouts,
    pub(crate) room: Arc<Room>,
    streams: Arc<Semaphore>,
    stage: Stop,
    holds: Arc<Semaphore>,
    held: Mutex<Vec<Held>>,
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
    Stopping(SessionsAtStop),
    /// The engine has stopped. What was asked is answered; nothing more is.
    Closing,
}

/// Leave for one stream. Held for as long as the stream is open.
#[derive(Debug)]
pub(crate) struct StreamPermit(#[allow(dead_code)] OwnedSemaphorePermit);

/// Leave for one connection to stay open until the daemon has stopped.
#[derive(Debug)]
pub(crate) struct HoldPermit(#[allow(dead_code)] OwnedSemaphorePermit);

/// A connection that is held open.
#[derive(Debug)]
pub(crate) struct Held(#[allow(dead_code)] OwnedFd, #[allow(dead_code)] HoldPermit);

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
            holds: Arc::new(Semaphore::new(limits::MAX_HELD_CONNECTIONS)),
            held: Mutex::new(Vec::new()),
        }
    }

    /// That of an engine which is asked by its own process alone.
    pub(crate) fn of_process(engine: Engine) -> Self {
        let daemon = Daemon::at(&engine.home().join(SOCKET_NAME));
        Self::new(engine, daemon, Timeouts::default())
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
        *self.stage.0.borrow() > Stage::Serving
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

    /// Leave for one connection to stay open until the daemon has stopped.
    pub(crate) fn hold_permit(&self) -> Result<HoldPermit, Error> {
        self.holds
            .clone()
            .try_acquire_owned()
            .map(HoldPermit)
            .map_err(|_| Error::too_many("requests for a stop"))
    }

    /// Keeps a connection open until the daemon has stopped.
    pub(crate) fn hold(&self, connection: OwnedFd, permit: HoldPermit) {
        self.held
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(Held(connection, permit));
    }

    pub(crate) fn take_held(&self) -> Vec<Held> {
        std::mem::take(&mut self.held.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Stop {
    /// Begins to stop: streams end, and what is asked from now on is refused.
    pub(crate) fn begin(&self, sessions: SessionsAtStop) {
        self.reach(Stage::Stopping(sessions));
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
    /// The engine stops. What is to become of its sessions.
    pub(crate) async fn wait(&mut self) -> SessionsAtStop {
        self.reached(Stage::Stopping(SessionsAtStop::Keep)).await;
        match *self.0.borrow() {
            Stage::Stopping(sessions) => sessions,
            Stage::Serving | Stage::Closing => SessionsAtStop::Keep,
        }
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

    /// The answer to it that is a stream, with the log that it tells of.
    pub(crate) fn of_log(&self, reply: Reply) -> Reply {
        let id = HEXLOWER.encode(&self.engine().log_id());
        let id = HeaderValue::try_from(id).expect("digits make a header");
        reply.header(HeaderName::from_static(LOG), id)
    }

    /// A header of the request.
    ///
    /// # Errors
    /// [`Refusal::Invalid`], naming it, when it is not ASCII or there are two.
    pub(crate) fn header(&self, name: &'static str) -> Result<Option<&str>, Refusal> {
        let mut values = self.request.headers().get_all(name).iter();
        let Some(value) = values.next() else {
            return Ok(None);
        };
        if values.next().is_some() {
            return Err(Refusal::invalid(name, "", "must be given once"));
        }
        value.to_str().map(Some).map_err(|_| {
            let shown = String::from_utf8_lossy(value.as_bytes()).into_owned();
            Refusal::invalid(name, shown, "must be ASCII")
        })
    }

    /// Its `Idempotency-Key`, if it has one.
    ///
    /// # Errors
    /// [`Refusal::Invalid`], naming it, when it is malformed.
    pub(crate) fn idempotency_key(&self) -> Result<Option<IdempotencyKey>, Refusal> {
        let key = self.header("Idempotency-Key")?;
        key.map(IdempotencyKey::parse).transpose()
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
        // Who gives no name that can be read gives none.
        let name = self.header("User-Agent").unwrap_or_default();
        let client = name.map(|name| {
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
