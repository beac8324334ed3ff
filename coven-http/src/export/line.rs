//! The lines of an export. A key that is not known, is missing or is there twice makes a line wrong.

use serde::{Deserialize, Serialize};

use super::what::What;
use crate::wire::Time;

/// One line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Line {
    /// The first.
    Header(Header),
    /// One for each event, in order.
    Event(Box<EventLine>),
    /// The last.
    End(End),
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Header {
    pub(super) format: String,
    pub(super) version: u32,
    pub(super) session: String,
    pub(super) coven_version: String,
    pub(super) exported_at: Time,
    pub(super) redacted: bool,
    /// Events on record, which are as many lines unless it is redacted.
    pub(super) events: u64,
    pub(super) output_bytes: u64,
    pub(super) trimmed_bytes: u64,
    pub(super) status: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EventLine {
    pub(super) index: u64,
    pub(super) at: Time,
    pub(super) actor: Option<Actor>,
    pub(super) what: What,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Actor {
    pub(super) uid: u32,
    pub(super) pid: Option<u32>,
    pub(super) client: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct End {
    /// Lines of events.
    pub(super) events: u64,
    /// Of the session's id, a line feed, and every line of an event with its line feed.
    pub(super) sha256: String,
}

impl Line {
    /// As it is written, its line feed included.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec(self).expect("a line has a JSON form");
        bytes.push(b'\n');
        bytes
    }
}

impl From<&coven::Actor> for Actor {
    fn from(actor: &coven::Actor) -> Self {
        Self {
            uid: actor.uid,
            pid: actor.pid,
            client: actor.client.clone(),
        }
    }
}

impl From<Actor> for coven::Actor {
    fn from(actor: Actor) -> Self {
        Self {
            uid: actor.uid,
            pid: actor.pid,
            client: actor.client,
        }
    }
}
