//! A session that tests make up, of which only the launch is on record.

use coven_core::{Draft, Event, LaunchRequest, Place, Session, SessionId};

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

/// The one of this id.
pub(super) fn session(id: &str) -> Session {
    Session::begin(SessionId::parse(id).unwrap(), &created()).unwrap()
}
