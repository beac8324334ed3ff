//! `Server`: the daemon's socket, from bind to the end.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use coven::home::{Hold, Renewed};
use coven::{Engine, OpenError};
use tokio::net::UnixStream;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::SOCKET_NAME;
use crate::app::{App, Held, Stop};
use crate::connection;
use crate::daemon_file::{self, DaemonFile};
use crate::error::Error;
use crate::home_standing::{HomeStanding, Standing};
use crate::limits;
use crate::peer;
use crate::socket::{self, BindError, BoundSocket};
use crate::wire::{Daemon, SessionsAtStop};

/// How a server serves. [`ServeOptions::default`] has what nearly everybody wants.
#[derive(Clone, Copy, Debug)]
pub struct ServeOptions {
    /// How long clients are waited for, before they are given up.
    pub timeouts: Timeouts,
    /// How long open requests may take to end once the engine has stopped.
    pub drain: Duration,
}

/// How long clients are waited for.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// For the head of a request, from the moment of connecting.
    pub head: Duration,
    /// For the body of a request.
    pub body: Duration,
    /// For a client to take any of a plain answer. Streams have no such bound.
    pub write_stall: Duration,
    /// Between two signs of life on a stream that has nothing to say.
    pub heartbeat: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            head: limits::HEAD_TIMEOUT,
            body: limits::BODY_TIMEOUT,
            write_stall: limits::WRITE_STALL_TIMEOUT,
            heartbeat: limits::HEARTBEAT,
        }
    }
}

impl Default for ServeOptions {
    fn default() -> Self {
        Self {
            timeouts: Timeouts::default(),
            drain: Duration::from_secs(5),
        }
    }
}

