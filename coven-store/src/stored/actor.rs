//! Who asked, as stored.

use coven_core::Actor;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
pub(super) struct ActorRow {
    uid: u32,
    pid: Option<u32>,
    client: Option<String>,
}

impl From<&Actor> for ActorRow {
    fn from(actor: &Actor) -> Self {
        Self {
            uid: actor.uid,
            pid: actor.pid,
            client: actor.client.clone(),
        }
    }
}

impl From<ActorRow> for Actor {
    fn from(row: ActorRow) -> Self {
        Self {
            uid: row.uid,
            pid: row.pid,
            client: row.client,
        }
    }
}
