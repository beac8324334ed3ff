//! An engine in this program, which holds the terminals of its sessions itself, served on a socket.

use std::time::{Duration, Instant};

use coven::{Actor, Engine, Options, SessionId, Title};
use coven_http::client::Client;
use coven_http::{ServeOptions, Server, Stopped};
use tokio::task::JoinHandle;

use crate::place::Place;

pub(crate) struct Here {
    pub(crate) place: Place,
    pub(crate) client: Client,
    engine: Engine,
    _running: JoinHandle<Stopped>,
}

impl Here {
    pub(crate) async fn open() -> Self {
        let place = Place::new();
        let options = Options::at(place.home());
        let engine = Engine::open(options).await.expect("it opens");
        let server = Server::bind(engine.clone(), ServeOptions::default()).expect("it listens");
        Self {
            client: Client::at_home(&place.home()),
            engine,
            _running: tokio::spawn(server.run()),
            place,
        }
    }

    /// The time of an append until its answer: it is on the disk.
    pub(crate) async fn ack(&self, session: &str, number: usize) -> Duration {
        let id = SessionId::parse(session).expect("an id");
        let by = Actor {
            uid: rustix::process::getuid().as_raw(),
            pid: None,
            client: None,
        };
        let title = Title::parse(&format!("title {number}")).expect("a title");
        let started = Instant::now();
        let edited = self.engine.edit(&id, Some(title), None, by).await;
        let took = started.elapsed();
        edited.expect("it is on record");
        took
    }
}
