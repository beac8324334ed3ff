//! Coven's own log, its whole append path: folded, encoded, records and indexes kept.

use std::cell::Cell;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use coven_core::{
    Channel, Draft, Event, Exit, LaunchRequest, OutputEnd, Place, ProcessFacts, Seq, SessionId,
    Timestamp, decide,
};
use coven_store::{Batch, NewEvent, Options, Store, Urgency};
use tokio::runtime::{Builder, Runtime};

use crate::log::{Log, SharedLog};

pub(crate) struct Coven {
    runtime: Runtime,
    path: PathBuf,
    pub(crate) store: Store,
    sessions: Vec<Session>,
}

struct Session {
    id: SessionId,
    output_bytes: Cell<u64>,
}

impl Coven {
    /// A new log with so many running sessions.
    pub(crate) fn open(path: &Path, sessions: usize) -> Self {
        let runtime = Builder::new_current_thread()
            .enable_time()
            .build()
            .expect("a runtime");
        let store = Store::open(path, options()).expect("a new log");
        let sessions = (0..sessions)
            .map(|number| {
                let id = session_id("bench", number);
                runtime
                    .block_on(store.append(Batch {
                        session: id.clone(),
                        events: beginning(),
                        after: Some(Seq::ZERO),
                        urgency: Urgency::Control,
                    }))
                    .expect("appended");
                Session {
                    id,
                    output_bytes: Cell::new(0),
                }
            })
            .collect();
        Self {
            runtime,
            path: path.to_owned(),
            store,
            sessions,
        }
    }

    pub(crate) fn id(&self, session: usize) -> &SessionId {
        &self.sessions[session].id
    }

    /// Has everything folded, by closing the log and opening it again.
    pub(crate) fn settle(&mut self) {
        self.runtime.block_on(self.store.clone().close());
        self.store = Store::open(&self.path, options()).expect("it opens again");
    }

    async fn append_all(&self, session: usize, events: &[Bytes]) {
        let session = &self.sessions[session];
        // Whoever else appends to it at once has his place behind these: both are queued in turn.
        let mut offset = session.output_bytes.get();
        let outputs = events.iter().map(|data| {
            let output = output(offset, data.clone());
            offset += data.len() as u64;
            output
        });
        let events = outputs.collect();
        session.output_bytes.set(offset);
        self.put(session, events).await;
    }

    /// Ends a session and deletes it.
    pub(crate) async fn delete(&self, session: usize) {
        let session = &self.sessions[session];
        self.put(session, ending()).await;
        self.put(session, vec![placed(Event::Deleted)]).await;
    }

    async fn put(&self, session: &Session, events: Vec<NewEvent>) {
        let appended = self.store.append(Batch {
            session: session.id.clone(),
            events,
            after: None,
            urgency: Urgency::Output,
        });
        appended.await.expect("appended");
    }
}

impl SharedLog for Coven {
    async fn append_one(&self, session: usize, event: Bytes) {
        self.append_all(session, &[event]).await;
    }
}

impl Log for Coven {
    fn name(&self) -> &'static str {
        "Coven"
    }

    fn append(&mut self, session: usize, events: &[Bytes]) {
        self.runtime.block_on(self.append_all(session, events));
    }

    fn close(self: Box<Self>) {
        self.runtime.block_on(self.store.close());
    }
}

/// How the daemon opens its log.
pub(crate) fn options() -> Options {
    Options {
        at_rest: Some(coven_harness::give_back_free_memory),
        ..Options::default()
    }
}

pub(crate) fn session_id(prefix: &str, number: usize) -> SessionId {
    SessionId::parse(&format!("{prefix}-{number}")).expect("an id")
}

pub(crate) fn placed(event: Event) -> NewEvent {
    NewEvent {
        at: Timestamp::from_nanos(1_700_000_000_000_000_000),
        actor: None,
        event,
    }
}

/// Output at an offset of its session's.
pub(crate) fn output(offset: u64, data: Bytes) -> NewEvent {
    placed(Event::Output {
        offset,
        channel: Channel::Tty,
        data,
    })
}

/// A batch that follows `after`.
pub(crate) fn batch(session: SessionId, events: Vec<NewEvent>, after: Seq) -> Batch {
    Batch {
        session,
        events,
        after: Some(after),
        urgency: Urgency::Output,
    }
}

/// What makes a session run.
pub(crate) fn beginning() -> Vec<NewEvent> {
    let mut events = decide::launch(launch(), None, None).events;
    events.push(started());
    events.into_iter().map(placed).collect()
}

/// What ends it.
pub(crate) fn ending() -> Vec<NewEvent> {
    let end = OutputEnd::Complete;
    let exited = Event::Exited {
        exit: Some(Exit::Code { code: 0 }),
        output: end,
    };
    [Event::OutputClosed { end }, exited].map(placed).into()
}

fn launch() -> coven_core::Launch {
    let request = LaunchRequest {
        project_root: Some("/home/ada/project".to_owned()),
        harness: Some("codex".to_owned()),
        prompt: Some("fix the failing tests".to_owned()),
        ..LaunchRequest::default()
    };
    let place = Place::new("/home/ada/project", "/home/ada/project").expect("a place");
    Draft::parse(&request).expect("a launch").at(place)
}

fn started() -> Event {
    Event::Started {
        process: ProcessFacts {
            pid: 4242,
            start_time: 99,
            boot_id: "3e6b0d0c-8a52-4b0f-9d5e-2f1f6f0c7a11".to_owned(),
            shim_pid: None,
        },
        executable: "/usr/bin/codex".to_owned(),
        argv: vec!["codex".to_owned()],
    }
}
