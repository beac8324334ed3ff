//! Coven's own log, its whole append path: folded, encoded, records and indexes kept.

use std::path::Path;

use bytes::Bytes;
use coven_core::{
    Channel, Draft, Event, LaunchRequest, Place, ProcessFacts, Seq, SessionId, Timestamp, decide,
};
use coven_store::{Batch, NewEvent, Options, Store, Urgency};
use tokio::runtime::{Builder, Runtime};

use crate::Log;

pub(crate) struct Coven {
    runtime: Runtime,
    store: Store,
    sessions: Vec<Session>,
}

struct Session {
    id: SessionId,
    after: Seq,
    output_bytes: u64,
}

impl Coven {
    pub(crate) fn open(path: &Path, sessions: usize) -> Self {
        let runtime = Builder::new_current_thread().build().expect("a runtime");
        let store = Store::open(path, Options::default()).expect("a new log");
        let sessions = (0..sessions)
            .map(|number| {
                let id = SessionId::parse(&format!("bench-{number}")).expect("an id");
                let mut events = decide::launch(launch(), None).events;
                events.push(started());
                let batch = Batch {
                    session: id.clone(),
                    events: events.into_iter().map(placed).collect(),
                    after: Some(Seq::ZERO),
                    urgency: Urgency::Control,
                };
                let appended = runtime.block_on(store.append(batch)).expect("appended");
                Session {
                    id,
                    after: appended.last,
                    output_bytes: 0,
                }
            })
            .collect();
        Self {
            runtime,
            store,
            sessions,
        }
    }
}

impl Log for Coven {
    fn name(&self) -> &'static str {
        "Coven"
    }

    fn append(&mut self, session: usize, events: &[Bytes]) {
        let session = &mut self.sessions[session];
        let mut batch = Vec::with_capacity(events.len());
        for event in events {
            batch.push(placed(Event::Output {
                offset: session.output_bytes,
                channel: Channel::Tty,
                data: event.clone(),
            }));
            session.output_bytes += event.len() as u64;
        }
        let batch = Batch {
            session: session.id.clone(),
            events: batch,
            after: Some(session.after),
            urgency: Urgency::Output,
        };
        let appended = self
            .runtime
            .block_on(self.store.append(batch))
            .expect("appended");
        session.after = appended.last;
    }
}

fn placed(event: Event) -> NewEvent {
    NewEvent {
        at: Timestamp::from_nanos(1_700_000_000_000_000_000),
        actor: None,
        event,
    }
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
