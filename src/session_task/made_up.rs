//! A session that tests make up, of which only the launch is on record.

use coven_core::{
    Draft, Envelope, Event, LaunchRequest, Place, ProcessFacts, Record, Seq, Session, SessionId,
    Timestamp,
};

/// What is on record of it.
pub(super) fn created() -> Event {
    let request = LaunchRequest {
        project_root: Some("/p".to_owned()),
        harness: Some("shell".to_owned()),
        prompt: Some("true".to_owned()),
        ..LaunchRequest::default()
    };
    let place = Place::new("/p", "/p").unwrap();
    Event::Created {
        launch: Box::new(Draft::parse(&request).unwrap().at(place)),
        boot_id: None,
    }
}

/// What comes next, once its process runs.
pub(super) fn started() -> Event {
    Event::Started {
        process: ProcessFacts {
            pid: 7,
            start_time: 1,
            boot_id: "boot".to_owned(),
            shim_pid: None,
        },
        executable: "/bin/sh".to_owned(),
        argv: Vec::new(),
    }
}

/// The record of one.
pub(super) fn record() -> Record {
    let begins = Envelope {
        seq: Seq::new(1),
        session: SessionId::parse("one").unwrap(),
        at: Timestamp::from_nanos(0),
        actor: None,
        event: created(),
    };
    Record::fold(None, &begins).unwrap()
}

/// The one of this id.
pub(super) fn session(id: &str) -> Session {
    Session::begin(SessionId::parse(id).unwrap(), &created()).unwrap()
}