/// Why a home cannot be served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The socket cannot be bound.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// `daemon.json` cannot be written.
    #[error("{} cannot be written: {source}", path.display())]
    DaemonFile {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

/// A daemon that is bound: clients can connect, and are answered once it [runs](Server::run).
#[derive(Debug)]
pub struct Server {
    app: Arc<App>,
    socket: BoundSocket,
    file: DaemonFile,
    /// No other daemon has the home until the socket and the file are put away.
    hold: Option<Hold>,
    home: HomeStanding,
    drain: Duration,
}

/// Stops a server, from anywhere. It keeps neither the server nor its engine alive.
#[derive(Clone, Debug)]
pub struct Stopper(Stop);

/// A server that has stopped. Those who asked it to stop see the end of their connection when
/// this is dropped, so drop it last.
#[derive(Debug)]
#[must_use = "those who asked for the stop learn of it when this is dropped"]
pub struct Stopped {
    _held: Vec<Held>,
}

impl Server {
    /// Binds the socket of the engine's home and writes its `daemon.json`. Blocks for a few
    /// system calls; call it within a tokio runtime.
    ///
    /// # Errors
    /// - [`ServeError::Bind`]: a live daemon has the socket, or something that is not a socket is
    ///   in its place, or its path is too long.
    /// - [`ServeError::DaemonFile`]: the home cannot be written to, for another reason than a full disk.
    pub fn bind(engine: Engine, options: ServeOptions) -> Result<Self, ServeError> {
        let home = engine.home().to_owned();
        let socket = socket::bind(&home.join(SOCKET_NAME))?;
        let daemon = Daemon::at(&home.join(SOCKET_NAME));
        let cannot_write = |source| ServeError::DaemonFile {
            path: daemon_file::path(&home),
            source,
        };
        let file = DaemonFile::write(&home, &daemon).map_err(cannot_write)?;
        tracing::info!(socket = %daemon.socket, "serving");
        Ok(Self {
            hold: engine.hold_home(),
            home: HomeStanding::of(home.clone()).map_err(cannot_write)?,
            app: Arc::new(App::new(engine, daemon, options.timeouts)),
            socket,
            file,
            drain: options.drain,
        })
    }

    /// Which daemon this is.
    pub fn daemon(&self) -> &Daemon {
        &self.app.daemon
    }

    /// The socket's path.
    pub fn socket(&self) -> &Path {
        self.socket.path()
    }

    /// What stops it.
    pub fn stopper(&self) -> Stopper {
        Stopper(self.app.stop().clone())
    }

    /// Serves until it is stopped, by [`Stopper::stop`], by a client's shutdown request, or by the
    /// removal of its home. Then ends every stream, has the engine leave (or shut down, where its
    /// sessions are to end), waits for open requests
    /// (bounded by [`ServeOptions::drain`]), and removes the socket and `daemon.json`. A socket
    /// that somebody removes meanwhile is bound again.
    pub async fn run(mut self) -> Stopped {
        let mut connections = JoinSet::new();
        let permits = Arc::new(Semaphore::new(limits::MAX_CONNECTIONS));
        let app = self.app.clone();
        let mut stopping = app.stopping();
        let stop = async {
            let sessions = stopping.wait().await;
            tracing::info!(?sessions, "stopping");
            match sessions {
                SessionsAtStop::Keep => app.engine.leave().await,
                SessionsAtStop::End => app.engine.shutdown().await,
            }
        };
        tokio::select! {
            // Requests are answered while the engine stops: health tells, the others refuse.
            never = self.accept(&mut connections, &permits) => match never {},
            () = stop => {}
        }
        self.app.close();
        let drained = async { while connections.join_next().await.is_some() {} };
        if timeout(self.drain, drained).await.is_err() {
            connections.shutdown().await;
        }
        self.socket.remove();
        self.file.remove();
        drop(self.hold);
        tracing::info!("stopped");
        Stopped {
            _held: self.app.take_held(),
        }
    }

    async fn accept(
        &mut self,
        connections: &mut JoinSet<()>,
        permits: &Arc<Semaphore>,
    ) -> std::convert::Infallible {
        loop {
            let accepted = tokio::select! {
                // First those who came to a socket that is bound anew.
                biased;
                accepted = self.socket.accept() => accepted,
                standing = self.home.next() => {
                    self.look_after_home(standing);
                    continue;
                }
                Some(_) = connections.join_next() => continue,
            };
            let stream = match accepted {
                Ok(stream) => stream,
                Err(error) => {
                    // Out of descriptors, most likely: let some connections end.
                    tracing::warn!(%error, "accept failed");
                    sleep(Duration::from_millis(50)).await;
                    continue;
                }
            };
            match permits.clone().try_acquire_owned() {
                Ok(permit) => {
                    let app = self.app.clone();
                    connections.spawn(async move {
                        connection::serve(app, stream).await;
                        drop(permit);
                    });
                }
                Err(_) => turn_away(&stream),
            }
        }
    }
}

impl Server {
    /// Ends with its home, and can be reached as long as that is there.
    fn look_after_home(&mut self, standing: Standing) {
        let home = self.app.engine.home();
        match standing {
            Standing::Whole => self.renew_lock(),
            Standing::Gone => {
                tracing::warn!(home = %home.display(), "the home is gone: this daemon ends");
                // What they do can be put on record no more.
                self.app.stop().begin(SessionsAtStop::End);
            }
            Standing::Unknown { error } => {
                tracing::warn!(home = %home.display(), %error, "the home cannot be looked at");
            }
            // On this task, not beside it: a socket that is bound while the daemon stops would
            // outlive it.
            Standing::SocketGone => {
                match socket::bind(self.socket.path()) {
                    Ok(socket) => {
                        tracing::warn!("somebody removed the socket: it is bound again");
                        self.socket = socket;
                    }
                    Err(error) => {
                        tracing::warn!(%error, "somebody removed the socket: it cannot be bound again");
                    }
                }
                self.renew_lock();
            }
        }
    }

    /// Has whoever opens the home find that it is taken, where somebody removed its lock.
    fn renew_lock(&mut self) {
        let Some(hold) = &self.hold else { return };
        match hold.renew() {
            Ok(Renewed::WasInPlace) => {}
            Ok(Renewed::Again) => {
                tracing::warn!("somebody removed the home's lock: it is made again");
            }
            Err(error) => {
                tracing::warn!(%error, "somebody removed the home's lock: it is not made again");
                if let OpenError::InUse { .. } = error {
                    self.home.look_again();
                }
            }
        }
    }
}

impl Stopper {
    /// Begins to stop the server; its sessions go on where shims hold them. Returns at once.
    pub fn stop(&self) {
        self.0.begin(SessionsAtStop::Keep);
    }
}

/// Tells one connection too many why it is not served, without waiting for it.
fn turn_away(stream: &UnixStream) {
    if peer::check(stream).is_err() {
        return;
    }
    let _ = stream.try_write(&Error::too_many("connections").raw());
}
